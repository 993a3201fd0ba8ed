import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { zip } from './Zip.ts'

const files = new Map([
  ['README.md', new TextEncoder().encode('# Türme\n')],
  ['onnx/model.onnx', Uint8Array.from({ length: 70_000 }, (_, i) => (i * i) % 251)],
  ['empty', new Uint8Array(0)],
])
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openledger-zip-'))
  await writeFile(join(directory, 'model.zip'), zip(files))
})
afterAll(() => rm(directory, { recursive: true }))

/** Python's own reader, which checks every checksum and size. */
const SCRIPT = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    print(json.dumps({each.filename: archive.read(each).hex() for each in archive.infolist()}))
`

test('an archive is read by another program as it was written', () => {
  const found = JSON.parse(
    execFileSync('python3', ['-c', SCRIPT, join(directory, 'model.zip')], { maxBuffer: 2 ** 24 }).toString(),
  )
  expect(found).toEqual(
    Object.fromEntries([...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')])),
  )
})

test('equal files give equal archives', () => {
  expect(zip(files)).toEqual(zip(new Map(files)))
})
