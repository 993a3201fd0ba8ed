import type { Hex } from '@openledger/primitives'
import { createPublicClient, type EIP1193RequestFn, http, type PublicClient } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAnvil } from '../test/startAnvil.ts'
import * as DevelopmentKeys from './DevelopmentKeys.ts'
import { typedDataOf, VALIDITY_SECONDS_MAX, verifyRequest } from './SignedRequest.ts'

const CHAIN_ID = 161_200
const NOW = 1_800_000_000
const owner = DevelopmentKeys.account('builder')
const account = owner.address.toLowerCase() as Hex

let chain: Awaited<ReturnType<typeof startAnvil>>
let client: PublicClient
beforeAll(async () => {
  chain = await startAnvil()
  client = createPublicClient({ transport: http(chain.url) }) as PublicClient
})
afterAll(() => chain.close())

type Change = { account?: Hex; deadline?: number; chainId?: number }

async function signed(payload: { name: string }, change: Change = {}) {
  const request = { payload, account: change.account ?? account, deadline: change.deadline ?? NOW + 600 }
  const signature = await owner.signTypedData(
    typedDataOf('createApiKey', request, change.chainId ?? CHAIN_ID),
  )
  return { ...request, signature }
}
const verify = (request: Awaited<ReturnType<typeof signed>>) =>
  verifyRequest('createApiKey', request, { client, chainId: CHAIN_ID, nowSeconds: NOW })

describe('a request', () => {
  test('that its account signed is accepted under a digest of its own', async () => {
    const digest = await verify(await signed({ name: 'laptop' }))
    expect(digest).toMatch(/^0x[0-9a-f]{64}$/)
    expect(await verify(await signed({ name: 'laptop' }))).toBe(digest)
    expect(await verify(await signed({ name: 'phone' }))).not.toBe(digest)
    expect(await verify(await signed({ name: 'laptop' }, { deadline: NOW + 601 }))).not.toBe(digest)
  })

  test('does not depend on the order of its fields', async () => {
    const request = { account, deadline: NOW }
    expect(typedDataOf('createApiKey', { ...request, payload: { a: 1, b: 2 } }, 1)).toEqual(
      typedDataOf('createApiKey', { ...request, payload: { b: 2, a: 1 } }, 1),
    )
  })

  test('is refused after its deadline, and with one too far away', async () => {
    await expect(verify(await signed({ name: 'x' }, { deadline: NOW - 1 }))).rejects.toMatchObject({
      code: 'request.expired',
    })
    const deadline = NOW + VALIDITY_SECONDS_MAX + 1
    await expect(verify(await signed({ name: 'x' }, { deadline }))).rejects.toMatchObject({
      code: 'request.deadline',
    })
  })

  test('is refused when anything about it is not what was signed', async () => {
    const request = await signed({ name: 'x' })
    const invalid = { code: 'signature.invalid' }
    const other = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
    await expect(verify({ ...request, payload: { name: 'y' } })).rejects.toMatchObject(invalid)
    await expect(verify({ ...request, account: other })).rejects.toMatchObject(invalid)
    await expect(verify({ ...request, deadline: request.deadline + 1 })).rejects.toMatchObject(invalid)
    await expect(verify({ ...request, signature: '0x' })).rejects.toMatchObject(invalid)
    await expect(verify({ ...request, signature: `0x${'00'.repeat(65)}` })).rejects.toMatchObject(invalid)
    await expect(verify(await signed({ name: 'x' }, { chainId: 1 }))).rejects.toMatchObject(invalid)
    const context = { client, chainId: CHAIN_ID, nowSeconds: NOW }
    await expect(verifyRequest('revokeApiKey', request, context)).rejects.toMatchObject(invalid)
  })
})

describe('a wallet contract (ERC-1271)', () => {
  const wallet: Hex = `0x${'12'.repeat(20)}`
  const become = (code: Hex) =>
    (client.request as EIP1193RequestFn)({ method: 'anvil_setCode', params: [wallet, code] } as never)

  test.each([
    // return the magic value; the comments are the instructions of the yellow paper
    ['accepts', '0x631626ba7e60e01b60005260206000f3', true], // push4 magic, shl 224, mstore 0, return 32
    ['answers something else', '0x600160005260206000f3', false], // mstore(0, 1), return 32
    ['reverts', '0x60006000fd', false], // revert(0, 0)
    ['answers nothing', '0x00', false], // stop
  ] as const)('that %s', async (_name, code, isAccepted) => {
    await become(code)
    const request = await signed({ name: 'x' }, { account: wallet })
    if (isAccepted) expect(await verify(request)).toMatch(/^0x/)
    else await expect(verify(request)).rejects.toMatchObject({ code: 'signature.invalid' })
  })
})

test('a chain that cannot be reached is not taken for a refusal', async () => {
  const unreachable = createPublicClient({
    transport: http('http://127.0.0.1:9', { retryCount: 0 }),
  }) as PublicClient
  const request = await signed({ name: 'x' }, { account: `0x${'34'.repeat(20)}` })
  const context = { client: unreachable, chainId: CHAIN_ID, nowSeconds: NOW }
  await expect(verifyRequest('createApiKey', request, context)).rejects.not.toMatchObject({
    code: 'signature.invalid',
  })
})
