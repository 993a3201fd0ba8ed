import type { Hex } from '@openledger/primitives'
import { wordOf } from './Words.ts'

/** Code with what can be known of it before it runs. */
export type Code = {
  readonly length: number
  /** Followed by zeros, which mean STOP, so that the end needs no check. */
  readonly bytes: Uint8Array
  /** 1 where a jump may land. */
  readonly destinations: Uint8Array
  /** The word that the PUSH at each place pushes; made when it is first reached. */
  readonly pushes: (bigint | undefined)[]
}

const JUMPDEST = 0x5b
const PUSH1 = 0x60
const PUSH32 = 0x7f
/** A PUSH32 as the last byte reads so far beyond the end. */
const PADDING = 33
/** Codes that are kept; the oldest leave first. */
const CODES_MAX = 1024

/** Finds the places where a jump may land. @see the Yellow Paper, section 9.4.3. */
export function analyse(code: Uint8Array): Code {
  const bytes = new Uint8Array(code.length + PADDING)
  bytes.set(code)
  const destinations = new Uint8Array(bytes.length)
  for (let pc = 0; pc < code.length; pc++) {
    const opcode = bytes[pc]!
    if (opcode === JUMPDEST) destinations[pc] = 1
    else if (opcode >= PUSH1 && opcode <= PUSH32) pc += opcode - PUSH1 + 1
  }
  return { length: code.length, bytes, destinations, pushes: [] }
}

/** Reads the operand of the PUSH at `pc`. */
export function pushedAt({ bytes, pushes }: Code, pc: number): bigint {
  const known = pushes[pc]
  if (known !== undefined) return known
  const word = wordOf(bytes.subarray(pc + 1, pc + 2 + bytes[pc]! - PUSH1))
  pushes[pc] = word
  return word
}

/** Remembers codes by their hash. */
export function createCodes(): (codeHash: Hex, code: Uint8Array) => Code {
  const known = new Map<Hex, Code>()
  return (codeHash, code) => {
    const before = known.get(codeHash)
    if (before !== undefined) return before
    if (known.size >= CODES_MAX) known.delete(known.keys().next().value!)
    const analysed = analyse(code)
    known.set(codeHash, analysed)
    return analysed
  }
}
