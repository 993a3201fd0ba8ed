import { bytesToHex, concatBytes, hexToBytes } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import type { Crypto } from '../../Crypto.ts'
import * as Transaction from '../../codec/Transaction.ts'
import type { JournaledState } from '../../state/JournaledState.ts'
import { EMPTY_CODE_HASH } from '../../state/WorldState.ts'
import type { ForkRules } from '../Fork.ts'
import type { BlockContext, Message, MessageResult } from '../Message.ts'
import { delegateOf } from './Access.ts'
import { analyse, type Code, createCodes } from './Code.ts'
import type { CallRequest, CreateRequest, Frame, World } from './Frame.ts'
import { ExceptionalHalt } from './Halt.ts'
import { interpret } from './Interpreter.ts'
import { createMemory } from './Memory.ts'
import { opcodeTable } from './Opcodes.ts'
import { createSubstate, type Snapshot } from './Substate.ts'
import { slotOf } from './Words.ts'

/** What a precompiled contract answers. */
export type PrecompileResult = {
  readonly gasUsed: number
  readonly returnData: Uint8Array
  /** Absent on success; all gas is gone otherwise. */
  readonly failure?: string
}
export type Precompile = (data: Uint8Array, gas: number) => PrecompileResult | Promise<PrecompileResult>

export type InterpreterDependencies = {
  readonly chainId: number
  readonly rules: ForkRules
  readonly crypto: Crypto
  readonly precompiles: ReadonlyMap<Hex, Precompile>
}

/** Runs a transaction's message, and all that it calls, by the rules of one fork. */
export type Interpreter = (
  state: JournaledState,
  block: BlockContext,
  message: Message,
) => Promise<MessageResult>

/** The most gas that one message may have here: what a double counts exactly. */
export const INTERPRETER_GAS_MAX = BigInt(Number.MAX_SAFE_INTEGER)

const DEPTH_MAX = 1024
const NONCE_MAX = 2n ** 64n - 1n
const CODE_SIZE_MAX = 24_576
const CODE_BYTE_GAS = 200
/** Of EIP-3541: no code begins with it. */
const RESERVED_BYTE = 0xef
const NOTHING = new Uint8Array()

/** How a message ended. */
type Ending = {
  readonly gasLeft: number
  readonly output: Uint8Array
  readonly failure: string | undefined
  readonly createdAddress: Hex | undefined
}

const failed = (failure: string, gasLeft: number, createdAddress?: Hex): Ending => ({
  gasLeft,
  output: NOTHING,
  failure,
  createdAddress,
})

/**
 * Creates the interpreter of a fork from Cancun on.
 *
 * It is synchronous but for precompiles that are not, and keeps its frames in an array: 1,024 of them, which is what the
 * rules allow, would not fit on the thread's own stack.
 */
