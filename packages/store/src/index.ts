// the operators that queries over the tables are made of, so that one place decides on the query builder
export {
  and,
  asc,
  between,
  count,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  max,
  min,
  ne,
  not,
  notInArray,
  or,
  type SQL,
  sql,
  sum,
} from 'drizzle-orm'
export * from './Blobs.ts'
export * from './Database.ts'
export { DirectoryLockedError } from './DirectoryLock.ts'
export * from './Jobs.ts'
export { MigrationChangedError } from './Migrations.ts'
export * as schema from './schema.ts'
