import { setTimeout } from 'node:timers/promises'
import { BaseError, Bytes, type Hex, MerkleSum } from '@openledger/primitives'
import { type Http, Receipt, type Sender } from '@openledger/protocol'
import { courtAbi } from '@openledger/protocol/abi/court'
import { panelAbi } from '@openledger/protocol/abi/panel'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { ProblemError } from '@openledger/sdk'
import {
  auditBatches,
  type BatchAudit,
  CourtCall,
  readBatches,
  type Shown,
  sharesOf,
} from '@openledger/settlement'
import { encodeAbiParameters, keccak256, type Log, parseEventLogs } from 'viem'
import type { Connection } from './Connection.ts'

/** What `caseOf` calls a case's end. */
const OUTCOMES = ['open', 'without a majority', 'upheld', 'overturned', 'abandoned'] as const

/** Recomputes every batch that can be challenged, with the receipts that the server shows. */
export function auditOpenBatches(connection: Connection): AsyncGenerator<BatchAudit> {
  const { l2, client, network } = connection
  const { deployment } = network
  return auditBatches({
    publicClient: l2,
    settlement: deployment.l2.settlement,
    fromBlock: BigInt(deployment.l2StartBlock),
    chainId: deployment.l2ChainId,
    feePolicy: deployment.l2.feePolicy,
    staking: deployment.l2.staking,
    show: async (sequence) => {
      try {
        return shownOf(await client.receipt(Number(sequence)))
      } catch (error) {
        // whatever the reason, a receipt that is not shown is demanded on chain
        if (error instanceof ProblemError) return undefined
        throw error
      }
    },
  })
}

/** A receipt with who earns what of it. */
export const shownOf = (view: Http.SignedReceipt): Shown => ({
  receipt: Receipt.ofShown(view),
  signature: view.signature as Hex,
  shares: sharesOf(view.attribution),
  ...(view.correctedShares === undefined
    ? {}
    : {
        correctedShares: view.correctedShares.map(({ account, amountWei }) => ({
          account: account as Hex,
          amountWei: BigInt(amountWei),
        })),
      }),
})

/** Files the call that a finding stands for. @returns Its transaction. */
export const challenge = (
  { l2, network }: Connection,
  sender: Sender,
  { call }: CourtCall.Finding,
): Promise<Hex> => CourtCall.file({ publicClient: l2, sender, l2: network.deployment.l2 }, call)

/**
 * Has a receipt's attribution recomputed by the panel: files the case, fixes the chain's half of the seed in a later
 * block and tells this side's.
 * @throws {CaseError} when no batch has the receipt.
 */
export async function contest(connection: Connection, sender: Sender, sequence: number) {
  const { l2, client, network } = connection
  const { court, panel } = network.deployment.l2
  const place = await placeOf(connection, BigInt(sequence))
  const shown: Shown[] = []
  for (let at = place.first; at <= place.last; at++) shown.push(shownOf(await client.receipt(Number(at))))
  const tree = MerkleSum.build(shown.map(({ receipt, signature }) => Receipt.leaf(receipt, signature)))
  const index = sequence - Number(place.first)
  const secret = CourtCall.salt()
  const filed = CourtCall.filed(shown[index]!, tree, index)
  const hash = await CourtCall.file(
    { publicClient: l2, sender, l2: network.deployment.l2 },
    {
      contract: 'court',
      functionName: 'contest',
      isStaked: true,
      args: [
        place.posted,
        { ...filed, signature: keccak256(filed.signature), shares: '0x' },
        keccak256(encodeAbiParameters([{ type: 'bytes32' }], [secret])),
      ],
    },
  )
  const { logs } = await l2.getTransactionReceipt({ hash })
  const [event] = parseEventLogs({ abi: courtAbi, eventName: 'CaseFiled', logs: logs as Log[] })
  const caseId = event!.args.caseId
  const onPanel = { address: panel, abi: panelAbi } as const
  await sender.send({ ...onPanel, functionName: 'seal', args: [caseId] })
  await sender.send({ ...onPanel, functionName: 'draw', args: [caseId, secret] })
  const found = await l2.readContract({ ...onPanel, functionName: 'caseOf', args: [caseId] })
  return { caseId, court, jurors: found[1], commitUntil: Number(found[3]), revealUntil: Number(found[4]) }
}

