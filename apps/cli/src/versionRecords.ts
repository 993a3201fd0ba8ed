import type { TrainingRecord } from '@openledger/modelfactory'
import { BaseError, Bytes, type Hex, Merkle } from '@openledger/primitives'
import { Abi, type Http } from '@openledger/protocol'
import type { Signer } from '@openledger/sdk'
import type { Connection } from './Connection.ts'

/** The records of a Datanet's version with the root that the chain has of them and the one that they hash to. */
export type VersionRecords = {
  readonly records: readonly TrainingRecord[]
  readonly rootOnChain: Hex
  readonly root: Hex
}

/**
 * Fetches the records of a Datanet's version and hashes them: the server is believed in nothing.
 * @param readAs - Gives who may read records whose licence is not open; asked only where there are such.
 * @throws {TextWithheldError}
 */
export async function recordsOfVersion(
  { client, l2, network }: Connection,
  {
    datanetId,
    version,
    readAs,
  }: { readonly datanetId: string; readonly version: number; readonly readAs: () => Promise<Signer> },
): Promise<VersionRecords> {
  const { recordsRoot } = await l2.readContract({
    address: network.deployment.l2.datanets,
    abi: Abi.datanetsAbi,
    functionName: 'versionOf',
    args: [BigInt(datanetId), version],
  })
  const shown = await client.versionRecords(datanetId, version)
  const records = shown.every(hasText)
    ? shown
    : (await client.versionRecords(datanetId, version, await readAs())).map(withText)
  return { records: records.map(hashed), rootOnChain: recordsRoot, root: rootOf(records) }
}

type ReadRecord = Http.VersionRecord & { readonly text: string }

const hasText = (record: Http.VersionRecord): record is ReadRecord => record.text !== null

function withText(record: Http.VersionRecord): ReadRecord {
  if (!hasText(record)) throw new TextWithheldError(record.recordId)
  return record
}

const rootOf = (records: readonly ReadRecord[]): Hex =>
  Bytes.toHex(Merkle.build(records.map(({ text }) => Merkle.hashLeaf(Bytes.fromUtf8(text)))).root)

/** A record under the hash of its own text, whatever the server called it. */
const hashed = ({ text, echoes, contributionId, clusterId }: ReadRecord): TrainingRecord => ({
  recordId: Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text))),
  contributionId,
  clusterId,
  text,
  echoes,
})

export class TextWithheldError extends BaseError {
  constructor(recordId: Hex) {
    super({
      code: 'cli.text_withheld',
      message: `Expected every text of the Datanet's version, but record ${recordId} is under a licence that is not open. Act as its Datanet's owner, validator or licence holder with --as or OPENLEDGER_PRIVATE_KEY.`,
      context: { recordId },
    })
  }
}

export class RecordsRootError extends BaseError {
  constructor(datanetId: string, version: number, { root, rootOnChain }: VersionRecords) {
    super({
      code: 'cli.records_root',
      message: `Expected the records of Datanet ${datanetId}, version ${version}, to hash to ${rootOnChain}, the root on chain, but they hash to ${root}. Nothing was trained; ask another server.`,
      context: { datanetId, version, root, rootOnChain },
    })
  }
}
