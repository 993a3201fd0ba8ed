import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Checkpoint, CheckpointFolder, createCheckpoint, type Tokenizer } from '@openledger/model'
import { Bytes, type Hex } from '@openledger/primitives'
import { Manifest } from '@openledger/protocol'
import { type Blobs, type Database, schema } from '@openledger/store'

const ASSETS = join(import.meta.dirname, '../../../assets/base')
const hash = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))

/** A base model of one small layer over a tokenizer's vocabulary. */
export function tinyBase({ bosId, eosId, padId, vocabularySize }: Tokenizer): Checkpoint {
  return createCheckpoint(
    {
      hiddenSize: 16,
      feedForwardSize: 32,
      layers: 1,
      heads: 2,
      keyValueHeads: 1,
      headSize: 8,
      contextMax: 64,
      ropeTheta: 10_000,
      normEpsilon: 1e-5,
      isHeadTied: true,
      vocabularySize,
      bosId,
      eosId,
      padId,
    },
    1,
  )
}

/** Writes a base model of one small layer that reads with the shipped tokenizer, into a folder that is there. */
export async function writeTinyBase(directory: string): Promise<Tokenizer> {
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await copyFile(join(ASSETS, file), join(directory, file))
  const tokenizer = await CheckpointFolder.readTokenizer(directory)
  const tiny = tinyBase(tokenizer)
  await CheckpointFolder.write(directory, tiny.config, tiny.weights)
  return tokenizer
}

/** Puts Datanet 1 with version 1 into a database: 24 short records that a run learns in a moment. */
export async function addTowers(database: Database, blobs: Blobs): Promise<void> {
  const { orm } = database
  const texts = Array.from({ length: 24 }, (_, i) => `The keeper of tower ${i} lights lamp ${i * 7} at dusk.`)
  const contributionId = hash('contribution')
  const person = '0x00000000000000000000000000000000000000aa'
  await orm.insert(schema.datanets).values({
    id: 1n,
    name: 'towers',
    summary: '',
    licence: 'CC0-1.0',
    owner: person,
    commons: person,
    transactionHash: '0x',
  })
  await orm.insert(schema.contributions).values({
    id: contributionId,
    datanetId: 1n,
    title: 'towers',
    contributor: person,
    beneficiary: person,
    licence: 'CC0-1.0',
    cid: '',
    recordsRoot: '0x',
    recordCount: texts.length,
    status: 'versioned',
    signature: '0x',
    deadline: 0,
  })
  await orm
    .insert(schema.records)
    .values(texts.map((text, index) => ({ contributionId, index, id: hash(text), text })))
  const records = texts.map((text, index) => ({ contributionId, index, recordId: hash(text) }))
  const manifestCid = await blobs.put(Manifest.encode({ datanetId: '1', parentVersion: 0, records }))
  await orm.insert(schema.datanetVersions).values({
    datanetId: 1n,
    version: 1,
    recordsRoot: '0x',
    recordCount: texts.length,
    manifestCid,
    transactionHash: '0x',
  })
}
