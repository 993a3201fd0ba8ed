import { readFileSync } from 'node:fs'
import { CanonicalJson, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, TypedData } from '@openledger/protocol'
import { signerOf } from '@openledger/sdk'
import { claimCall } from '@openledger/settlement'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { access, ask, caller, lower, post, settled, type Visit, visit } from './People.ts'

const stranger = DevelopmentKeys.contributor(41)

describe('bad input is refused with what was expected, and changes nothing', () => {
  let house: Visit
  let secret: string

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
    secret = await access(house, caller)
  })

  /** What must be the same afterwards. */
  const state = async () => {
    const { client } = house
    return {
      datanets: (await client.datanets()).map(({ id, version }) => [id, version]),
      contributions: (await client.contributions()).length,
      runs: (await client.trainingRuns()).length,
      models: (await client.models()).length,
      keys: (await client.apiKeys(caller.address)).length,
      receipts: (await client.receipts({ limit: 1 }))[0]?.sequence,
      caller: await client.account(caller.address),
    }
  }

  async function expectRefused(
    refused: Promise<{ status: number; text: string }>,
    status: number,
    code: string,
  ) {
    const { status: got, text } = await refused
    expect({ got, text: text.slice(0, 300) }).toMatchObject({ got: status })
    expect(text).toContain(code)
  }

  const contribution = async (records: string[], chainId = house.deployment.l2ChainId, signAs = stranger) => {
    const content = { datanetId: '1', licence: 'MIT', records }
    const prepared = await house.client.prepareContribution(content)
    const deadline = Math.floor(Date.now() / 1000) + 300
    const signature = await signerOf(signAs).signTypedData({
      domain: TypedData.contractDomain('OpenLedger Datanets', chainId, house.deployment.l2.datanets),
      types: TypedData.contribution,
      primaryType: 'Contribution',
      message: {
        datanetId: 1n,
        recordsRoot: prepared.recordsRoot,
        recordCount: prepared.recordCount,
        contentHash: prepared.contentHash,
        licence: 'MIT',
        contributor: stranger.address,
        deadline: BigInt(deadline),
      },
    })
    return { ...content, title: 'Refused', contributor: stranger.address, deadline, signature }
  }

  test('a contribution under another one’s signature', async () => {
    const before = await state()
    const body = await contribution(
      ['A record that nobody has signed for.'],
      undefined,
      DevelopmentKeys.contributor(42),
    )
    await expectRefused(post(house.url, '/api/contributions', body), 401, 'signature.invalid')
    expect(await state()).toEqual(before)
  })

  test('a contribution signed for another chain', async () => {
    const before = await state()
    const body = await contribution(['A record for another chain altogether.'], 1)
    await expectRefused(post(house.url, '/api/contributions', body), 401, 'contribution.wrong_chain')
    expect(await state()).toEqual(before)
  })

  test('a record that is too large, and one that is not text', async () => {
    const before = await state()
    const prepare = (records: string[]) =>
      post(house.url, '/api/contributions/prepare', { datanetId: '1', licence: 'MIT', records })
    await expectRefused(prepare(['x'.repeat(20_000)]), 413, 'contribution.size')
    await expectRefused(prepare([`binary \u0000\u0001 inside`]), 400, 'contribution.not_text')
    expect(await state()).toEqual(before)
  })

  test('a body that is too large, and one that is not JSON', async () => {
    await expectRefused(
      post(house.url, '/v1/completions', `{"prompt":"${'x'.repeat(9_000_000)}"}`),
      413,
      'too_large',
    )
    await expectRefused(post(house.url, '/v1/completions', '{"prompt": '), 400, 'json')
    await expectRefused(post(house.url, '/api/training-runs', 'not json'), 400, 'json')
  })

  test('a model that nobody published', async () => {
    const before = await state()
    const authorization = `Bearer ${secret}`
    const body = { model: 'no-such-model', prompt: 'a', max_tokens: 4 }
    await expectRefused(post(house.url, '/v1/completions', body, { authorization }), 404, 'model')
    expect(await state()).toEqual(before)
  })

  test('a request that nobody pays for is told the price', async () => {
    const before = await state()
    const body = { model: 'solidity-1', prompt: 'contract', max_tokens: 4 }
    const response = await fetch(`${house.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    expect(response.status).toBe(402)
    expect(response.headers.get('payment-required')).not.toBeNull()
    expect(await state()).toEqual(before)
  })

  test('a request that the account cannot afford', async () => {
    const poor = DevelopmentKeys.contributor(43)
    const key = await house.client.createApiKey(
      { name: 'poor', limitWei: Open.ONE.toString() },
      signerOf(poor),
    )
    const body = { model: 'solidity-1', prompt: 'contract', max_tokens: 4 }
    await expectRefused(
      post(house.url, '/v1/completions', body, { authorization: `Bearer ${key.secret}` }),
      402,
      'balance',
    )
  })

  test('a signed request that was carried out before', async () => {
    const payload = { name: 'once', limitWei: '1' }
    const deadline = Math.floor(Date.now() / 1000) + 300
    const signature = await signerOf(caller).signTypedData({
      domain: TypedData.serverDomain(house.deployment.l2ChainId),
      types: TypedData.request,
      primaryType: 'Request',
      message: {
        action: 'createApiKey',
        payloadHash: CanonicalJson.hash(payload),
        account: caller.address,
        deadline: BigInt(deadline),
      },
    })
    const body = { payload, account: caller.address, deadline, signature }
    expect((await post(house.url, '/api/api-keys', body)).status).toBe(200)
    const before = await state()
    await expectRefused(post(house.url, '/api/api-keys', body), 409, 'request.replayed')
    expect(await state()).toEqual(before)
  })

  test('a receipt settled twice, and one settled by someone who is not the operator', async () => {
    const { receipt } = await ask(house, secret, {
      model: 'solidity-1',
      prompt: 'contract Twice {',
      max_tokens: 4,
    })
    const { settlementTransaction } = await settled(house, receipt.sequence)
    const { input } = await house.l2.getTransaction({ hash: settlementTransaction! })
    const send = (role: 'operator' | 'caller') =>
      house.l2.call({
        account: DevelopmentKeys.account(role),
        to: house.deployment.l2.settlement,
        data: input,
      })
    await expect(send('operator')).rejects.toThrow(/SettlementSequenceMismatch|reverted/)
    await expect(send('caller')).rejects.toThrow(/SettlementNotOperator|reverted/)
  })

  test('a claim made twice', async () => {
    const { receipt } = await ask(house, secret, {
      model: 'solidity-1',
      prompt: 'contract Claim is ERC20 {\n    function transfer(',
      max_tokens: 32,
    })
    await settled(house, receipt.sequence)
    const { beneficiary } = receipt.attribution.shares[0] ?? receipt.attribution.commons
    const proof = await house.client.claimProof(beneficiary)
    await house.client.claim(beneficiary)
    const call = claimCall(proof)
    if (call.functionName !== 'claim') throw new Error('Expected nothing that is disputed.')
    const again = house.l2.simulateContract({
      address: house.deployment.l2.settlement,
      abi: Abi.settlementAbi,
      ...call,
      account: caller,
    })
    await expect(again).rejects.toThrow(/SettlementNothingToClaim|SettlementInvalidProof/)
    await expectRefused(
      post(house.url, '/api/claims', { account: lower(beneficiary) }),
      409,
      'nothing_to_claim',
    )
  })

  test('a transaction for another chain', async () => {
    const raw = await stranger.signTransaction({
      type: 'eip1559',
      chainId: 1,
      nonce: 0,
      gas: 21_000n,
      maxFeePerGas: 10n ** 10n,
      to: caller.address,
      value: 1n,
    })
    await expect(house.l2.sendRawTransaction({ serializedTransaction: raw })).rejects.toThrow(/chain/i)
  })

  test('no secret of a key is kept in the log', () => {
    expect(readFileSync(`${inject('houseDirectory')}/server.log`, 'utf8')).not.toContain(secret)
  })
})
