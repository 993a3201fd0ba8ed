import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckpointFolder } from '@openledger/model'
import { Bytes, Merkle } from '@openledger/primitives'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeTinyBase } from '../../../packages/modelfactory/test/trainingWorld.ts'
import type { Connection } from './Connection.ts'
import { trainFullModel } from './fullTraining.ts'

const texts = Array.from({ length: 60 }, (_, i) => `The keeper of tower ${i} lights lamp ${i * 7} at dusk.`)
const rootOf = (list: readonly string[]) =>
  Bytes.toHex(Merkle.build(list.map((text) => Merkle.hashLeaf(Bytes.fromUtf8(text)))).root)

/** A server and a chain that hold one version; `given` is what the server says its records are. */
const connectionTo = (given: readonly string[]): Connection =>
  ({
    network: { deployment: { l2ChainId: 161200, l2: { datanets: '0x02' } } },
    client: {
      datanet: async () => ({ name: 'towers', version: 3 }),
      versionRecords: async () =>
        given.map((text) => ({ text, recordId: '0x', contributionId: '0x01', clusterId: rootOf([text]) })),
    },
    l2: { readContract: async () => ({ recordsRoot: rootOf(texts) }) },
  }) as unknown as Connection

let base: string
let work: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'openledger-base-'))
  work = await mkdtemp(join(tmpdir(), 'openledger-full-'))
  await writeTinyBase(base)
})
afterAll(async () => {
  await rm(base, { recursive: true })
  await rm(work, { recursive: true })
})

const train = (
  folder: string,
  onProgress: (line: string) => void = () => {},
  given = texts,
  format = 'merged',
) =>
  trainFullModel(connectionTo(given), {
    datanetId: '1',
    directory: join(work, folder),
    format,
    baseDirectory: base,
    config: { epochs: 8, rehearsal: 0 },
    workers: 0,
    onProgress,
    readAs: async () => expect.unreachable('all of it is open'),
  })

test('writes a checkpoint that a server takes for its base, and a card of what was measured', async () => {
  const said: string[] = []
  const files = await train('whole', (line) => said.push(line))
  expect(files.sort()).toEqual([
    'README.md',
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ])
  // nothing of the way there is left
  expect((await readdir(join(work, 'whole'))).sort()).toEqual(files)
  const trained = await CheckpointFolder.read(join(work, 'whole'))
  await CheckpointFolder.readTokenizer(join(work, 'whole'))
  const before = await CheckpointFolder.read(base)
  expect([...trained.weights.keys()]).toEqual([...before.weights.keys()])
  expect(trained.baseHash).not.toBe(before.baseHash)
  const card = await readFile(join(work, 'whole/README.md'), 'utf8')
  expect(card).toContain(said.at(-1))
  expect(card).toContain('No answer of it is attributed to those records')
})

test('that was stopped goes on from where it stood, and gives the same weights', async () => {
  const stopped = new Error('stopped')
  const stopLate = (line: string) => {
    if (line.startsWith('step 5') || line.startsWith('step 6')) throw stopped
  }
  await expect(train('stopped', stopLate)).rejects.toBe(stopped)
  expect(await readdir(join(work, 'stopped'))).toEqual(['training.state'])
  const said: string[] = []
  await train('stopped', (line) => said.push(line))
  expect(said[0]).toContain('from step 40')
  const read = (folder: string) => readFile(join(work, folder, 'model.safetensors'))
  expect(Buffer.compare(await read('stopped'), await read('whole'))).toBe(0)
})

test('trains on nothing that the chain does not have, and writes no adapter', async () => {
  await expect(train('other', undefined, [...texts.slice(1), 'The keeper sleeps.'])).rejects.toMatchObject({
    code: 'cli.records_root',
  })
  await expect(train('other', undefined, texts, 'peft')).rejects.toThrow('is no adapter')
  await expect(readdir(join(work, 'other'))).rejects.toThrow('ENOENT')
})

test('refuses a state that is not its own', async () => {
  await writeFile(join(work, 'whole/training.state'), new Uint8Array(100))
  await expect(train('whole')).rejects.toMatchObject({ code: 'training.state' })
})
