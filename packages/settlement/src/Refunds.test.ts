import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, TransactionUnconfirmedError, TypedData } from '@openledger/protocol'
import { keccak256, type LocalAccount, toHex } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serve, TINY } from '../test/answering.ts'
import { type House, startHouse } from '../test/house.ts'
import type { RefundRequest } from './Refunds.ts'
import { createSettlement, type Settlement } from './Settlement.ts'

let house: House
let settlement: Settlement
const caller = DevelopmentKeys.account('caller')
const payer = caller.address.toLowerCase() as Hex

beforeAll(async () => {
  house = await startHouse(1)
  settlement = createSettlement(house)
  await house.senderOf('backer').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [payer],
    valueWei: Open.parse('1'),
  })
})
afterAll(() => house.close())

let nonces = 0
async function signed(
  amountWei: bigint,
  signer: LocalAccount = caller,
  deadline = Math.floor(Date.now() / 1000) + 600,
): Promise<RefundRequest> {
  const { l2ChainId, l2 } = house.deployment
  const nonce = keccak256(toHex(++nonces))
  const signature = await signer.signTypedData({
    domain: TypedData.contractDomain('OpenLedger Settlement', l2ChainId, l2.settlement),
    types: TypedData.refund,
    primaryType: 'Refund',
    message: { account: payer, amount: amountWei, nonce, deadline: BigInt(deadline) },
  })
  return { account: payer, amountWei, nonce, deadline, signature }
}
const wealth = () => house.publicClient.getBalance({ address: payer })

test('a refund pays what its payer signed for, at once and without gas, and only once', async () => {
  const before = await wealth()
  const request = await signed(Open.parse('0.25'))
  expect(await settlement.refunds.pay(request)).toMatch(/^0x/)
  expect(await wealth()).toBe(before + Open.parse('0.25'))
  expect(await settlement.accounts.balance(payer)).toEqual({
    prepaidWei: Open.parse('0.75'),
    heldWei: 0n,
    availableWei: Open.parse('0.75'),
  })
  await expect(settlement.refunds.pay(request)).rejects.toMatchObject({ errorName: 'SettlementNonceUsed' })
  expect((await settlement.accounts.balance(payer)).heldWei).toBe(0n)
})

test('a refund leaves what a running answer holds and what is not settled, and the answer goes on', async () => {
  const { availableWei } = await settlement.accounts.balance(payer)
  const { feeWei } = await serve(house, settlement, payer, [0], TINY)
  const hold = await settlement.accounts.hold({ account: payer, amountWei: 1_000n })
  const free = availableWei - BigInt(feeWei) - 1_000n
  await expect(settlement.refunds.pay(await signed(free + 1n))).rejects.toMatchObject({
    code: 'account.insufficient_balance',
  })
  await settlement.refunds.pay(await signed(free))
  expect(await settlement.accounts.balance(payer)).toMatchObject({ heldWei: BigInt(feeWei) + 1_000n })
  // a second one is refused, a running answer is not
  await expect(settlement.refunds.pay(await signed(1n))).rejects.toMatchObject({
    code: 'account.insufficient_balance',
  })
  await settlement.accounts.release(hold.id)
  await settlement.settler.settle()
  await settlement.refunds.pay(await signed(1_000n))
  expect((await settlement.accounts.balance(payer)).prepaidWei).toBe(0n)
})

test('a refund that another signed, or whose time is over, ties nothing up', async () => {
  await expect(
    settlement.refunds.pay(await signed(1n, DevelopmentKeys.account('backer'))),
  ).rejects.toMatchObject({ code: 'signature.invalid' })
  await expect(settlement.refunds.pay(await signed(1n, caller, 1_000))).rejects.toMatchObject({
    code: 'request.expired',
  })
  expect((await settlement.accounts.balance(payer)).heldWei).toBe(0n)
})

test('a refund that may still be paid keeps its money from answers', async () => {
  await house.senderOf('backer').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [payer],
    valueWei: 10n,
  })
  const unconfirmed = createSettlement({
    ...house,
    sender: {
      ...house.sender,
      send: () => Promise.reject(new TransactionUnconfirmedError(keccak256('0x01'), undefined)),
    },
  })
  await expect(unconfirmed.refunds.pay(await signed(7n))).rejects.toMatchObject({
    code: 'transaction.unconfirmed',
  })
  expect(await unconfirmed.accounts.balance(payer)).toMatchObject({ heldWei: 7n, availableWei: 3n })
})
