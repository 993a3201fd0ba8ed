import { CanonicalJson, type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, Http, TypedData } from '@openledger/protocol'
import { schema } from '@openledger/store'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiHouse, startApiHouse, URL_BASE } from '../../test/apiHouse.ts'

/** Words that stand in records and nowhere else: `library Module0Lib {}` and its neighbours. */
const PRIVATE = /Module\d/
const model = 'solidity-1'
const stranger = DevelopmentKeys.account('caller')
const ada = DevelopmentKeys.contributor(0)
let house: ApiHouse
let secret: string
let contributionId: Hex
let recordId: Hex
const bearer = () => ({ authorization: `Bearer ${secret}` })

beforeAll(async () => {
  house = await startApiHouse()
  const account = stranger.address.toLowerCase() as Hex
  await house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [account],
    valueWei: Open.parse('5'),
  })
  const limitWei = Open.parse('5')
  secret = (await house.settlement.apiKeys.create({ account, name: 'a', limitWei })).secret
  const { orm } = house.database
  await orm.update(schema.datanets).set({ licence: 'LicenseRef-Members' })
  await orm.update(schema.records).set({ verdict: 'accepted' })
  contributionId = house.contributionIds[0]!
  const records = await orm.select().from(schema.records)
  recordId = records.find((row) => row.contributionId === contributionId)!.id as Hex
  const asked = await house.post('/v1/completions', { model, prompt: 'write a token' }, bearer())
  expect(asked.status).toBe(200)
})
afterAll(() => house.close())

const signed = (signer: LocalAccount, datanetId = '1', seconds = 300) =>
  signedFor('readRecords', signer, { datanetId }, seconds)

const trainingRequest = (signer: LocalAccount, modelName = 'members-1') =>
  signedFor('createTrainingRun', signer, {
    modelName,
    datanets: [{ datanetId: '1', version: 1 }],
    config: {},
    inputPriceWei: '1',
    outputPriceWei: '1',
  })

async function signedFor(
  action: TypedData.Action,
  signer: LocalAccount,
  payload: CanonicalJson.Json,
  seconds = 300,
) {
  const deadline = Math.floor(Date.now() / 1_000) + seconds
  const signature = await signer.signTypedData({
    domain: TypedData.serverDomain(house.deployment.l2ChainId),
    types: TypedData.request,
    primaryType: 'Request',
    message: {
      action,
      payloadHash: CanonicalJson.hash(payload),
      account: signer.address,
      deadline: BigInt(deadline),
    },
  })
  return { payload, account: signer.address, deadline, signature }
}

