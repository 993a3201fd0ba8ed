import { delegateOf, isDead, NEW_ACCOUNT_GAS, reach, STIPEND_GAS } from './Access.ts'
import type { Exit, Frame, World } from './Frame.ts'
import { INIT_CODE_TOO_LARGE, OUT_OF_GAS, STATIC_STATE_CHANGE } from './Halt.ts'
import { slice, touch } from './Memory.ts'
import { addressOf, numberOf, wordsOf } from './Words.ts'

const VALUE_GAS = 9000
const INIT_CODE_WORD_GAS = 2
const HASH_WORD_GAS = 6
/** @see EIP-3860. */
const INIT_CODE_SIZE_MAX = 49_152

/** What a frame keeps of its gas when it sends a message. @see EIP-150. */
const kept = (gas: number): number => Math.floor(gas / 64)

/**
 * Takes a call's operands from the stack, pays for it, and leaves what is to be called in `world.request`.
 * @throws {ExceptionalHalt}
 */
export function requestCall(
  world: World,
  frame: Frame,
  opcode: 'call' | 'callcode' | 'delegatecall' | 'staticcall',
): Exit {
  const { stack, memory } = frame
  let top = frame.height - 1
  const wanted = stack[top--]!
  const target = addressOf(stack[top--]!)
  const value = opcode === 'call' || opcode === 'callcode' ? stack[top--]! : 0n
  const inOffset = numberOf(stack[top--]!)
  const inSize = numberOf(stack[top--]!)
  const outOffset = numberOf(stack[top--]!)
  const outSize = numberOf(stack[top--]!)
  frame.height = top + 1

  if (opcode === 'call' && frame.isStatic && value > 0n) throw STATIC_STATE_CHANGE
  let gas = touch(memory, frame.gas, inOffset, inSize)
  gas = touch(memory, gas, outOffset, outSize)
  gas -= reach(world, target)
  // an account's code is only read once reaching it is paid for
  if (gas < 0) throw OUT_OF_GAS
  const delegate = delegateOf(world, target)
  if (delegate !== undefined) gas -= reach(world, delegate)
  if (value > 0n) {
    gas -= VALUE_GAS
    if (opcode === 'call' && isDead(world, target)) gas -= NEW_ACCOUNT_GAS
  }
  if (gas < 0) throw OUT_OF_GAS
  const most = gas - kept(gas)
  const handed = wanted > BigInt(most) ? most : Number(wanted)
  frame.gas = gas - handed

  const isOwn = opcode === 'call' || opcode === 'staticcall'
  const isDelegate = opcode === 'delegatecall'
  world.request = {
    kind: 'call',
    caller: isDelegate ? frame.request.caller : frame.address,
    address: isOwn ? target : frame.address,
    codeAddress: target,
    value: isDelegate ? frame.request.value : value,
    movesValue: !isDelegate,
    isStatic: frame.isStatic || opcode === 'staticcall',
    data: slice(memory, inOffset, inSize),
    gas: value > 0n ? handed + STIPEND_GAS : handed,
    outOffset,
    outSize,
  }
  return 'waiting'
}

/**
 * Takes a creation's operands from the stack, pays for it, and leaves what is to be made in `world.request`.
 * @throws {ExceptionalHalt}
 */
export function requestCreate(world: World, frame: Frame, isSalted: boolean): Exit {
  if (frame.isStatic) throw STATIC_STATE_CHANGE
  const { stack, memory } = frame
  let top = frame.height - 1
  const value = stack[top--]!
  const offset = numberOf(stack[top--]!)
  const size = numberOf(stack[top--]!)
  const salt = isSalted ? stack[top--]! : undefined
  frame.height = top + 1

  let gas = touch(memory, frame.gas, offset, size)
  if (size > INIT_CODE_SIZE_MAX) throw INIT_CODE_TOO_LARGE
  gas -= wordsOf(size) * (isSalted ? INIT_CODE_WORD_GAS + HASH_WORD_GAS : INIT_CODE_WORD_GAS)
  if (gas < 0) throw OUT_OF_GAS
  frame.gas = kept(gas)
  world.request = {
    kind: 'create',
    caller: frame.address,
    value,
    initCode: slice(memory, offset, size),
    salt,
    gas: gas - kept(gas),
  }
  return 'waiting'
}
