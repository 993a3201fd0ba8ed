import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const sources = globSync('{packages,apps,claims,e2e,scripts}/**/*.{ts,tsx}', {
  cwd: root,
  exclude: (path) => /node_modules|\.test-fixtures|\/dist\//.test(path),
})

test('fields of an object are written as fields: no literal is spread into another to fit a line', () => {
  const spreading = sources.flatMap((path) =>
    readFileSync(join(root, path), 'utf8')
      .split('\n')
      .flatMap((line, i) => (/\.\.\.\{ \w/.test(line) ? [`${path}:${i + 1}`] : [])),
  )
  expect(spreading).toEqual([])
})