export function createInterpreter({
  chainId,
  rules,
  crypto,
  precompiles,
}: InterpreterDependencies): Interpreter {
  const opcodes = opcodeTable(rules)
  const codeOf = createCodes()
  const alwaysWarm: ReadonlySet<Hex> = new Set(precompiles.keys())
  /** Stacks by depth, used again and again. */
  const stacks: bigint[][] = []

  const frameOf = (
    request: CallRequest | CreateRequest,
    depth: number,
    snapshot: Snapshot,
    own: {
      readonly code: Code
      readonly address: Hex
      readonly data: Uint8Array
      readonly isStatic: boolean
    },
  ): Frame => {
    stacks[depth] ??= []
    return {
      ...own,
      request,
      depth,
      snapshot,
      memory: createMemory(),
      stack: stacks[depth],
      height: 0,
      pc: 0,
      gas: request.gas,
      returnData: NOTHING,
      output: NOTHING,
    }
  }

  const beginCall = (world: World, request: CallRequest, depth: number): Frame | Ending | Promise<Ending> => {
    const { state, substate } = world
    const { caller, address, codeAddress, value, movesValue, gas, data } = request
    if (depth > DEPTH_MAX) return failed('stack overflow', gas)
    if (movesValue && value > 0n && (state.account(caller)?.balance ?? 0n) < value)
      return failed('insufficient balance', gas)
    const snapshot = substate.snapshot()
    state.checkpoint()
    if (movesValue) {
      substate.touch(address)
      if (value > 0n && caller !== address) {
        state.addBalance(caller, -value)
        state.addBalance(address, value)
      }
    }
    const precompile = precompiles.get(codeAddress)
    if (precompile !== undefined) {
      const finish = ({ gasUsed, returnData, failure }: PrecompileResult): Ending => {
        settle(world, snapshot, failure === undefined)
        return failure === undefined
          ? { gasLeft: gas - gasUsed, output: returnData, failure, createdAddress: undefined }
          : failed(failure, 0)
      }
      const result = precompile(data, gas)
      return result instanceof Promise ? result.then(finish) : finish(result)
    }
    const holder = delegateOf(world, codeAddress) ?? codeAddress
    const codeHash = state.account(holder)?.codeHash ?? EMPTY_CODE_HASH
    if (codeHash === EMPTY_CODE_HASH) {
      state.commit()
      return { gasLeft: gas, output: NOTHING, failure: undefined, createdAddress: undefined }
    }
    const code = codeOf(codeHash, state.code(holder))
    return frameOf(request, depth, snapshot, { code, address, data, isStatic: request.isStatic })
  }

  const beginCreate = (world: World, request: CreateRequest, depth: number): Frame | Ending => {
    const { state, substate } = world
    const { caller, value, initCode, salt, gas } = request
    const creator = state.account(caller)
    if (depth > DEPTH_MAX) return failed('stack overflow', gas)
    if ((creator?.balance ?? 0n) < value) return failed('insufficient balance', gas)
    const nonce = creator?.nonce ?? 0n
    if (depth > 0) {
      if (nonce >= NONCE_MAX) return failed('nonce overflow', gas)
      state.putAccount(caller, { ...creator!, nonce: nonce + 1n })
    }
    const address =
      salt !== undefined
        ? saltedAddress(caller, salt, initCode, crypto)
        : // a transaction's own creation has raised its sender's nonce before
          Transaction.creationAddress(caller, depth > 0 || nonce === 0n ? nonce : nonce - 1n, crypto)
    substate.warm(address)
    const snapshot = substate.snapshot()
    state.checkpoint()
    const there = state.account(address)
    const isTaken =
      (there?.nonce ?? 0n) > 0n ||
      (there?.codeHash ?? EMPTY_CODE_HASH) !== EMPTY_CODE_HASH ||
      state.hasStorage(address)
    if (isTaken) {
      state.revert()
      return failed('create collision', 0, address)
    }
    substate.create(address)
    state.clearStorage(address)
    if (caller !== address) state.addBalance(caller, -value)
    const balance = (state.account(address)?.balance ?? 0n) + value
    state.putAccount(address, { nonce: 1n, balance, codeHash: EMPTY_CODE_HASH })
    const code = analyse(initCode)
    return frameOf(request, depth, snapshot, { code, address, data: NOTHING, isStatic: false })
  }

  /** Keeps what a message did, or undoes it. */
  const settle = ({ state, substate }: World, snapshot: Snapshot, isKept: boolean): void => {
    if (isKept) state.commit()
    else {
      state.revert()
      substate.revertTo(snapshot)
    }
  }

  /** Runs a frame on. @returns how it ended, or `undefined` when it waits for `world.request`. */
  const advance = (world: World, frame: Frame): Ending | undefined => {
    const { request, snapshot } = frame
    const createdAddress = request.kind === 'create' ? frame.address : undefined
    const undone = (failure: string): Ending => {
      settle(world, snapshot, false)
      return failed(failure, 0, createdAddress)
    }
    let exit: ReturnType<typeof interpret>
    try {
      exit = interpret(world, frame)
    } catch (error) {
      if (!(error instanceof ExceptionalHalt)) throw error
      return undone(error.message)
    }
    if (exit === 'waiting') return undefined
    const { gas, output } = frame
    if (exit === 'reverted') {
      settle(world, snapshot, false)
      return { gasLeft: gas, output, failure: 'revert', createdAddress }
    }
    if (request.kind === 'create') {
      const left = gas - CODE_BYTE_GAS * output.length
      if (output.length > CODE_SIZE_MAX) return undone('code size to deposit exceeds maximum code size')
      if (left < 0) return undone('out of gas')
      if (output[0] === RESERVED_BYTE) return undone('invalid bytecode deployed')
      if (output.length > 0) world.state.putCode(frame.address, output, bytesToHex(crypto.keccak256(output)))
      settle(world, snapshot, true)
      return { gasLeft: left, output, failure: undefined, createdAddress }
    }
    settle(world, snapshot, true)
    return { gasLeft: gas, output, failure: undefined, createdAddress }
  }

  const begin = (world: World, request: CallRequest | CreateRequest, depth: number) =>
    request.kind === 'call' ? beginCall(world, request, depth) : beginCreate(world, request, depth)

  /** Runs a message and all that it leads to. */
  const execute = async (world: World, first: CallRequest | CreateRequest): Promise<Ending> => {
    const frames: Frame[] = []
    let request = first
    for (;;) {
      const begun = begin(world, request, frames.length)
      const next = begun instanceof Promise ? await begun : begun
      let ending: Ending | undefined
      if ('pc' in next) {
        frames.push(next)
        ending = advance(world, next)
        if (ending !== undefined) frames.pop()
      } else ending = next
      // endings are handed up until a frame waits for another message
      while (ending !== undefined) {
        const frame = frames.at(-1)
        if (frame === undefined) return ending
        resume(frame, request, ending)
        request = frame.request
        ending = advance(world, frame)
        if (ending !== undefined) frames.pop()
      }
      request = world.request!
    }
  }

  return async (state, block, message) => {
    const substate = createSubstate(alwaysWarm)
    const world: World = {
      state,
      substate,
      block,
      message,
      chainId: BigInt(chainId),
      opcodes,
      keccak256: crypto.keccak256,
      codeOf,
      request: undefined,
    }
    warmFirst(world)
    const gas = Number(message.gas)
    const { from: caller, to, value, data } = message
    const ending = await execute(
      world,
      to === null
        ? { kind: 'create', caller, value, initCode: data, salt: undefined, gas }
        : {
            kind: 'call',
            caller,
            address: to,
            codeAddress: to,
            value,
            movesValue: true,
            isStatic: false,
            data,
            gas,
            outOffset: 0,
            outSize: 0,
          },
    )
    substate.settle(state)
    return {
      returnData: ending.output,
      gasUsed: BigInt(gas - ending.gasLeft),
      gasRefund: ending.failure === undefined ? BigInt(substate.refunded()) : 0n,
      createdAddress: ending.createdAddress,
      logs: substate.logs(),
      failure: ending.failure,
    }
  }
}

