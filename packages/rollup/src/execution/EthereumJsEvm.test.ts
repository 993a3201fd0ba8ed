import type { Hex } from '@openledger/primitives'
import { beforeAll, expect, test } from 'vitest'
import { plainCrypto } from '../Crypto.ts'
import { createJournaledState } from '../state/JournaledState.ts'
import { EMPTY_CODE_HASH } from '../state/WorldState.ts'
import { createEvm } from './Evm.ts'
import { type EthereumFork, rulesOf } from './Fork.ts'
import type { Evm } from './Message.ts'

const SENDER: Hex = `0x${'5e'.repeat(20)}`
const CONTRACT: Hex = `0x${'c0'.repeat(20)}`
const MINER: Hex = `0x${'fe'.repeat(20)}`
const CODE_HASH: Hex = `0x${'cc'.repeat(32)}`

let evm: Evm
beforeAll(async () => {
  evm = await createEvm({ chainId: 1, crypto: plainCrypto })
})

async function runCode(code: string, fork: EthereumFork) {
  const state = createJournaledState({
    account: (address) =>
      address === CONTRACT
        ? { nonce: 1n, balance: 7n, codeHash: CODE_HASH, storage: undefined }
        : { nonce: 1n, balance: 10n ** 18n, codeHash: EMPTY_CODE_HASH, storage: undefined },
    storage: () => new Uint8Array(),
    code: () => Buffer.from(code, 'hex'),
  })
  state.beginTransaction()
  const block = {
    number: 5n,
    timestamp: 1n,
    feeRecipient: MINER,
    prevRandao: `0x${'00'.repeat(32)}` as const,
    gasLimit: 30_000_000n,
    baseFeePerGas: 7n,
    rules: rulesOf(fork),
    blockHash: () => undefined,
  }
  const message = {
    from: SENDER,
    to: CONTRACT,
    value: 0n,
    gas: 100_000n,
    gasPrice: 7n,
    accessList: [],
    warm: [],
  }
  const { gasUsed } = await evm.run(state, block, { ...message, data: new Uint8Array() })
  return { gasUsed, contract: state.account(CONTRACT) }
}

test('before Cancun any account that destroys itself is gone, from then on only a new one', async () => {
  const code = `73${SENDER.slice(2)}ff`
  expect((await runCode(code, 'shanghai')).contract).toBeUndefined()
  expect((await runCode(code, 'cancun')).contract).toMatchObject({ balance: 0n, codeHash: CODE_HASH })
})

test('the fee recipient is warm from Shanghai on', async () => {
  const code = `73${MINER.slice(2)}31`
  expect((await runCode(code, 'paris')).gasUsed).toBe(2603n)
  expect((await runCode(code, 'shanghai')).gasUsed).toBe(103n)
})
