import type { Hex } from '@openledger/primitives'

/**
 * A token reduced to what a transfer costs, assembled by hand: the constructor gives its sender every unit, and any
 * call is `transfer(address,uint256)`: two slots and the Transfer log of ERC-20, or a revert.
 */
export const tokenInitCode: Hex =
  '0x335f5260405f205f199055610057806100165f395ff3335f5260405f20805460243580821060535780820383556004355f5260405f20805482019055805f52600435337fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef60205fa3005b5f5ffd'
