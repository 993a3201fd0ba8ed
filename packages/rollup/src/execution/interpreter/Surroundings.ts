import type { Frame, World } from './Frame.ts'
import { INVALID_OPCODE } from './Halt.ts'

/** What an opcode without operands tells about frame, transaction and block. */
export function surroundings(world: World, frame: Frame, opcode: number): bigint {
  switch (opcode) {
    case 0x30: // ADDRESS
      return BigInt(frame.address)
    case 0x32: // ORIGIN
      return BigInt(world.message.from)
    case 0x33: // CALLER
      return BigInt(frame.request.caller)
    case 0x34: // CALLVALUE
      return frame.request.value
    case 0x36: // CALLDATASIZE
      return BigInt(frame.data.length)
    case 0x38: // CODESIZE
      return BigInt(frame.code.length)
    case 0x3a: // GASPRICE
      return world.message.gasPrice
    case 0x3d: // RETURNDATASIZE
      return BigInt(frame.returnData.length)
    case 0x41: // COINBASE
      return BigInt(world.block.feeRecipient)
    case 0x42: // TIMESTAMP
      return world.block.timestamp
    case 0x43: // NUMBER
      return world.block.number
    case 0x44: // PREVRANDAO
      return BigInt(world.block.prevRandao)
    case 0x45: // GASLIMIT
      return world.block.gasLimit
    case 0x46: // CHAINID
      return world.chainId
    case 0x47: // SELFBALANCE
      return world.state.account(frame.address)?.balance ?? 0n
    case 0x48: // BASEFEE
      return world.block.baseFeePerGas
    case 0x4a: // BLOBBASEFEE
      return world.block.blobBaseFee ?? 1n
    default:
      throw INVALID_OPCODE
  }
}
