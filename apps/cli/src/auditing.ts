import { readFile, writeFile } from 'node:fs/promises'
import { type AnswerInputs, createAuditor, hashText, type Passage, type Verdict } from '@openledger/openlora'
import { BaseError, type Hex } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { modelsAbi } from '@openledger/protocol/abi/models'
import { cidOf } from '@openledger/store'
import type { Connection } from './Connection.ts'
import type { Line } from './verifying.ts'

/** Keeps what only the payer has: with it, anyone whom the payer shows it can recompute the answer's attribution. */
export async function keep(path: string, promptText: string, extension: Http.AnswerExtension): Promise<void> {
  const { receipt, mergedReceipts = [], answer, promptTokenIds, answerTokenIds, passages } = extension
  const kept = {
    sequences: [receipt, ...mergedReceipts].map(({ sequence }) => sequence),
    promptText: extension.promptText ?? promptText,
    passages,
    promptIds: promptTokenIds,
    text: answer,
    answerIds: answerTokenIds,
  }
  await writeFile(path, `${JSON.stringify(kept)}\n`)
}

/**
 * Recomputes a receipt's attribution here: indexes, adapter and evidence by CID, roots and hashes from the chain.
 *
 * With the question and the answer everything is recomputed, the model included; without them every share is, spans from proofs;
 * where licences keep the files from everyone, spans alone.
 *
 * @throws {AnswerFileError} {ProblemError} when the model's licences do not let anyone have its files.
 */
export async function auditReceipt(
  connection: Connection,
  receipt: Http.SignedReceipt,
  options: AuditedFrom,
): Promise<Line> {
  const { verdict, claim, unowned } = await computeReceipt(connection, receipt, options)
  if (unowned !== undefined) return { claim, holds: false, difference: unowned }
  return verdict.status === 'same'
    ? { claim, holds: true, difference: '' }
    : {
        claim,
        holds: false,
        difference: `${verdict.line}: expected ${JSON.stringify(verdict.expected)}, the receipt says ${JSON.stringify(verdict.claimed)}`,
      }
}

export type AuditedFrom = { readonly baseDirectory: string; readonly answerPath?: string | undefined }

/** Computes a receipt's attribution here. */
export async function computeReceipt(
  { client, l2, network }: Connection,
  receipt: Http.SignedReceipt,
  { baseDirectory, answerPath }: AuditedFrom,
) {
  const answer = answerPath === undefined ? undefined : await readAnswer(answerPath, receipt.sequence)
  const { merge } = receipt.attribution
  const modelOf = (modelId: string) =>
    l2.readContract({
      address: network.deployment.l2.models,
      abi: modelsAbi,
      functionName: 'get',
      args: [BigInt(modelId)],
    })
  const [files, onChain, own, merged] = await Promise.all([
    client.modelAttribution(receipt.modelName),
    modelOf(receipt.modelId),
    contributionsOf(client, receipt.payer),
    Promise.all(
      merge?.models.map(async ({ modelId }) => {
        const { name, adapterHash } = await modelOf(modelId)
        return { name, hash: adapterHash, cid: (await client.modelAttribution(name)).adapterCid }
      }) ?? [],
    ),
  ])
  // which model's file an adapter is
  const ownerOf = new Map(merged.map(({ name, cid }) => [cid, name]))
  const { adapterCid, recordsCid, influenceCid, spansCid, commons } = files
  const auditor = createAuditor({
    baseDirectory,
    fetchShown: () => client.shownSpans(receipt.sequence),
    fetchBlob: async (cid) => {
      const isEvidence = cid === receipt.attribution.evidenceCid
      const bytes = await (isEvidence
        ? client.evidence(receipt.sequence)
        : client.modelFile(ownerOf.get(cid) ?? receipt.modelName, cid))
      if (cidOf(bytes) !== cid) throw new FileChangedError(cid, cidOf(bytes))
      return bytes
    },
  })
  const verdict = await auditor.audit({
    receipt: receipt as Parameters<typeof auditor.audit>[0]['receipt'],
    model: {
      adapter: { cid: adapterCid, hash: onChain.adapterHash },
      index: { recordsCid, influenceCid, spansCid, attributionRoot: onChain.attributionRoot },
      policy: {
        influenceBps: onChain.influenceBps,
        spansBps: onChain.spansBps,
        ...(onChain.agreementPpm === 0 ? {} : { agreementPpm: onChain.agreementPpm }),
      },
      commons: commons as Hex,
    },
    ...(merge === undefined
      ? {}
      : {
          merge: {
            parts: merge.models.map(({ weightPpm }, i) => {
              const { cid, hash } = merged[i]!
              return { cid, hash, weightPpm }
            }),
            index: merge.index,
          },
        }),
    baseHash: onChain.baseHash,
    ...(answer === undefined ? {} : { answer }),
    isOpen: files.isOpen,
    excludedContributions: own,
  })
  const unowned = await unownedPassage(client, answer?.passages ?? [])
  return {
    verdict,
    claim: claimOf(files.isOpen, answer !== undefined, decodedHow(receipt, verdict)),
    unowned,
  }
}