/** Marks what is warm when a transaction begins. @see EIP-2929, EIP-2930, EIP-3651, EIP-7702. */
function warmFirst(world: World): void {
  const { substate, message, block } = world
  substate.warm(message.from)
  substate.warm(block.feeRecipient)
  for (const address of message.warm) substate.warm(address)
  for (const { address, storageKeys } of message.accessList) {
    substate.warm(address)
    for (const key of storageKeys) substate.warmSlot(address, key)
  }
  if (message.to === null) return
  substate.warm(message.to)
  const delegate = delegateOf(world, message.to)
  if (delegate !== undefined) substate.warm(delegate)
}

/** Gives a frame what the message it waited for returned. */
function resume(frame: Frame, request: CallRequest | CreateRequest, ending: Ending): void {
  const { gasLeft, output, failure, createdAddress } = ending
  frame.gas += gasLeft
  // new code goes to the chain; only a creation that was undone answers its caller
  frame.returnData = request.kind === 'create' && failure === undefined ? NOTHING : output
  const success = failure !== undefined ? 0n : request.kind === 'call' ? 1n : BigInt(createdAddress!)
  frame.stack[frame.height++] = success
  if (request.kind === 'call' && output.length > 0 && request.outSize > 0) {
    frame.memory.bytes.set(output.subarray(0, request.outSize), request.outOffset)
  }
}

/** @see EIP-1014. */
function saltedAddress(creator: Hex, salt: bigint, initCode: Uint8Array, crypto: Crypto): Hex {
  const hashed = concatBytes(
    Uint8Array.of(0xff),
    hexToBytes(creator),
    hexToBytes(slotOf(salt)),
    crypto.keccak256(initCode),
  )
  return bytesToHex(crypto.keccak256(hashed).subarray(12))
}