describe('a stranger finds none of the text of a Datanet whose licence is not open', () => {
  test('at any route that is read, with every id filled in', async () => {
    const document = (await (await house.fetch(`${URL_BASE}/api/openapi.json`)).json()) as {
      paths: Record<string, Record<string, unknown>>
    }
    const [run] = await house.database.orm.select().from(schema.trainingRuns)
    const [block] = (await (await house.fetch(`${URL_BASE}/api/blocks`)).json()) as { number: number }[]
    const { transactionHash } = (await (
      await house.fetch(`${URL_BASE}/api/contributions/${contributionId}`)
    ).json()) as Http.ContributionDetail
    const idOf = { datanets: '1', contributions: contributionId, records: recordId, 'training-runs': run!.id }
    const known: Record<string, string> = {
      version: '1',
      name: model,
      format: 'peft',
      cid: run!.spansCid!,
      sequence: '1',
      address: ada.address,
      number: String(block!.number),
      hash: transactionHash,
    }
    const query: Record<string, string> = {
      '/api/training-estimate': '?datanets=1:1&epochs=1&batchSize=2',
      '/api/contributions': `?contributor=${ada.address}`,
      '/api/panel-duties': `?judge=${ada.address}`,
    }
    const read = Object.entries(document.paths).filter(([, methods]) => 'get' in methods)
    const answers: string[] = []
    for (const [path] of read) {
      const area = path.split('/')[2] as keyof typeof idOf
      const url = path.replace(/\{(\w+)\}/g, (_, name: string) =>
        name === 'id' ? idOf[area] : (known[name] ?? expect.unreachable(`${path} has {${name}}`)),
      )
      const response = await house.fetch(`${URL_BASE}${url}${query[path] ?? ''}`)
      const text = await response.text()
      expect(text, url).not.toMatch(PRIVATE)
      answers.push(`${response.status} ${path}`)
    }
    expect(answers.length).toBeGreaterThan(30)
    // what was refused was refused for what it holds, not for a wrong address
    expect(answers.filter((answer) => !answer.startsWith('200'))).toMatchInlineSnapshot(`
      [
        "409 /api/training-runs/{id}/publication",
        "403 /api/models/{name}/exports/{format}",
        "403 /api/models/{name}/files/{cid}",
      ]
    `)
  })

  test('by preparing a copy, naming its records in a prompt, or over MCP', async () => {
    const prepared = await house.post('/api/contributions/prepare', {
      datanetId: '1',
      licence: 'MIT',
      records: ['A record that shares nothing with what is there, to see what the warnings say.'],
    })
    expect(JSON.stringify(prepared.body)).not.toMatch(PRIVATE)
    for (const [path, body] of [
      ['/v1/completions', { prompt: 'Repeat.' }],
      ['/v1/chat/completions', { messages: [{ role: 'user', content: 'Repeat.' }] }],
      ['/v1/attributions', { prompt: 'Repeat.', text: 'contract' }],
    ] as const) {
      const answer = await house.post(path, { model, ...body, passages: [recordId] }, bearer())
      expect([path, answer.status, answer.body['error']]).toMatchObject([
        path,
        403,
        { code: 'passage.forbidden', param: 'passages' },
      ])
      expect(JSON.stringify(answer.body)).not.toMatch(PRIVATE)
    }
    const call = (name: string, args: object) =>
      house.fetch(`${URL_BASE}/mcp`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...bearer(),
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name, arguments: args },
        }),
      })
    const messages = [{ role: 'user', content: 'Repeat.' }]
    for (const [name, args] of [
      ['list_datanets', {}],
      ['get_model', { name: model }],
      ['get_receipt', { sequence: 1 }],
      ['chat', { model, messages, passages: [recordId] }],
    ] as const) {
      expect(await (await call(name, args)).text(), name).not.toMatch(PRIVATE)
    }
  })

  test('but its hashes, lengths, licence and the way to the texts', async () => {
    const path = `${URL_BASE}/api/contributions/${contributionId}`
    const detail = Http.contributionDetailSchema.parse(await (await house.fetch(path)).json())
    expect(detail).toMatchObject({ isOpen: false, licence: 'MIT', recordCount: 2 })
    expect(detail.access).toContain(`POST /api/contributions/${contributionId}/read`)
    expect(detail.records).toMatchObject([
      { id: recordId, text: null, characterCount: 'contract Module0 {}'.length, verdict: 'accepted' },
      { text: null, characterCount: 'library Module0Lib {}'.length },
    ])
  })
})

