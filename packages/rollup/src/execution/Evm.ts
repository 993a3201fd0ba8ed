import type { Crypto } from '../Crypto.ts'
import type { JournaledState } from '../state/JournaledState.ts'
import { EMPTY_CODE_HASH } from '../state/WorldState.ts'
import { createEthereumJsEvm } from './EthereumJsEvm.ts'
import type { ForkRules } from './Fork.ts'
import { createInterpreter, INTERPRETER_GAS_MAX } from './interpreter/createInterpreter.ts'
import type { BlockContext, Evm, Message, MessageResult } from './Message.ts'

/**
 * Creates an EVM for a chain; each block's rules are in its context.
 *
 * Messages run in our own interpreter. EthereumJS's runs what has to be watched opcode by opcode, what assumes
 * precompiles elsewhere, forks before Cancun, and more gas than a double counts exactly.
 */
export async function createEvm(options: { chainId: number; crypto: Crypto }): Promise<Evm> {
  const evms = new Map<ForkRules['fork'], Promise<Evm>>()
  const evmOf = (rules: ForkRules): Promise<Evm> => {
    const known = evms.get(rules.fork)
    if (known !== undefined) return known
    const created = createForkEvm({ ...options, rules })
    evms.set(rules.fork, created)
    return created
  }
  return {
    run: async (state, block, message, tracer) =>
      (await evmOf(block.rules)).run(state, block, message, tracer),
    trace: async (state, block, message) => (await evmOf(block.rules)).trace(state, block, message),
    precompiles: async (rules) => (await evmOf(rules)).precompiles(rules),
  }
}

async function createForkEvm(options: { chainId: number; crypto: Crypto; rules: ForkRules }): Promise<Evm> {
  const { rules } = options
  const watched = await createEthereumJsEvm(options)
  const interpret = rules.hasCancun
    ? createInterpreter({ ...options, precompiles: watched.precompiles })
    : undefined
  const addresses = new Set(watched.precompiles.keys())
  const isPlainTransfer = (state: JournaledState, { to }: Message): boolean =>
    to !== null && (state.account(to)?.codeHash ?? EMPTY_CODE_HASH) === EMPTY_CODE_HASH && !addresses.has(to)
  const isMoved = ({ movedPrecompiles }: BlockContext): boolean => (movedPrecompiles?.size ?? 0) > 0

  return {
    async run(state, block, message, tracer) {
      if (tracer !== undefined || isMoved(block)) return watched.run(state, block, message, tracer)
      if (isPlainTransfer(state, message)) return transferPlainly(state, message)
      if (interpret === undefined || message.gas > INTERPRETER_GAS_MAX)
        return watched.run(state, block, message)
      return interpret(state, block, message)
    },
    trace: watched.trace,
    precompiles: async () => addresses,
  }
}

/** Moves the value to an account that runs no code: what the EVM would do, at a tenth of its price. */
function transferPlainly(state: JournaledState, { from, to, value }: Message): MessageResult {
  const sender = state.account(from)
  if (value > (sender?.balance ?? 0n)) return { ...NOTHING, failure: 'insufficient balance' }
  if (value > 0n) {
    state.addBalance(from, -value)
    state.addBalance(to!, value)
  }
  return NOTHING
}

const NOTHING: MessageResult = {
  returnData: new Uint8Array(),
  gasUsed: 0n,
  gasRefund: 0n,
  createdAddress: undefined,
  logs: [],
  failure: undefined,
}
