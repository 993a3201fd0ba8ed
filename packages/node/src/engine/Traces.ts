import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import {
  type BlockEnvironment,
  beginBlock,
  bytesToHex,
  type Evm,
  Header,
  type JournaledState,
  L1Cost,
  toExecutable,
  type WorldState,
} from '@openledger/rollup'
import type { BlockReader } from './BlockReader.ts'
import type { Calls } from './Calls.ts'
import { createTracer } from './createTracer.ts'
import { failureWords, type TraceOptions, type Tracer } from './Tracer.ts'

export type TracesDependencies = {
  readonly blocks: BlockReader
  readonly calls: Calls
  readonly clock: Clock
  readonly environment: Omit<BlockEnvironment, 'evm' | 'observe'>
  /** The world state after a block. */
  readonly stateAt: (number: bigint) => WorldState
}

/** A block may take this long to trace, all transactions together. */
const BLOCK_TIME_MAX_MS = 20_000

/**
 * Executes block `number` again on the state before it, with a tracer on the transaction at `index`, or on each.
 * @throws {TraceLimitError | GenesisTraceError}
 */
export async function traceBlock(
  number: bigint,
  options: TraceOptions,
  index: number | undefined,
  { blocks, calls, clock, environment, stateAt }: TracesDependencies,
): Promise<{ txHash: Hex; result: unknown }[]> {
  if (number === 0n) throw new GenesisTraceError()
  const parent = blocks.required(number - 1n)
  const { header, record } = blocks.required(number)
  const deadlineMs = clock.nowMs() + BLOCK_TIME_MAX_MS
  return calls.withEvm(async (evm) => {
    let tracer: Tracer | undefined
    let view: JournaledState | undefined
    const traced: Evm = {
      ...evm,
      run: (state, block, message) => evm.run(state, block, message, tracer?.evm),
    }
    let own: JournaledState | undefined
    const attributes = {
      timestamp: header.timestamp,
      prevRandao: Header.randomness(header),
      feeRecipient: header.miner,
      parentBeaconBlockRoot: header.parentBeaconBlockRoot,
      gasLimit: header.gasLimit,
      eip1559Params: '0x0000000000000000',
      // only the header of the block would have it
      ...(environment.schedule(header).hasJovian ? { minBaseFee: 0n } : {}),
    } as const
    const block = beginBlock(
      { header: parent.header, hash: parent.record.hash },
      stateAt(number - 1n),
      attributes,
      {
        ...environment,
        evm: traced,
        observe(state) {
          own = state
          return throughView(() => view ?? state)
        },
      },
    )
    const results: { txHash: Hex; result: unknown }[] = []
    for (const [i, { raw, hash, from, to, type, input, value, gas }] of record.transactions.entries()) {
      const isWanted = index === undefined || index === i
      const message = { from, to, data: input, value, gas, feeRecipient: header.miner }
      tracer = isWanted ? createTracer(options, message, clock, deadlineMs) : undefined
      view = tracer?.observe(own!)
      const compressedLength = type === 0x7e ? 0 : L1Cost.fastLzLength(raw)
      const known = { hash, sender: from, compressedLength }
      const { result } = await block.execute(toExecutable(raw, environment.crypto, known))
      if (tracer === undefined) continue
      results.push({
        txHash: hash,
        result: tracer.result({
          gasUsed: result.gasUsed,
          returnData: bytesToHex(result.returnData),
          failure: result.failure === undefined ? undefined : failureWords(result.failure),
          contractAddress: result.contractAddress,
        }),
      })
      if (index !== undefined) break
      await new Promise(setImmediate)
    }
    return results
  })
}

/** A state whose every method goes to the one that is current. */
function throughView(current: () => JournaledState): JournaledState {
  return {
    account: (address) => current().account(address),
    hasStorage: (address) => current().hasStorage(address),
    putAccount: (address, account) => current().putAccount(address, account),
    addBalance: (address, amountWei) => current().addBalance(address, amountWei),
    code: (address) => current().code(address),
    putCode: (address, code, codeHash) => current().putCode(address, code, codeHash),
    storage: (address, slot) => current().storage(address, slot),
    originalStorage: (address, slot) => current().originalStorage(address, slot),
    putStorage: (address, slot, value) => current().putStorage(address, slot, value),
    clearStorage: (address) => current().clearStorage(address),
    beginTransaction: () => current().beginTransaction(),
    rollbackTransaction: () => current().rollbackTransaction(),
    checkpoint: () => current().checkpoint(),
    commit: () => current().commit(),
    revert: () => current().revert(),
    changes: () => current().changes(),
    newCodes: () => current().newCodes(),
  }
}

export class GenesisTraceError extends BaseError {
  constructor() {
    super({
      code: 'engine.genesis_trace',
      message: 'genesis is not traceable: expected a block after 0, which has transactions.',
    })
  }
}
