import { bytesToHex } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import { destroy, load, reach, store } from './Access.ts'
import { pushedAt } from './Code.ts'
import type { Exit, Frame, World } from './Frame.ts'
import {
  INVALID_JUMP,
  INVALID_OPCODE,
  OUT_OF_GAS,
  STACK_OVERFLOW,
  STACK_UNDERFLOW,
  STATIC_STATE_CHANGE,
} from './Halt.ts'
import { copy, payCopy, slice, touch } from './Memory.ts'
import { STACK_MAX, UNDEFINED } from './Opcodes.ts'
import { requestCall, requestCreate } from './Requests.ts'
import { isEmpty } from './Substate.ts'
import { surroundings } from './Surroundings.ts'
import {
  add,
  addressOf,
  byteLength,
  leadingZeros,
  numberOf,
  power,
  readWord,
  signed,
  slotOf,
  subtract,
  unsigned,
  WORD_MAX,
  wordOf,
  wordsOf,
  writeWord,
} from './Words.ts'

const HASH_WORD_GAS = 6
const LOG_BYTE_GAS = 8
const EXP_BYTE_GAS = 50
const BLOCK_HASHES = 256n
const NOTHING = new Uint8Array()

const bit = (isSet: boolean): bigint => (isSet ? 1n : 0n)

/** @returns the gas that is left. @throws {ExceptionalHalt} when it is not there. */
function charge(gas: number, price: number): number {
  if (gas < price) throw OUT_OF_GAS
  return gas - price
}

/** Leaves the frame so that it goes on after this opcode. */
function leave(frame: Frame, pc: number, gas: number, top: number): void {
  frame.pc = pc + 1
  frame.gas = gas
  frame.height = top + 1
}

function end(frame: Frame, gas: number, exit: Exit, offset: number, size: number): Exit {
  frame.gas = touch(frame.memory, gas, offset, size)
  frame.output = slice(frame.memory, offset, size)
  return exit
}

/**
 * Runs a frame until it ends or wants another one run, in which case `world.request` says which.
 *
 * Opcodes are written as numbers because V8 jumps straight to a literal case and compares its way to a named one.
 *
 * @throws {ExceptionalHalt} when the frame has to be undone and its gas is gone.
 * @see the Yellow Paper, appendix H, and the EIPs up to Osaka.
 */
