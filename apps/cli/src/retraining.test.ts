import { CheckpointFolder } from '@openledger/model'
import { configHashOf, joinRecords, trainAdapter } from '@openledger/modelfactory'
import { buildIndexes } from '@openledger/modelfactory/AttributionIndexes'
import { Bytes, Merkle } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import type { Signer } from '@openledger/sdk'
import { expect, test } from 'vitest'
import type { Connection } from './Connection.ts'
import { retrain } from './retraining.ts'

const baseDirectory = new URL('../../../assets/base', import.meta.url).pathname
const records = Array.from({ length: 24 }, (_, i) => {
  const text = `function move${i}(address to) external returns (bool) { return _move(msg.sender, to, ${i}); }`
  const recordId = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))
  // what repeats answers is part of the record all the same
  const echoes = i % 5 === 0 ? [[9, 30] as const] : []
  return {
    recordId,
    contributionId: recordId,
    clusterId: recordId,
    text,
    echoes,
    characterCount: text.length,
  }
})
const readAs = async () => expect.unreachable('all of it is open')
const config = Http.trainingConfigSchema.parse({
  rank: 2,
  epochs: 1,
  sequenceTokens: 64,
  rehearsal: 0,
  forgettingMax: 100,
})

/** A server and a chain that hold one model, trained from these records; `given` is what the server says they are. */
async function connectionTo(given: readonly Http.VersionRecord[]): Promise<Connection> {
  const checkpoint = await CheckpointFolder.read(baseDirectory)
  const tokenizer = await CheckpointFolder.readTokenizer(baseDirectory)
  const { signal } = new AbortController()
  const { adapter, training } = await trainAdapter(
    { checkpoint, tokenizer, records: joinRecords([records]), config, workers: 0 },
    {
      onStart: async () => {},
      onMetric: async () => {},
      onCheckpoint: async () => {},
      nowMs: () => 0,
      signal,
    },
  )
  const { root: attributionRoot } = await buildIndexes(
    { checkpoint, tokenizer, adapter, records: training, seed: config.seed },
    { onProgress: () => {}, signal },
  )
  const root = Merkle.build(records.map(({ text }) => Merkle.hashLeaf(Bytes.fromUtf8(text)))).root
  const onChain = {
    configHash: configHashOf(config),
    baseHash: checkpoint.baseHash,
    adapterHash: adapter.hash,
    attributionRoot,
    datanetIds: [1n],
    datanetVersions: [1],
  }
  return {
    network: { deployment: { l2: { models: '0x01', datanets: '0x02' } } },
    client: {
      model: async () => ({ id: '1', trainingRunId: 'run' }),
      trainingRun: async () => ({ config }),
      versionRecords: async () => given,
    },
    l2: {
      readContract: async ({ functionName }: { functionName: string }) =>
        functionName === 'get' ? onChain : { recordsRoot: Bytes.toHex(root) },
    },
  } as unknown as Connection
}

test('training again from the record gives the adapter and the indexes on record', async () => {
  const lines = await retrain(await connectionTo(records), 'model', {
    baseDirectory,
    workers: 1,
    onProgress: () => {},
    readAs,
  })
  expect(lines.map(({ claim, holds }) => `${holds} ${claim}`)).toEqual([
    'true the configuration is the one on record',
    'true the base model is the one on record',
    'true the records are those of Datanet 1, version 1',
    'true training again gives the same adapter',
    'true its answers are attributed by the indexes on record',
  ])
})

test('a server that says of other passages that they repeat answers is found out', async () => {
  const given = records.map((record, i) => (i === 7 ? { ...record, echoes: [[0, 20] as const] } : record))
  const lines = await retrain(await connectionTo(given), 'model', {
    baseDirectory,
    workers: 0,
    onProgress: () => {},
    readAs,
  })
  expect(lines.map(({ holds }) => holds)).toEqual([true, true, true, false])
})

test('a server that changes one letter of a record is named, and nothing is trained', async () => {
  const given = records.map((record, i) => (i === 7 ? { ...record, text: `${record.text} ` } : record))
  const lines = await retrain(await connectionTo(given), 'model', {
    baseDirectory,
    workers: 0,
    onProgress: () => expect.unreachable(),
    readAs,
  })
  expect(lines.map(({ holds }) => holds)).toEqual([true, true, false])
})

test('texts that the licence withholds are asked for by who may read them', async () => {
  const withheld = records.map((record, i) => (i === 3 ? { ...record, text: null } : record))
  const connection = await connectionTo(withheld)
  const signer: Signer = { address: '0x01', signTypedData: async () => '0x' }
  const options = { baseDirectory, workers: 0, onProgress: () => {}, readAs: async () => signer }
  const failure = { code: 'cli.text_withheld', context: { recordId: records[3]!.recordId } }
  await expect(retrain(connection, 'model', options)).rejects.toMatchObject(failure)
  const { client } = connection
  const versionRecords = async (_id: string, _version: number, by?: Signer) =>
    by === signer ? records : withheld
  const allowed = { ...connection, client: { ...client, versionRecords } }
  expect((await retrain(allowed, 'model', options)).every(({ holds }) => holds)).toBe(true)
})
