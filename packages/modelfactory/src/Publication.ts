import { BaseError, CanonicalJson, type Hex } from '@openledger/primitives'
import { Abi, type Deployment, Http, type Sender } from '@openledger/protocol'
import { type Blobs, type Database, eq, schema } from '@openledger/store'
import { encodeAbiParameters, keccak256, type PublicClient, parseEventLogs } from 'viem'
import type { RunRow, Runs } from './Runs.ts'

const { models, trainingRuns } = schema

/** Written into the configuration that goes on chain: a re-run needs the engine it ran on. */
export const ENGINE_VERSION = 'openledger-training/7'

/** Hashes what a re-run needs besides base and data. */
export const configHashOf = (config: Readonly<Record<string, unknown>>): Hex =>
  CanonicalJson.hash({ engineVersion: ENGINE_VERSION, ...config })

const publishModel = Abi.modelsAbi.find((item) => item.type === 'function' && item.name === 'publishModel')!

/** What is recorded about a model on chain, as `Models.publishModel` takes it. */
export type ModelInput = {
  readonly name: string
  readonly baseHash: Hex
  readonly adapterHash: Hex
  readonly configHash: Hex
  readonly metricsHash: Hex
  readonly attributionRoot: Hex
  readonly datanetIds: readonly bigint[]
  readonly datanetVersions: readonly number[]
  readonly inputPriceWei: bigint
  readonly outputPriceWei: bigint
  readonly influenceBps: number
  readonly spansBps: number
  /** Measured agreement of the attribution with retraining; 0 says that it was not measured. */
  readonly agreementPpm: number
}

/** Puts together what a trained run publishes. @throws {WholeModelError} {RunNotTrainedError} {GateClosedError} */
export function modelInputOf(run: RunRow): ModelInput {
  const { adapterHash, attributionRoot, baseHash } = run
  if (Http.trainingConfigSchema.parse(run.config).method === 'full') throw new WholeModelError(run.id)
  if (
    (run.status !== 'trained' && run.status !== 'published') ||
    !adapterHash ||
    !attributionRoot ||
    !baseHash
  ) {
    throw new RunNotTrainedError(run.id, run.status)
  }
  requirePassedGate(run)
  return {
    name: run.modelName,
    baseHash: baseHash as Hex,
    adapterHash: adapterHash as Hex,
    configHash: configHashOf(run.config),
    metricsHash: CanonicalJson.hash({
      baseValidationLoss: run.baseValidationLoss,
      validationLoss: run.validationLoss,
      baseTestLoss: run.baseTestLoss,
      testLoss: run.testLoss,
      ...(run.agreement === null ? {} : { agreement: run.agreement }),
      ...(run.evaluation === null ? {} : { evaluation: run.evaluation as Http.Evaluation }),
    }),
    attributionRoot: attributionRoot as Hex,
    datanetIds: run.datanets.map(({ datanetId }) => BigInt(datanetId)),
    datanetVersions: run.datanets.map(({ version }) => version),
    inputPriceWei: run.inputPriceWei,
    outputPriceWei: run.outputPriceWei,
    influenceBps: run.influenceBps,
    spansBps: 10_000 - run.influenceBps,
    agreementPpm: run.agreement?.['agreementPpm'] ?? 0,
  }
}

/**
 * Keeps a model back that is not better than what its owner named when the run was asked for.
 * @throws {GateClosedError}
 */
export function requirePassedGate(run: RunRow): void {
  const { gate } = Http.trainingConfigSchema.parse(run.config)
  const previous = (run.evaluation as Http.Evaluation | null)?.previous
  // without a predecessor, the base is what there was before
  const bar = gate === 'previous' && previous ? previous.testLoss : run.baseTestLoss
  const loss = run.testLoss
  if (gate === 'none' || loss === null || bar === null || loss < bar) return
  throw new GateClosedError(gate === 'previous' && previous ? previous.name : 'the base', loss, bar)
}

/** Hashes it as the contract does: `keccak256(abi.encode(input))`. */
export const modelHashOf = (input: ModelInput): Hex =>
  keccak256(encodeAbiParameters([publishModel.inputs[0]], [input]))

export type PublicationDeps = {
  readonly database: Database
  readonly blobs: Blobs
  readonly runs: Runs
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly sender: Sender
}

/**
 * Puts a trained model on chain under its owner's signature and then into service.
 *
 * The chain is asked first, so calling it again after an interruption finishes what was begun.
 *
 * @throws {RunNotTrainedError} {TransactionRevertedError} naming what the contract refuses, e.g. a wrong signature.
 */
export async function publish(
  { database, runs, publicClient, deployment, sender }: PublicationDeps,
  runId: string,
  { deadline, signature }: { readonly deadline: number; readonly signature: Hex },
): Promise<void> {
  const run = await runs.row(runId)
  const input = modelInputOf(run)
  if (run.status === 'published') return
  const registry = { address: deployment.l2.models, abi: Abi.modelsAbi } as const
  const find = async () => {
    const [event] = (
      await publicClient.getContractEvents({
        ...registry,
        eventName: 'ModelPublished',
        args: { owner: run.owner as Hex },
        fromBlock: BigInt(deployment.l2StartBlock),
      })
    ).filter(({ args }) => args.input?.adapterHash === input.adapterHash && args.input.name === input.name)
    return event === undefined
      ? undefined
      : { modelId: event.args.modelId!, transactionHash: event.transactionHash }
  }
  let published = await find()
  if (published === undefined) {
    const receipt = await sender.send({
      ...registry,
      functionName: 'publishModel',
      args: [input, run.owner as Hex, BigInt(deadline), signature],
    })
    const [event] = parseEventLogs({ abi: Abi.modelsAbi, eventName: 'ModelPublished', logs: receipt.logs })
    published = { modelId: event!.args.modelId, transactionHash: receipt.transactionHash }
  }
  const { modelId, transactionHash } = published
  await database.transaction(async (orm) => {
    await orm
      .insert(models)
      .values({
        id: modelId,
        name: input.name,
        owner: run.owner,
        trainingRunId: run.id,
        inputPriceWei: input.inputPriceWei,
        outputPriceWei: input.outputPriceWei,
        influenceBps: input.influenceBps,
        spansBps: input.spansBps,
        transactionHash,
      })
      .onConflictDoNothing()
    await orm.update(trainingRuns).set({ status: 'published' }).where(eq(trainingRuns.id, run.id))
  })
}

export class RunNotTrainedError extends BaseError {
  constructor(id: string, status: string) {
    super({
      code: 'training_run.not_trained',
      message: `Expected a run that is trained, but run ${id} is ${status}. Wait until it is trained; a failed one must be started anew.`,
      context: { id, status },
    })
  }
}

export class WholeModelError extends BaseError {
  constructor(id: string) {
    super({
      code: 'training_run.whole_model',
      message: `Expected a run that made an adapter, but run ${id} trained all weights: nothing attributes the answers of such a model, and this server answers by adapters over its own base. Download it, and serve it as the base of a server of your own (OPENLEDGER_BASE_MODEL).`,
      context: { id },
    })
  }
}

export class GateClosedError extends BaseError {
  constructor(rival: string, loss: number, bar: number) {
    super({
      code: 'training_run.gate_closed',
      message: `Expected a loss on the test records below that of ${rival}, ${bar.toFixed(4)}, as this run's gate demands, but it is ${loss.toFixed(4)}. It is kept back: train again with more or better records, or without a gate.`,
      context: { rival, loss, bar },
    })
  }
}
