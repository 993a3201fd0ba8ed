import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckpointFolder } from '@openledger/model'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeTinyBase } from '../test/trainingWorld.ts'
import { fetchBase } from './Hub.ts'

const COMMIT = 'c0ffee'.repeat(7).slice(0, 40)
let source: string
let target: string
let server: Server
let url: string
/** Requests of the place that the hub sends to, each with the first byte asked for. */
let fetched: string[]
/** How many bytes a first answer of a file stops after. */
let cuts: Map<string, number>
let changed: string | undefined

/** A hub as Hugging Face's: facts on its own answer, bytes from another place, ranges. */
beforeEach(async () => {
  source = await mkdtemp(join(tmpdir(), 'openledger-hub-'))
  target = await mkdtemp(join(tmpdir(), 'openledger-hub-'))
  await writeTinyBase(source)
  ;[fetched, cuts, changed] = [[], new Map(), undefined]
  server = createServer(async (request, response) => {
    const [, place, ...rest] = request.url!.split('/')
    const file = rest.at(-1)!
    const bytes = await readFile(join(source, file)).catch(() => undefined)
    const revision = rest.at(-2)
    if (place === 'owner' && bytes !== undefined && (revision === 'main' || revision === COMMIT)) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      response.setHeader('x-repo-commit', COMMIT)
      if (file.endsWith('.safetensors')) response.setHeader('x-linked-etag', `"${hash}"`)
      return response.writeHead(302, { location: `/bytes/${file}` }).end()
    }
    if (place !== 'bytes' || bytes === undefined) return response.writeHead(404).end()
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    fetched.push(`${file} ${from}`)
    const body = file === changed ? bytes.map((byte) => byte ^ 1) : bytes
    const cut = cuts.get(file)
    cuts.delete(file)
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from })
    if (cut === undefined) return response.end(body.subarray(from))
    // late enough for what was sent to have arrived
    response.write(body.subarray(from, cut), () => setTimeout(() => response.destroy(), 200))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  for (const each of [source, target]) await rm(each, { recursive: true })
})

const fetchTiny = () => fetchBase({ url, name: 'owner/tiny', revision: 'main' }, target, () => {})

test('a model is fetched as one commit, goes on where it broke off, and is the one that the hub has', async () => {
  cuts.set('model.safetensors', 10_000)
  const { commit, files } = await fetchTiny()
  expect(commit).toBe(COMMIT)
  expect(files).toEqual(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'])
  expect(fetched.slice(-2)).toEqual([
    'model.safetensors 0',
    expect.stringMatching(/^model.safetensors [1-9]/),
  ])
  expect((await CheckpointFolder.read(target)).baseHash).toBe((await CheckpointFolder.read(source)).baseHash)
  expect((await readdir(target)).sort()).toEqual([...files].sort())
})

test('shards are fetched where an index names them, and nothing that is not a plain file', async () => {
  const index = join(source, 'model.safetensors.index.json')
  await writeFile(index, JSON.stringify({ weight_map: { a: 'model.safetensors' } }))
  expect((await fetchTiny()).files).toContain('model.safetensors')
  await writeFile(index, JSON.stringify({ weight_map: { a: '../../etc/model.safetensors' } }))
  await expect(fetchTiny()).rejects.toThrow('names no valid shards')
})

test('a model that cannot be read costs no weights', async () => {
  await writeFile(join(source, 'config.json'), JSON.stringify({ model_type: 'mamba' }))
  await expect(fetchTiny()).rejects.toMatchObject({ code: expect.stringMatching(/unsupported|config/) })
  expect(fetched.map((line) => line.split(' ')[0])).toEqual(['config.json'])
})

test('bytes that are not those that the hub names, and a model that it has not, are refused', async () => {
  changed = 'model.safetensors'
  await expect(fetchTiny()).rejects.toThrow('are not those that the hub names')
  expect(await readdir(target)).not.toContain('model.safetensors')
  await expect(fetchBase({ url, name: 'nobody/no', revision: 'main' }, target, () => {})).rejects.toThrow(
    'has no config.json of it',
  )
  await expect(fetchBase({ url, name: '../x', revision: 'main' }, target, () => {})).rejects.toThrow(
    'owner/name',
  )
})