function claimOf(isOpen: boolean, isAnswered: boolean, decoded: string): string {
  if (!isOpen)
    return 'every span line follows from the committed index, whose licence keeps the rest from you'
  return isAnswered
    ? `the answer computed again here pays whom the receipt pays${decoded}`
    : 'every share follows from the evidence: influence from the committed index, spans from proofs out of it (the model’s own computation needs --answer)'
}

/** Says what the receipt's commitment shows of how the answer was decoded. */
function decodedHow({ attribution }: Http.SignedReceipt, verdict: Verdict): string {
  if (attribution.textFrom === 'caller') return ''
  return verdict.status === 'same' && verdict.precision !== undefined
    ? `, and was decoded by this base and adapter in ${verdict.precision}`
    : '; nothing commits to how it was decoded: another engine made it, or it broke off'
}

/** Names the first passage that is not a record of the contribution that is paid for it. */
async function unownedPassage(
  client: Connection['client'],
  passages: readonly Passage[],
): Promise<string | undefined> {
  for (const { recordId, contributionId, clusterId, text } of passages) {
    if (hashText(text) !== recordId) return `a passage hashes to ${hashText(text)}, not ${recordId}`
    const { records } = await client.contribution(contributionId)
    const first = records.find(({ id }) => id === clusterId)
    if (first?.verdict !== 'accepted') return `contribution ${contributionId} has no record ${clusterId}`
  }
  return undefined
}

/** Contributions that the payer registered or is paid for: they earn nothing from its own questions. */
async function contributionsOf(client: Connection['client'], payer: string): Promise<Hex[]> {
  const all = await client.contributions()
  return all
    .filter(({ contributor, beneficiary }) => contributor === payer || beneficiary === payer)
    .map(({ id }) => id as Hex)
}

async function readAnswer(path: string, sequence: number): Promise<AnswerInputs> {
  const kept = JSON.parse(await readFile(path, 'utf8')) as Partial<AnswerInputs> & {
    sequences?: readonly number[]
  }
  const { promptText, promptIds, text, answerIds, passages = [] } = kept
  if (
    kept.sequences?.includes(sequence) !== true ||
    promptText === undefined ||
    text === undefined ||
    !promptIds ||
    !answerIds
  ) {
    throw new AnswerFileError(path, sequence)
  }
  return { promptText, promptIds, text, answerIds, passages }
}

export class AnswerFileError extends BaseError {
  constructor(path: string, sequence: number) {
    super({
      code: 'cli.answer_file',
      message: `Expected ${path} to hold the question and answer of receipt ${sequence}, as ask --save writes them.`,
      context: { path, sequence },
    })
  }
}

export class FileChangedError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'cli.file_changed',
      message: `Expected the file ${expected}, got bytes that hash to ${got}. The server does not give what was published.`,
      context: { expected, got },
    })
  }
}
