import { randomBytes, randomUUID } from 'node:crypto'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { and, type Database, desc, eq, type Orm, schema } from '@openledger/store'

const { apiKeys } = schema

/** What a request made with a key may use. */
export type KeyHolder = { readonly id: string; readonly account: Hex }

export type ApiKeys = {
  /** Creates a key; the secret is in this answer and nowhere else. */
  readonly create: (request: {
    readonly account: Hex
    readonly name: string
    readonly limitWei: bigint
  }) => Promise<{ readonly secret: string; readonly apiKey: Http.ApiKey }>
  /**
   * Ends a key for good; a second time changes nothing.
   * @throws {ApiKeyNotFoundError} when the account has no such key.
   */
  readonly revoke: (account: Hex, id: string) => Promise<Http.ApiKey>
  readonly list: (account: Hex) => Promise<Http.ApiKey[]>
  /** Gives whose key a secret is, or nothing when it is unknown or revoked. */
  readonly find: (secret: string) => Promise<KeyHolder | undefined>
}

const SECRET_PREFIX = 'ol-'
const SECRET_BYTES = 32
/** Keys of one account that are not revoked. */
const KEY_COUNT_MAX = 100

const hashSecret = (secret: string): Hex => Bytes.toHex(Bytes.sha256(Bytes.fromUtf8(secret)))

/**
 * Creates the keys of the OpenAI-compatible interface.
 *
 * A secret is 256 random bits, so its plain SHA-256 needs neither salt nor stretching, and looking it up by hash takes
 * the same time whatever was sent.
 */
export function createApiKeys(database: Database): ApiKeys {
  return {
    async create({ account, name, limitWei }) {
      const secret = SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64url')
      const id = randomUUID()
      const row = await database.transaction(async (orm) => {
        const count = await orm.$count(apiKeys, and(eq(apiKeys.account, account), eq(apiKeys.revoked, false)))
        if (count >= KEY_COUNT_MAX) throw new ApiKeyCountError(account, KEY_COUNT_MAX)
        const [created] = await orm
          .insert(apiKeys)
          .values({ id, secretHash: hashSecret(secret), name, account, limitWei })
          .returning()
        return created!
      })
      return { secret, apiKey: toView(row) }
    },
    async revoke(account, id) {
      const [row] = await database.orm
        .update(apiKeys)
        .set({ revoked: true })
        .where(and(eq(apiKeys.id, id), eq(apiKeys.account, account)))
        .returning()
      if (row === undefined) throw new ApiKeyNotFoundError(id)
      return toView(row)
    },
    async list(account) {
      const rows = await database.orm
        .select()
        .from(apiKeys)
        .where(eq(apiKeys.account, account))
        .orderBy(desc(apiKeys.createdAt), apiKeys.id)
      return rows.map(toView)
    },
    async find(secret) {
      if (!secret.startsWith(SECRET_PREFIX) || secret.length > 128) return undefined
      const [row] = await database.orm
        .select({ id: apiKeys.id, account: apiKeys.account })
        .from(apiKeys)
        .where(and(eq(apiKeys.secretHash, hashSecret(secret)), eq(apiKeys.revoked, false)))
      return row && { id: row.id, account: row.account as Hex }
    },
  }
}

/** Reads one key's row inside a transaction. */
export async function rowOf(orm: Orm, id: string): Promise<typeof apiKeys.$inferSelect> {
  const [row] = await orm.select().from(apiKeys).where(eq(apiKeys.id, id))
  if (row === undefined) throw new ApiKeyNotFoundError(id)
  return row
}

const toView = (row: typeof apiKeys.$inferSelect): Http.ApiKey => ({
  id: row.id,
  name: row.name,
  account: row.account as Hex,
  limitWei: row.limitWei.toString(),
  spentWei: row.spentWei.toString(),
  revoked: row.revoked,
  createdAt: Math.floor(row.createdAt.getTime() / 1000),
})

export class ApiKeyNotFoundError extends BaseError {
  constructor(id: string) {
    super({
      code: 'api_key.not_found',
      message: `Expected the id of an API key of this account, got ${JSON.stringify(id.slice(0, 64))}. List the account's keys to find it.`,
      context: { id: id.slice(0, 64) },
    })
  }
}

export class ApiKeyCountError extends BaseError {
  constructor(account: Hex, max: number) {
    super({
      code: 'api_key.too_many',
      message: `Expected at most ${max} keys in use, but ${account} has as many. Revoke one first.`,
      context: { account, max },
    })
  }
}
