import type { Hex } from '@openledger/primitives'

/** Addresses that every OP Stack chain has from block 0. @see OP specs, predeploys. */
export const L1_BLOCK: Hex = '0x4200000000000000000000000000000000000015'
export const L2_TO_L1_MESSAGE_PASSER: Hex = '0x4200000000000000000000000000000000000016'
export const GAS_PRICE_ORACLE: Hex = '0x420000000000000000000000000000000000000f'
/** Receives priority fees: the fee recipient of every block. */
export const SEQUENCER_FEE_VAULT: Hex = '0x4200000000000000000000000000000000000011'
export const BASE_FEE_VAULT: Hex = '0x4200000000000000000000000000000000000019'
export const L1_FEE_VAULT: Hex = '0x420000000000000000000000000000000000001a'
export const OPERATOR_FEE_VAULT: Hex = '0x420000000000000000000000000000000000001b'

/** Sends the L1-info deposit. */
export const L1_ATTRIBUTES_DEPOSITOR: Hex = '0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001'

/** EIP-4788: the last 8,191 beacon block roots. */
export const BEACON_ROOTS: Hex = '0x000f3df6d732807ef1319fb7b8bb8522d0beac02'
/** EIP-2935: the last 8,191 block hashes. */
export const HISTORY_STORAGE: Hex = '0x0000f90827f1c53a10cb7a02335b175320002935'
