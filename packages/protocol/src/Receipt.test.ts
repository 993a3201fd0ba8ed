import { recoverAddress } from 'viem'
import { expect, test } from 'vitest'
import * as DevelopmentKeys from './DevelopmentKeys.ts'
import * as Receipt from './Receipt.ts'

const hash = (digit: string) => `0x${digit.repeat(64)}` as const
const receipt: Receipt.Receipt = {
  sequence: 7n,
  previousHash: hash('1'),
  payer: `0x${'2'.repeat(40)}`,
  modelId: 3n,
  promptHash: hash('4'),
  answerHash: hash('5'),
  inputTokens: 12,
  outputTokens: 48,
  feeWei: 600n,
  splitVersion: 1,
  stakeVersion: 2,
  sharesRoot: hash('6'),
  attributionHash: hash('7'),
  inferenceCommitment: hash('8'),
  timestamp: 1_790_000_000n,
}
const domain = {
  name: 'OpenLedger',
  version: '1',
  chainId: 1,
  verifyingContract: `0x${'9'.repeat(40)}`,
} as const

test('whichever field of a signed receipt is altered, signature, chain of receipts and batch leaf no longer fit', async () => {
  const operator = DevelopmentKeys.account('operator')
  const signature = await operator.sign!({ hash: Receipt.digest(receipt, domain) })
  const signer = (altered: Receipt.Receipt) =>
    recoverAddress({ hash: Receipt.digest(altered, domain), signature })
  expect(await signer(receipt)).toBe(operator.address)
  for (const field of Object.keys(receipt) as (keyof Receipt.Receipt)[]) {
    const value = receipt[field]
    const other =
      typeof value === 'string'
        ? value.replace(/.$/, '0')
        : typeof value === 'bigint'
          ? value + 1n
          : value + 1
    const altered = { ...receipt, [field]: other } as Receipt.Receipt
    expect(await signer(altered), field).not.toBe(operator.address)
    expect(Receipt.hash(altered), field).not.toBe(Receipt.hash(receipt))
    expect(Receipt.leaf(altered, signature).hash, field).not.toEqual(Receipt.leaf(receipt, signature).hash)
  }
})
