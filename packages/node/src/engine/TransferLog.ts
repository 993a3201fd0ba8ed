import type { Hex } from '@openledger/primitives'
import { bytesToHex, type EvmFrame } from '@openledger/rollup'

export type SimulatedLog = { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }

const TRANSFER_LOG_ADDRESS: Hex = `0x${'ee'.repeat(20)}`
const TRANSFER_TOPIC: Hex = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

/**
 * Collects transfers of the native currency among the logs, in the order in which they happen.
 * @see execution-apis, eth_simulateV1, `traceTransfers`.
 */
export function createTransferLog(isOn: boolean, balanceOf: (address: Hex) => bigint) {
  if (!isOn) return { tracer: undefined, logs: (own: readonly SimulatedLog[]) => own }
  // one list for each open message: a message that fails takes its own with it
  const open: SimulatedLog[][] = [[]]
  const creations: (EvmFrame | undefined)[] = []
  const word = (hex: Hex): Hex => `0x${hex.slice(2).padStart(64, '0')}`
  const transfer = (from: Hex, to: Hex, value: bigint): SimulatedLog => ({
    address: TRANSFER_LOG_ADDRESS,
    topics: [TRANSFER_TOPIC, word(from), word(to)],
    data: word(`0x${value.toString(16)}`),
  })
  return {
    tracer: {
      enter(frame: EvmFrame) {
        const { from, to, value, isDelegateCall } = frame
        const own: SimulatedLog[] = []
        if (value > 0n && !isDelegateCall && to !== undefined) own.push(transfer(from, to, value))
        open.push(own)
        creations.push(value > 0n && to === undefined ? frame : undefined)
      },
      step({
        opcode,
        stack,
        memory,
        address,
      }: {
        readonly opcode: string
        readonly stack: readonly bigint[]
        readonly memory: Uint8Array
        readonly address: Hex
      }) {
        if (opcode === 'SELFDESTRUCT') {
          const heir: Hex = `0x${(stack.at(-1) ?? 0n).toString(16).padStart(64, '0').slice(24)}`
          const balance = balanceOf(address)
          if (balance > 0n) open.at(-1)!.push(transfer(address, heir, balance))
          return
        }
        if (!/^LOG[0-4]$/.test(opcode)) return
        const [offset, size] = [Number(stack.at(-1) ?? 0n), Number(stack.at(-2) ?? 0n)]
        if (size > 2 ** 24) return
        const data = new Uint8Array(size)
        data.set(memory.subarray(offset, offset + size))
        const topics = Array.from({ length: Number(opcode.slice(3)) }, (_, i) =>
          word(`0x${(stack.at(-3 - i) ?? 0n).toString(16)}`),
        )
        open.at(-1)!.push({ address, topics, data: bytesToHex(data) })
      },
      exit({
        failure,
        createdAddress,
      }: {
        readonly failure: string | undefined
        readonly createdAddress: Hex | undefined
      }) {
        const own = open.pop()!
        const creation = creations.pop()
        if (creation !== undefined && createdAddress !== undefined)
          own.unshift(transfer(creation.from, createdAddress, creation.value))
        if (failure === undefined) open.at(-1)!.push(...own)
      },
    },
    logs: () => open[0]!,
  }
}
