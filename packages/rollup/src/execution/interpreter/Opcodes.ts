import type { ForkRules } from '../Fork.ts'

/** What is checked before an opcode runs; each table has one entry for each byte. */
export type OpcodeTable = {
  /** Gas that it costs whatever its operands. */
  readonly gas: Uint16Array
  /** Words that it takes from the stack; {@link UNDEFINED} where the fork has no such opcode. */
  readonly takes: Uint16Array
  /** Words by which the stack is higher afterwards, or lower. */
  readonly grows: Int8Array
}

/** More than a stack can hold, so that one comparison finds both an underflow and an unknown opcode. */
export const UNDEFINED = 0xffff
export const STACK_MAX = 1024

type Row = readonly [opcode: number, gas: number, takes: number, puts: number]

/** Static parts only: what depends on operands, warmth or memory is charged where the opcode runs. */
const ROWS: readonly Row[] = [
  [0x00, 0, 0, 0],
  ...[0x01, 0x03].map((opcode): Row => [opcode, 3, 2, 1]),
  ...[0x02, 0x04, 0x05, 0x06, 0x07, 0x0b].map((opcode): Row => [opcode, 5, 2, 1]),
  ...[0x08, 0x09].map((opcode): Row => [opcode, 8, 3, 1]),
  [0x0a, 10, 2, 1],
  ...[0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1b, 0x1c, 0x1d].map(
    (opcode): Row => [opcode, 3, 2, 1],
  ),
  ...[0x15, 0x19].map((opcode): Row => [opcode, 3, 1, 1]),
  [0x20, 30, 2, 1],
  ...[0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d].map((opcode): Row => [opcode, 2, 0, 1]),
  ...[0x31, 0x3b, 0x3f].map((opcode): Row => [opcode, 0, 1, 1]),
  [0x35, 3, 1, 1],
  ...[0x37, 0x39, 0x3e, 0x5e].map((opcode): Row => [opcode, 3, 3, 0]),
  [0x3c, 0, 4, 0],
  [0x40, 20, 1, 1],
  ...[0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x48, 0x4a].map((opcode): Row => [opcode, 2, 0, 1]),
  [0x47, 5, 0, 1],
  [0x49, 3, 1, 1],
  [0x50, 2, 1, 0],
  [0x51, 3, 1, 1],
  ...[0x52, 0x53].map((opcode): Row => [opcode, 3, 2, 0]),
  [0x54, 0, 1, 1],
  [0x55, 0, 2, 0],
  [0x56, 8, 1, 0],
  [0x57, 10, 2, 0],
  ...[0x58, 0x59, 0x5a, 0x5f].map((opcode): Row => [opcode, 2, 0, 1]),
  [0x5b, 1, 0, 0],
  [0x5c, 100, 1, 1],
  [0x5d, 100, 2, 0],
  ...Array.from({ length: 32 }, (_, i): Row => [0x60 + i, 3, 0, 1]),
  ...Array.from({ length: 16 }, (_, i): Row => [0x80 + i, 3, i + 1, i + 2]),
  ...Array.from({ length: 16 }, (_, i): Row => [0x90 + i, 3, i + 2, i + 2]),
  ...Array.from({ length: 5 }, (_, i): Row => [0xa0 + i, 375 * (i + 1), i + 2, 0]),
  [0xf0, 32_000, 3, 1],
  [0xf1, 0, 7, 1],
  [0xf2, 0, 7, 1],
  [0xf3, 0, 2, 0],
  [0xf4, 0, 6, 1],
  [0xf5, 32_000, 4, 1],
  [0xfa, 0, 6, 1],
  [0xfd, 0, 2, 0],
  [0xff, 5000, 1, 0],
]

/** CLZ. @see EIP-7939. */
const OSAKA_ROWS: readonly Row[] = [[0x1e, 5, 1, 1]]

/** Makes the tables of a fork from Cancun on. @see the Yellow Paper, appendix H, and the EIPs since. */
export function opcodeTable({ hasOsaka }: Pick<ForkRules, 'hasOsaka'>): OpcodeTable {
  const gas = new Uint16Array(256)
  const takes = new Uint16Array(256).fill(UNDEFINED)
  const grows = new Int8Array(256)
  for (const [opcode, cost, taken, put] of hasOsaka ? [...ROWS, ...OSAKA_ROWS] : ROWS) {
    gas[opcode] = cost
    takes[opcode] = taken
    grows[opcode] = put - taken
  }
  return { gas, takes, grows }
}