describe('texts that are not open are read by', () => {
  const records = `/api/datanets/1/versions/1/records`
  const textsOf = (body: unknown) =>
    Http.versionRecordSchema
      .array()
      .parse(body)
      .filter(({ text }) => text !== null).length

  test('their contributor, who signs: their own, and nobody else’s', async () => {
    const request = await signed(ada)
    const read = await house.post(`/api/contributions/${contributionId}/read`, request)
    const detail = Http.contributionDetailSchema.parse(read.body)
    expect(detail.records.map(({ text }) => text)).toEqual(['contract Module0 {}', 'library Module0Lib {}'])
    expect(detail.access).toBeNull()
    // one signature is good for all reads of the Datanet until its deadline
    expect(textsOf((await house.post(records, request)).body)).toBe(2)
    const other = await house.post(`/api/contributions/${house.contributionIds[1]}/read`, request)
    expect([other.status, other.body['code']]).toEqual([403, 'datanet.read_forbidden'])
  })

  test('the Datanet’s owner and the validators whom the owner named: all of them', async () => {
    expect(textsOf((await house.post(records, await signed(DevelopmentKeys.account('builder')))).body)).toBe(
      6,
    )
    const validator = DevelopmentKeys.account('validator')
    expect(textsOf((await house.post(records, await signed(validator))).body)).toBe(0)
    await house.senderOf('builder').send({
      address: house.deployment.l2.datanets,
      abi: Abi.datanetsAbi,
      functionName: 'addValidator',
      args: [1n, validator.address],
    })
    expect(textsOf((await house.post(records, await signed(validator))).body)).toBe(6)
  })

  test('who bought a licence, as long as it lasts; its fee is the contributors’, whom it pays when they ask', async () => {
    const buyer = DevelopmentKeys.account('caller')
    const registry = { address: house.deployment.l2.datanets, abi: Abi.datanetsAbi } as const
    const priceWei = Open.parse('3')
    await house.senderOf('builder').send({
      ...registry,
      functionName: 'setLicenceTerms',
      args: [1n, priceWei, 3_600n, 0, CanonicalJson.hash('terms')],
    })
    const run = await trainingRequest(buyer)
    const refused = await house.post('/api/training-runs', run)
    expect([refused.status, refused.body['code']]).toEqual([403, 'datanet.licence_required'])
    const readLicence = async (holder: string) => {
      const response = await house.fetch(`${URL_BASE}/api/datanets/1/licence?holder=${holder}`)
      return Http.datanetLicenceSchema.parse(await response.json())
    }
    const { terms, until } = await readLicence(buyer.address)
    expect([terms?.priceWei, until]).toEqual([priceWei.toString(), null])

    for (const id of house.contributionIds.slice(0, 2))
      await house.senderOf('validator').send({
        ...registry,
        functionName: 'recordVerdict',
        args: [id, CanonicalJson.hash('root'), 2, CanonicalJson.hash('reasons')],
      })
    await house.senderOf('caller').send({
      ...registry,
      functionName: 'buyLicence',
      args: [1n, terms!.version, buyer.address],
      valueWei: priceWei,
    })
    expect((await readLicence(buyer.address)).until).toBeGreaterThan(Date.now() / 1_000)
    expect(textsOf((await house.post(records, await signed(buyer))).body)).toBe(6)
    const passages = [recordId]
    const answer = await house.post('/v1/completions', { model, prompt: 'Repeat.', passages }, bearer())
    expect(answer.status).toBe(200)
    expect((await house.post('/api/training-runs', run)).body['status']).toBe('queued')
    // two records of each, out of four
    expect((await readLicence(ada.address)).owedWei).toBe((priceWei / 2n).toString())
    const before = await house.publicClient.getBalance({ address: ada.address })
    await house.senderOf('caller').send({
      ...registry,
      functionName: 'claimLicenceFees',
      args: [ada.address, [contributionId]],
    })
    expect((await house.publicClient.getBalance({ address: ada.address })) - before).toBe(priceWei / 2n)

    await house.database.orm.update(schema.datanets).set({ licence: 'MIT' })
    const anyone = DevelopmentKeys.contributor(9)
    expect((await house.post('/api/training-runs', await trainingRequest(anyone, 'open'))).status).toBe(200)
    await house.database.orm.update(schema.datanets).set({ licence: 'LicenseRef-Members' })
  })

  test('nobody who signed for another Datanet, too long ago, or with another’s name', async () => {
    const read = `/api/contributions/${contributionId}/read`
    const codeOf = async (request: object) => (await house.post(read, request)).body['code']
    expect(await codeOf(await signed(ada, '2'))).toBe('request.other_datanet')
    expect(await codeOf(await signed(ada, '1', -10))).toBe('request.expired')
    expect(await codeOf({ ...(await signed(stranger)), account: ada.address })).toBe('signature.invalid')
    expect(await codeOf(await signed(DevelopmentKeys.contributor(9)))).toBe('datanet.read_forbidden')
  })
})
