import type { Hex } from '@openledger/primitives'
import type { JournaledState } from '../../state/JournaledState.ts'
import type { BlockContext, Message } from '../Message.ts'
import type { Code } from './Code.ts'
import type { Memory } from './Memory.ts'
import type { OpcodeTable } from './Opcodes.ts'
import type { Snapshot, Substate } from './Substate.ts'

/** What all frames of one transaction share. */
export type World = {
  readonly state: JournaledState
  readonly substate: Substate
  readonly block: BlockContext
  readonly message: Message
  readonly chainId: bigint
  readonly opcodes: OpcodeTable
  readonly keccak256: (bytes: Uint8Array) => Uint8Array
  /** Analyses code that the state holds, once for each hash. */
  readonly codeOf: (codeHash: Hex, code: Uint8Array) => Code
  /** What the frame that stopped for it wants called or created. */
  request: CallRequest | CreateRequest | undefined
}

/** A message that code sends. */
export type CallRequest = {
  readonly kind: 'call'
  readonly caller: Hex
  /** Whose storage and balance it is about. */
  readonly address: Hex
  /** Whose code runs; differs under DELEGATECALL and CALLCODE. */
  readonly codeAddress: Hex
  /** What CALLVALUE answers. */
  readonly value: bigint
  /** Whether the value moves, which a DELEGATECALL only tells of. */
  readonly movesValue: boolean
  readonly isStatic: boolean
  readonly data: Uint8Array
  readonly gas: number
  readonly outOffset: number
  readonly outSize: number
}

/** A contract that code makes. */
export type CreateRequest = {
  readonly kind: 'create'
  readonly caller: Hex
  readonly value: bigint
  readonly initCode: Uint8Array
  /** CREATE2 only: it decides the address instead of the nonce. */
  readonly salt: bigint | undefined
  readonly gas: number
}

/** One running code. */
export type Frame = {
  readonly request: CallRequest | CreateRequest
  readonly code: Code
  readonly address: Hex
  readonly isStatic: boolean
  readonly data: Uint8Array
  /** 0 for the transaction's own. */
  readonly depth: number
  readonly snapshot: Snapshot
  readonly memory: Memory
  readonly stack: bigint[]
  /** Words on the stack. */
  height: number
  pc: number
  gas: number
  /** What the last call returned. */
  returnData: Uint8Array
  /** What the frame itself returns. */
  output: Uint8Array
}

/** How a frame left the interpreter: ended, undone with its gas kept, or waiting for `world.request`. */
export type Exit = 'stopped' | 'reverted' | 'waiting'
