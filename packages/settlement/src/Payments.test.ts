import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys } from '@openledger/protocol'
import { schema } from '@openledger/store'
import { keccak256, type LocalAccount, parseEventLogs, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type House, startHouse } from '../test/house.ts'
import type { Authorization } from './Payments.ts'
import { createSettlement, type Settlement } from './Settlement.ts'

let house: House
let settlement: Settlement
let wallet: Hex
const PRICE_WEI = Open.parse('0.5')
const key = (account: LocalAccount): Hex => account.address.toLowerCase() as Hex
const caller = DevelopmentKeys.account('caller')
const session = DevelopmentKeys.account('agentSession')

beforeAll(async () => {
  house = await startHouse(1)
  settlement = createSettlement(house)
  const { wopen, agentWalletFactory, settlement: payee } = house.deployment.l2
  await house.senderOf('caller').send({
    address: wopen,
    abi: Abi.wopenAbi,
    functionName: 'deposit',
    args: [],
    valueWei: Open.parse('5'),
  })
  const owner = house.senderOf('agentOwner')
  const { logs } = await owner.send({
    address: agentWalletFactory,
    abi: Abi.agentWalletFactoryAbi,
    functionName: 'createWallet',
    args: [owner.account, keccak256('0x01')],
  })
  wallet = parseEventLogs({ abi: Abi.agentWalletFactoryAbi, logs })[0]!.args.wallet.toLowerCase() as Hex
  await owner.send({
    address: wallet,
    abi: Abi.agentWalletAbi,
    functionName: 'grantSession',
    args: [session.address, payee, PRICE_WEI, PRICE_WEI * 2n, 4_000_000_000n],
  })
  await house.mined(await house.wallet('agentOwner').sendTransaction({ to: wallet, value: Open.parse('5') }))
})
afterAll(() => house.close())

let nonces = 0
/** Signs what an x402 client signs for the scheme `exact`. */
async function authorize(
  signer: LocalAccount,
  from: Hex = key(signer),
  changes: Partial<Authorization> & { chainId?: number } = {},
): Promise<Authorization> {
  const { chainId = house.deployment.l2ChainId, ...fields } = changes
  const authorization = {
    from,
    to: house.deployment.l2.settlement,
    valueWei: PRICE_WEI,
    validAfter: 0n,
    validBefore: 4_000_000_000n,
    nonce: keccak256(toHex(++nonces)),
    ...fields,
  }
  const { valueWei: value, ...message } = authorization
  const signature = await signer.signTypedData({
    domain: { name: 'Wrapped OPEN', version: '1', chainId, verifyingContract: house.deployment.l2.wopen },
    types: {
      TransferWithAuthorization: [
        { name: 'from', type: 'address' },
        { name: 'to', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'validAfter', type: 'uint256' },
        { name: 'validBefore', type: 'uint256' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    primaryType: 'TransferWithAuthorization',
    message: { ...message, value },
  })
  return { ...authorization, signature }
}
const prepaidWei = async (account: Hex) => (await settlement.accounts.balance(account)).prepaidWei

describe('take', () => {
  test("moves a key's WOPEN into its prepaid balance, once", async () => {
    const authorization = await authorize(caller)
    const before = await prepaidWei(key(caller))
    expect(await settlement.payments.take(authorization, PRICE_WEI, '/v1/completions')).toMatch(/^0x/)
    expect(await prepaidWei(key(caller))).toBe(before + PRICE_WEI)
    await expect(settlement.payments.take(authorization, PRICE_WEI, '')).rejects.toMatchObject({
      code: 'payment.replayed',
    })
    expect(await prepaidWei(key(caller))).toBe(before + PRICE_WEI)
  })

  test('takes one of two copies that arrive together', async () => {
    const authorization = await authorize(caller)
    const before = await prepaidWei(key(caller))
    const copies = await Promise.allSettled(
      Array.from({ length: 3 }, () => settlement.payments.take(authorization, PRICE_WEI, '')),
    )
    expect(copies.filter((copy) => copy.status === 'fulfilled')).toHaveLength(1)
    expect(await prepaidWei(key(caller))).toBe(before + PRICE_WEI)
  })

  test.for([
    [
      'another payee',
      { to: DevelopmentKeys.account('voter').address.toLowerCase() as Hex },
      'payment.invalid',
    ],
    ['another amount', { valueWei: PRICE_WEI - 1n }, 'payment.invalid'],
    ['a time that is over', { validBefore: 1_000n }, 'payment.invalid'],
    ['a time to come', { validAfter: 3_900_000_000n }, 'payment.invalid'],
    ['another chain', { chainId: 1 }, 'payment.refused'],
  ] as const)('refuses %s and moves nothing', async ([, changes, code]) => {
    const before = await prepaidWei(key(caller))
    const authorization = await authorize(caller, key(caller), changes)
    await expect(settlement.payments.take(authorization, PRICE_WEI, '')).rejects.toMatchObject({ code })
    expect(await prepaidWei(key(caller))).toBe(before)
  })

  test('takes what the chain refused once it would accept it', async () => {
    const poor = DevelopmentKeys.account('voter')
    const authorization = await authorize(poor)
    await expect(settlement.payments.take(authorization, PRICE_WEI, '')).rejects.toMatchObject({
      code: 'payment.refused',
    })
    await house.senderOf('voter').send({
      address: house.deployment.l2.wopen,
      abi: Abi.wopenAbi,
      functionName: 'deposit',
      args: [],
      valueWei: PRICE_WEI,
    })
    await settlement.payments.take(authorization, PRICE_WEI, '')
    expect(await prepaidWei(key(poor))).toBe(PRICE_WEI)
  })

  test("pays from an agent's wallet by its session key until the limit stops it on chain", async () => {
    for (const paidWei of [PRICE_WEI, 2n * PRICE_WEI]) {
      await settlement.payments.take(await authorize(session, wallet), PRICE_WEI, '')
      expect(await prepaidWei(wallet)).toBe(paidWei)
    }
    await expect(
      settlement.payments.take(await authorize(session, wallet), PRICE_WEI, ''),
    ).rejects.toMatchObject({ code: 'payment.refused', reason: 'SessionLimitExceeded' })
    expect(await prepaidWei(wallet)).toBe(2n * PRICE_WEI)
    const rows = await house.database.orm.select().from(schema.payments)
    expect(rows.filter((row) => row.payer === wallet).map((row) => row.status)).toEqual([
      'settled',
      'settled',
      'failed',
    ])
  })
})
