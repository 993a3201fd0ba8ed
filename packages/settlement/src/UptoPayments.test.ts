import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys } from '@openledger/protocol'
import { schema } from '@openledger/store'
import { type LocalAccount, parseSignature } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type House, startHouse } from '../test/house.ts'
import { installPermit2, PERMIT2, UPTO_PERMIT2_PROXY } from '../test/permit2.ts'
import { createSettlement, type Settlement } from './Settlement.ts'
import type { UptoAuthorization } from './UptoPayments.ts'

let house: House
let settlement: Settlement
const MAX_WEI = Open.parse('0.5')
const FEE_WEI = Open.parse('0.2')
const caller = DevelopmentKeys.account('caller')
const key = (account: LocalAccount): Hex => account.address.toLowerCase() as Hex
const wopen = () => ({ address: house.deployment.l2.wopen, abi: Abi.wopenAbi }) as const

beforeAll(async () => {
  house = await startHouse(1)
  settlement = createSettlement(house)
  await installPermit2(house.publicClient, house.deployment.l2ChainId)
  await wrap('caller', '5')
  await house
    .senderOf('caller')
    .send({ ...wopen(), functionName: 'approve', args: [PERMIT2, Open.parse('1000')] })
})
afterAll(() => house.close())

const wrap = (role: DevelopmentKeys.Role, amount: string) =>
  house.senderOf(role).send({ ...wopen(), functionName: 'deposit', args: [], valueWei: Open.parse(amount) })
const balanceOf = (account: Hex) =>
  house.publicClient.readContract({ ...wopen(), functionName: 'balanceOf', args: [account] })
const prepaidWei = async (account: Hex) => (await settlement.accounts.balance(account)).prepaidWei
const nowSeconds = () => BigInt(Math.floor(Date.now() / 1000))

type Signed = {
  chainId: number
  token: Hex
  spender: Hex
  to: Hex
  facilitator: Hex
  amount: bigint
}
let nonces = 0n
/** Signs what a client of x402's scheme `upto` signs; `signed` differs from what is handed in. */
async function authorize(
  signer: LocalAccount,
  changes: Partial<UptoAuthorization> = {},
  signed: Partial<Signed> = {},
): Promise<UptoAuthorization> {
  const { uptoPayments } = house.deployment.l2
  const authorization = {
    payer: key(signer),
    maxWei: MAX_WEI,
    nonce: ++nonces,
    validAfter: 0n,
    deadline: nowSeconds() + 600n,
    ...changes,
  }
  const { chainId, token, spender, to, facilitator, amount } = {
    chainId: house.deployment.l2ChainId,
    token: house.deployment.l2.wopen,
    spender: UPTO_PERMIT2_PROXY,
    to: uptoPayments,
    facilitator: uptoPayments,
    amount: authorization.maxWei,
    ...signed,
  }
  const signature = await signer.signTypedData({
    domain: { name: 'Permit2', chainId, verifyingContract: PERMIT2 },
    types: {
      PermitWitnessTransferFrom: [
        { name: 'permitted', type: 'TokenPermissions' },
        { name: 'spender', type: 'address' },
        { name: 'nonce', type: 'uint256' },
        { name: 'deadline', type: 'uint256' },
        { name: 'witness', type: 'Witness' },
      ],
      TokenPermissions: [
        { name: 'token', type: 'address' },
        { name: 'amount', type: 'uint256' },
      ],
      Witness: [
        { name: 'to', type: 'address' },
        { name: 'facilitator', type: 'address' },
        { name: 'validAfter', type: 'uint256' },
      ],
    },
    primaryType: 'PermitWitnessTransferFrom',
    message: {
      permitted: { token, amount },
      spender,
      nonce: authorization.nonce,
      deadline: authorization.deadline,
      witness: { to, facilitator, validAfter: authorization.validAfter },
    },
  })
  return { ...authorization, signature, ...(changes.signature && { signature: changes.signature }) }
}

const verify = (authorization: UptoAuthorization, requiredWei = MAX_WEI) =>
  settlement.uptoPayments.verify(authorization, requiredWei, '/v1/completions')