/**
 * Votes in a case: commits to a result, and reveals it once nobody can commit any more.
 * @param result - The shares root that was computed; zeros when the answer cannot be reproduced.
 */
export async function vote(connection: Connection, sender: Sender, caseId: bigint, result: Hex) {
  const { l2, network } = connection
  const panel = { address: network.deployment.l2.panel, abi: panelAbi } as const
  const salt = CourtCall.salt()
  const commitment = keccak256(
    encodeAbiParameters(
      [{ type: 'uint256' }, { type: 'address' }, { type: 'bytes32' }, { type: 'bytes32' }],
      [caseId, sender.account, result, salt],
    ),
  )
  await sender.send({ ...panel, functionName: 'commitVote', args: [caseId, commitment] })
  const [, , , commitUntil] = await l2.readContract({ ...panel, functionName: 'caseOf', args: [caseId] })
  await until(connection, Number(commitUntil) + 1)
  await sender.send({ ...panel, functionName: 'revealVote', args: [caseId, result, salt] })
}

/** Ends a case when its time is over, and takes the credits back that lost. */
export async function decide(connection: Connection, sender: Sender, caseId: bigint): Promise<string> {
  const { l2, network } = connection
  const court = { address: network.deployment.l2.court, abi: courtAbi } as const
  const panel = { address: network.deployment.l2.panel, abi: panelAbi } as const
  const found = await l2.readContract({ ...panel, functionName: 'caseOf', args: [caseId] })
  await until(connection, Number(found[4] === 0n ? found[2] : found[4]) + 1)
  await sender.send({ ...court, functionName: 'decide', args: [caseId] })
  const [, sequence, , , outcome] = await l2.readContract({
    ...court,
    functionName: 'caseOf',
    args: [caseId],
  })
  if (outcome === 3) {
    const { credited, previous } = await placeOf(connection, sequence)
    await sender.send({ ...court, functionName: 'strike', args: [caseId, credited, previous] })
  }
  return OUTCOMES[outcome]!
}

/** The batch of a receipt, the one that credited it, and the one whose ledger that was built on. */
async function placeOf({ l2, network }: Connection, sequence: bigint) {
  const { deployment } = network
  let standing: CourtCall.PostedArgument[] = []
  let own: { posted: CourtCall.PostedArgument; first: bigint; last: bigint } | undefined
  for await (const read of readBatches({
    publicClient: l2,
    settlement: deployment.l2.settlement,
    fromBlock: BigInt(deployment.l2StartBlock),
  })) {
    if (read.kind === 'rewound') {
      standing = standing.filter(({ number }) => number <= BigInt(read.toBatch))
      continue
    }
    const posted = CourtCall.postedArgument(read, Number(standing.at(-1)?.number ?? 0n))
    const { firstSequence: first, lastSequence: last } = read.event
    if (sequence >= first && sequence <= last) own = { posted, first, last }
    if (read.posted.segments.length > 0) standing.push(posted)
  }
  if (own === undefined) throw new CaseError(Number(sequence))
  const at = standing.findIndex(({ number }) => number >= own.posted.number)
  return {
    ...own,
    credited: standing[at] ?? CourtCall.nothing,
    previous: standing[at - 1] ?? CourtCall.nothing,
  }
}

/** Waits until the chain's time has come so far. */
async function until({ l2 }: Connection, seconds: number): Promise<void> {
  while (Number((await l2.getBlock({ blockTag: 'latest' })).timestamp) < seconds) await setTimeout(500)
}

/** Says in words how a batch stands. */
export async function standingOf({ l2, network }: Connection): Promise<Map<number, string>> {
  const [contested, untils] = await l2.readContract({
    address: network.deployment.l2.settlement,
    abi: settlementAbi,
    functionName: 'contests',
  })
  return new Map(
    contested.map((batch, i) => [Number(batch), untils[i] === 2n ** 64n - 1n ? 'challenged' : 'struck']),
  )
}

/** Zeros: an answer that cannot be reproduced. */
export const NOT_REPRODUCED: Hex = Bytes.toHex(new Uint8Array(32))

export class CaseError extends BaseError {
  constructor(sequence: number) {
    super({
      code: 'cli.case',
      message: `Expected receipt ${sequence} in a batch on chain, found none. A receipt settles within seconds of its answer; try again then.`,
      context: { sequence },
    })
  }
}