export function interpret(world: World, frame: Frame): Exit {
  const { state, substate, block, opcodes } = world
  const { code, memory, stack } = frame
  const { bytes, destinations, length } = code
  const { gas: prices, takes, grows } = opcodes
  let { pc, gas } = frame
  /** The index of the top of the stack, -1 while it is empty. */
  let top = frame.height - 1

  for (; ; pc++) {
    const opcode = bytes[pc]!
    const taken = takes[opcode]!
    if (top + 1 < taken) throw taken === UNDEFINED ? INVALID_OPCODE : STACK_UNDERFLOW
    if (top + 1 + grows[opcode]! > STACK_MAX) throw STACK_OVERFLOW
    gas -= prices[opcode]!
    if (gas < 0) throw OUT_OF_GAS

    if (opcode >= 0x60 && opcode <= 0x9f) {
      if (opcode <= 0x7f) {
        stack[++top] = pushedAt(code, pc)
        pc += opcode - 0x5f
      } else if (opcode <= 0x8f) {
        const copied = stack[top - (opcode - 0x80)]!
        stack[++top] = copied
      } else {
        const other = top - (opcode - 0x8f)
        const word = stack[top]!
        stack[top] = stack[other]!
        stack[other] = word
      }
      continue
    }
    switch (opcode) {
      case 0x00: // STOP
        return end(frame, gas, 'stopped', 0, 0)
      case 0x01: // ADD
        top--
        stack[top] = add(stack[top + 1]!, stack[top]!)
        break
      case 0x02: // MUL
        top--
        stack[top] = unsigned(stack[top + 1]! * stack[top]!)
        break
      case 0x03: // SUB
        top--
        stack[top] = subtract(stack[top + 1]!, stack[top]!)
        break
      case 0x04: // DIV
        top--
        stack[top] = stack[top] === 0n ? 0n : stack[top + 1]! / stack[top]!
        break
      case 0x05: // SDIV
        top--
        stack[top] = stack[top] === 0n ? 0n : unsigned(signed(stack[top + 1]!) / signed(stack[top]!))
        break
      case 0x06: // MOD
        top--
        stack[top] = stack[top] === 0n ? 0n : stack[top + 1]! % stack[top]!
        break
      case 0x07: // SMOD
        top--
        stack[top] = stack[top] === 0n ? 0n : unsigned(signed(stack[top + 1]!) % signed(stack[top]!))
        break
      case 0x08: // ADDMOD
        top -= 2
        stack[top] = stack[top] === 0n ? 0n : (stack[top + 2]! + stack[top + 1]!) % stack[top]!
        break
      case 0x09: // MULMOD
        top -= 2
        stack[top] = stack[top] === 0n ? 0n : (stack[top + 2]! * stack[top + 1]!) % stack[top]!
        break
      case 0x0a: // EXP
        top--
        gas = charge(gas, EXP_BYTE_GAS * byteLength(stack[top]!))
        stack[top] = power(stack[top + 1]!, stack[top]!)
        break
      case 0x0b: {
        // SIGNEXTEND
        top--
        const place = stack[top + 1]!
        if (place < 31n) stack[top] = unsigned(BigInt.asIntN(8 * Number(place) + 8, stack[top]!))
        break
      }
      case 0x10: // LT
        top--
        stack[top] = bit(stack[top + 1]! < stack[top]!)
        break
      case 0x11: // GT
        top--
        stack[top] = bit(stack[top + 1]! > stack[top]!)
        break
      case 0x12: // SLT
        top--
        stack[top] = bit(signed(stack[top + 1]!) < signed(stack[top]!))
        break
      case 0x13: // SGT
        top--
        stack[top] = bit(signed(stack[top + 1]!) > signed(stack[top]!))
        break
      case 0x14: // EQ
        top--
        stack[top] = bit(stack[top + 1]! === stack[top]!)
        break
      case 0x15: // ISZERO
        stack[top] = bit(stack[top] === 0n)
        break
      case 0x16: // AND
        top--
        stack[top] = stack[top + 1]! & stack[top]!
        break
      case 0x17: // OR
        top--
        stack[top] = stack[top + 1]! | stack[top]!
        break
      case 0x18: // XOR
        top--
        stack[top] = stack[top + 1]! ^ stack[top]!
        break
      case 0x19: // NOT
        stack[top] = WORD_MAX - stack[top]!
        break
      case 0x1a: {
        // BYTE
        top--
        const place = stack[top + 1]!
        stack[top] = place > 31n ? 0n : (stack[top]! >> (8n * (31n - place))) & 0xffn
        break
      }
      case 0x1b: {
        // SHL
        top--
        const shift = stack[top + 1]!
        stack[top] = shift > 255n ? 0n : unsigned(stack[top]! << shift)
        break
      }
      case 0x1c: {
        // SHR
        top--
        const shift = stack[top + 1]!
        stack[top] = shift > 255n ? 0n : stack[top]! >> shift
        break
      }
      case 0x1d: {
        // SAR
        top--
        const shift = stack[top + 1]!
        stack[top] = unsigned(signed(stack[top]!) >> (shift > 255n ? 255n : shift))
        break
      }
      case 0x1e: // CLZ
        stack[top] = leadingZeros(stack[top]!)
        break
      case 0x20: {
        // KECCAK256
        top--
        const offset = numberOf(stack[top + 1]!)
        const size = numberOf(stack[top]!)
        gas = charge(gas, HASH_WORD_GAS * wordsOf(size))
        gas = touch(memory, gas, offset, size)
        const hashed = size === 0 ? NOTHING : memory.bytes.subarray(offset, offset + size)
        stack[top] = wordOf(world.keccak256(hashed))
        break
      }
      case 0x31: {
        // BALANCE
        const address = addressOf(stack[top]!)
        gas = charge(gas, reach(world, address))
        stack[top] = state.account(address)?.balance ?? 0n
        break
      }
      case 0x35: {
        // CALLDATALOAD
        const offset = numberOf(stack[top]!)
        const word = frame.data.subarray(offset, offset + 32)
        stack[top] = wordOf(word) << BigInt(8 * (32 - word.length))
        break
      }
      case 0x37: // CALLDATACOPY
        top -= 3
        gas = copy(
          memory,
          gas,
          frame.data,
          numberOf(stack[top + 3]!),
          numberOf(stack[top + 2]!),
          numberOf(stack[top + 1]!),
        )
        break
      case 0x39: // CODECOPY
        top -= 3
        gas = copy(
          memory,
          gas,
          bytes.subarray(0, length),
          numberOf(stack[top + 3]!),
          numberOf(stack[top + 2]!),
          numberOf(stack[top + 1]!),
        )
        break
      case 0x3b: {
        // EXTCODESIZE
        const address = addressOf(stack[top]!)
        gas = charge(gas, reach(world, address))
        stack[top] = BigInt(state.code(address).length)
        break
      }
      case 0x3c: {
        // EXTCODECOPY
        top -= 4
        const address = addressOf(stack[top + 4]!)
        gas = charge(gas, reach(world, address))
        gas = copy(
          memory,
          gas,
          state.code(address),
          numberOf(stack[top + 3]!),
          numberOf(stack[top + 2]!),
          numberOf(stack[top + 1]!),
        )
        break
      }
      case 0x3e: {
        // RETURNDATACOPY
        top -= 3
        const from = numberOf(stack[top + 2]!)
        const size = numberOf(stack[top + 1]!)
        if (from + size > frame.returnData.length) throw OUT_OF_GAS
        gas = copy(memory, gas, frame.returnData, numberOf(stack[top + 3]!), from, size)
        break
      }
      case 0x3f: {
        // EXTCODEHASH
        const address = addressOf(stack[top]!)
        gas = charge(gas, reach(world, address))
        const account = state.account(address)
        stack[top] = account === undefined || isEmpty(account) ? 0n : BigInt(account.codeHash)
        break
      }
      case 0x40: {
        // BLOCKHASH
        const number = stack[top]!
        const isKnown = number < block.number && block.number - number <= BLOCK_HASHES
        stack[top] = isKnown ? BigInt(block.blockHash(number) ?? 0) : 0n
        break
      }
      case 0x49: // BLOBHASH
        stack[top] = BigInt(world.message.blobVersionedHashes?.[numberOf(stack[top]!)] ?? 0)
        break
      case 0x50: // POP
        top--
        break
      case 0x51: {
        // MLOAD
        const offset = numberOf(stack[top]!)
        gas = touch(memory, gas, offset, 32)
        stack[top] = readWord(memory.view, offset)
        break
      }
      case 0x52: {
        // MSTORE
        top -= 2
        const offset = numberOf(stack[top + 2]!)
        gas = touch(memory, gas, offset, 32)
        writeWord(memory.view, offset, stack[top + 1]!)
        break
      }
      case 0x53: {
        // MSTORE8
        top -= 2
        const offset = numberOf(stack[top + 2]!)
        gas = touch(memory, gas, offset, 1)
        memory.bytes[offset] = Number(stack[top + 1]! & 0xffn)
        break
      }
      case 0x54: {
        // SLOAD
        const { value, gas: price } = load(world, frame.address, stack[top]!)
        gas = charge(gas, price)
        stack[top] = value
        break
      }
      case 0x55: // SSTORE
        top -= 2
        gas = store(world, frame, gas, stack[top + 2]!, stack[top + 1]!)
        break
      case 0x56: {
        // JUMP
        const target = numberOf(stack[top--]!)
        if (destinations[target] !== 1) throw INVALID_JUMP
        // the JUMPDEST itself is next
        pc = target - 1
        break
      }
      case 0x57: {
        // JUMPI
        top -= 2
        if (stack[top + 1] === 0n) break
        const target = numberOf(stack[top + 2]!)
        if (destinations[target] !== 1) throw INVALID_JUMP
        pc = target - 1
        break
      }
      case 0x58: // PC
        stack[++top] = BigInt(pc)
        break
      case 0x59: // MSIZE
        stack[++top] = BigInt(memory.size)
        break
      case 0x5a: // GAS
        stack[++top] = BigInt(gas)
        break
      case 0x5b: // JUMPDEST
        break
      case 0x5c: // TLOAD
        stack[top] = substate.transient(frame.address, stack[top]!)
        break
      case 0x5d: // TSTORE
        if (frame.isStatic) throw STATIC_STATE_CHANGE
        top -= 2
        substate.putTransient(frame.address, stack[top + 2]!, stack[top + 1]!)
        break
      case 0x5e: {
        // MCOPY
        top -= 3
        const to = numberOf(stack[top + 3]!)
        const from = numberOf(stack[top + 2]!)
        const size = numberOf(stack[top + 1]!)
        gas = payCopy(memory, gas, Math.max(to, from), size)
        if (size > 0) memory.bytes.copyWithin(to, from, from + size)
        break
      }
      case 0x5f: // PUSH0
        stack[++top] = 0n
        break
      case 0xa0:
      case 0xa1:
      case 0xa2:
      case 0xa3:
      case 0xa4: {
        // LOG0 to LOG4
        if (frame.isStatic) throw STATIC_STATE_CHANGE
        const offset = numberOf(stack[top]!)
        const size = numberOf(stack[top - 1]!)
        top -= 2
        const topics: Hex[] = []
        for (let i = 0; i < opcode - 0xa0; i++) topics.push(slotOf(stack[top--]!))
        gas = charge(gas, LOG_BYTE_GAS * size)
        gas = touch(memory, gas, offset, size)
        substate.log({ address: frame.address, topics, data: bytesToHex(slice(memory, offset, size)) })
        break
      }
      case 0xf0:
        leave(frame, pc, gas, top)
        return requestCreate(world, frame, false)
      case 0xf1:
        leave(frame, pc, gas, top)
        return requestCall(world, frame, 'call')
      case 0xf2:
        leave(frame, pc, gas, top)
        return requestCall(world, frame, 'callcode')
      case 0xf3: // RETURN
        return end(frame, gas, 'stopped', numberOf(stack[top]!), numberOf(stack[top - 1]!))
      case 0xf4:
        leave(frame, pc, gas, top)
        return requestCall(world, frame, 'delegatecall')
      case 0xf5:
        leave(frame, pc, gas, top)
        return requestCreate(world, frame, true)
      case 0xfa:
        leave(frame, pc, gas, top)
        return requestCall(world, frame, 'staticcall')
      case 0xfd: // REVERT
        return end(frame, gas, 'reverted', numberOf(stack[top]!), numberOf(stack[top - 1]!))
      case 0xff: // SELFDESTRUCT
        gas = destroy(world, frame, gas, addressOf(stack[top]!))
        return end(frame, gas, 'stopped', 0, 0)
      default:
        stack[++top] = surroundings(world, frame, opcode)
    }
  }
}