describe('a payment by upto', () => {
  test('moves the fee, and no more of the maximum, into the prepaid balance of its payer', async () => {
    const [wealth, before] = await Promise.all([balanceOf(key(caller)), prepaidWei(key(caller))])
    const payment = await verify(await authorize(caller))
    expect(await balanceOf(key(caller))).toBe(wealth)
    expect(await payment.take(FEE_WEI)).toMatch(/^0x/)
    expect(await balanceOf(key(caller))).toBe(wealth - FEE_WEI)
    expect(await prepaidWei(key(caller))).toBe(before + FEE_WEI)
    const { uptoPayments } = house.deployment.l2
    expect(await balanceOf(uptoPayments)).toBe(0n)
    expect(await house.publicClient.getBalance({ address: uptoPayments })).toBe(0n)
  })

  test('of nothing needs no transaction, and is over', async () => {
    const wealth = await balanceOf(key(caller))
    const authorization = await authorize(caller)
    expect(await (await verify(authorization)).take(0n)).toBeUndefined()
    expect(await balanceOf(key(caller))).toBe(wealth)
    await expect(verify(authorization)).rejects.toMatchObject({ code: 'payment.replayed' })
  })

  test('is taken once: not again, not beside itself, and not by another server', async () => {
    const authorization = await authorize(caller)
    const copies = await Promise.allSettled([1, 2, 3].map(() => verify(authorization)))
    const [first] = copies.flatMap((copy) => (copy.status === 'fulfilled' ? [copy.value] : []))
    expect(copies.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await first!.take(FEE_WEI)
    const wealth = await balanceOf(key(caller))
    await expect(verify(authorization)).rejects.toMatchObject({ code: 'payment.replayed' })
    await house.database.orm.delete(schema.payments)
    await expect(verify(authorization)).rejects.toMatchObject({ reason: 'InvalidNonce' })
    expect(await balanceOf(key(caller))).toBe(wealth)
  })

  test('that was given up can be shown again', async () => {
    const authorization = await authorize(caller)
    await (await verify(authorization)).drop()
    await (await verify(authorization)).take(1n)
  })

  test('is never more than was signed: neither here nor on chain', async () => {
    const authorization = await authorize(caller)
    const payment = await verify(authorization)
    await expect(payment.take(MAX_WEI + 1n)).rejects.toMatchObject({ code: 'payment.exceeded' })
    await payment.drop()
    await expect(take('operator', authorization, MAX_WEI + 1n)).rejects.toMatchObject({
      errorName: 'AmountExceedsPermitted',
    })
  })

  test('is taken by the operator alone, through its contract alone', async () => {
    const authorization = await authorize(caller)
    await expect(take('backer', authorization, MAX_WEI)).rejects.toMatchObject({
      errorName: 'UptoPaymentsNotOperator',
    })
    const { uptoPayments, wopen: token } = house.deployment.l2
    const direct = house.senderOf('operator').send({
      address: UPTO_PERMIT2_PROXY,
      abi: Abi.uptoPermit2ProxyAbi,
      functionName: 'settle',
      args: [
        {
          permitted: { token, amount: MAX_WEI },
          nonce: authorization.nonce,
          deadline: authorization.deadline,
        },
        MAX_WEI,
        authorization.payer,
        { to: uptoPayments, facilitator: uptoPayments, validAfter: 0n },
        authorization.signature,
      ],
    })
    await expect(direct).rejects.toMatchObject({ errorName: 'UnauthorizedFacilitator' })
  })

  const stranger = key(DevelopmentKeys.account('voter'))
  test.for<readonly [string, Partial<UptoAuthorization>, Partial<Signed>, object]>([
    ['for another amount', { maxWei: MAX_WEI - 1n }, {}, { code: 'payment.invalid' }],
    ['whose time is over', { deadline: 1_000n }, {}, { code: 'payment.invalid' }],
    ['without an end in sight', { deadline: 4_000_000_000n }, {}, { code: 'payment.invalid' }],
    ['whose time is to come', { validAfter: 3_900_000_000n }, {}, { code: 'payment.invalid' }],
    ['of another payer', { payer: stranger }, {}, { code: 'payment.permit2_allowance' }],
    ['signed for less', {}, { amount: 1n }, { reason: 'InvalidSigner' }],
    ['signed for another recipient', {}, { to: stranger }, { reason: 'InvalidSigner' }],
    ['signed for another facilitator', {}, { facilitator: stranger }, { reason: 'InvalidSigner' }],
    ['signed for another spender', {}, { spender: stranger }, { reason: 'InvalidSigner' }],
    ['signed for another token', {}, { token: stranger }, { reason: 'InvalidSigner' }],
    ['signed for another chain', {}, { chainId: 1 }, { reason: 'InvalidSigner' }],
    ['that nobody signed', { signature: `0x${'11'.repeat(65)}` }, {}, { code: 'payment.refused' }],
  ])('%s is refused before anything is made for it', async ([, changes, signed, error]) => {
    const wealth = await balanceOf(key(caller))
    await expect(verify(await authorize(caller, changes, signed))).rejects.toMatchObject(error)
    expect(await balanceOf(key(caller))).toBe(wealth)
  })

  test('that is overtaken by its payer moves nothing and says why', async () => {
    const mover = DevelopmentKeys.account('backer')
    await wrap('backer', '0.5')
    const send = house.senderOf('backer')
    await send.send({ ...wopen(), functionName: 'approve', args: [PERMIT2, MAX_WEI] })
    const payment = await verify(await authorize(mover))
    await send.send({ ...wopen(), functionName: 'transfer', args: [key(caller), MAX_WEI] })
    await expect(payment.take(FEE_WEI)).rejects.toMatchObject({ code: 'payment.refused' })
    expect(await prepaidWei(key(mover))).toBe(0n)
  })

  test('does not promise the same WOPEN twice', async () => {
    const poor = DevelopmentKeys.account('agentOwner')
    await wrap('agentOwner', '0.7')
    await house
      .senderOf('agentOwner')
      .send({ ...wopen(), functionName: 'approve', args: [PERMIT2, Open.parse('9')] })
    // at the same moment, so that neither can see the other when it begins
    const both = await Promise.allSettled([verify(await authorize(poor)), verify(await authorize(poor))])
    const [first] = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const refusals = both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(refusals).toMatchObject([{ code: 'payment.invalid' }])
    await expect(verify(await authorize(poor))).rejects.toMatchObject({ code: 'payment.invalid' })
    await first!.drop()
    await (await verify(await authorize(poor))).take(MAX_WEI)
    expect(await prepaidWei(key(poor))).toBe(MAX_WEI)
  })

  test('of a payer without gas brings its permit for Permit2 along', async () => {
    const poor = DevelopmentKeys.account('voter')
    // the only transaction that the payer is in: somebody sends WOPEN
    await house
      .senderOf('caller')
      .send({ ...wopen(), functionName: 'transfer', args: [poor.address, MAX_WEI] })
    const authorization = await authorize(poor)
    await expect(verify(authorization)).rejects.toMatchObject({ code: 'payment.permit2_allowance' })
    const permit = await permitOf(poor, authorization.deadline)
    expect(parseSignature(permit.signature).r).toMatch(/^0x/)
    await (await verify({ ...authorization, permit })).take(FEE_WEI)
    expect(await prepaidWei(key(poor))).toBe(FEE_WEI)
    expect(await balanceOf(key(poor))).toBe(MAX_WEI - FEE_WEI)
  })
})

const take = (role: DevelopmentKeys.Role, authorization: UptoAuthorization, amountWei: bigint) =>
  house.senderOf(role).send({
    address: house.deployment.l2.uptoPayments,
    abi: Abi.uptoPaymentsAbi,
    functionName: 'take',
    args: [authorization, amountWei],
  })

async function permitOf(owner: LocalAccount, deadline: bigint) {
  const nonce = await house.publicClient.readContract({
    ...wopen(),
    functionName: 'nonces',
    args: [owner.address],
  })
  const { l2ChainId, l2 } = house.deployment
  const signature = await owner.signTypedData({
    domain: { name: 'Wrapped OPEN', version: '1', chainId: l2ChainId, verifyingContract: l2.wopen },
    types: {
      Permit: [
        { name: 'owner', type: 'address' },
        { name: 'spender', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'nonce', type: 'uint256' },
        { name: 'deadline', type: 'uint256' },
      ],
    },
    primaryType: 'Permit',
    message: { owner: owner.address, spender: PERMIT2, value: MAX_WEI, nonce, deadline },
  })
  return { deadline, signature }
}
