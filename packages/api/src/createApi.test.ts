import { readFile } from 'node:fs/promises'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Adapter, CheckpointFolder, encodeWeights } from '@openledger/model'
import { Bytes, CanonicalJson, type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, Http, TypedData } from '@openledger/protocol'
import { cidOf, eq, schema } from '@openledger/store'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiHouse, baseDirectory, startApiHouse, URL_BASE } from '../test/apiHouse.ts'

let house: ApiHouse
const caller = DevelopmentKeys.account('caller')
const builder = DevelopmentKeys.account('builder')
const callerAddress = caller.address.toLowerCase() as Hex
const model = 'solidity-1'

beforeAll(async () => {
  house = await startApiHouse()
  await house.senderOf('caller').send({
    address: house.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [callerAddress],
    valueWei: Open.parse('5'),
  })
})
afterAll(() => house.close())

async function get<T>(path: string): Promise<T> {
  const response = await house.fetch(`${URL_BASE}${path}`)
  const body = await response.json()
  expect({ path, status: response.status, body: response.ok || body }).toMatchObject({ status: 200 })
  return body as T
}

/** Signs a request as a wallet does. */
async function signed(
  action: TypedData.Action,
  payload: CanonicalJson.Json,
  changes: { signer?: LocalAccount; account?: Hex; chainId?: number; seconds?: number } = {},
) {
  const { signer = caller, account = caller.address } = changes
  const { chainId = house.deployment.l2ChainId, seconds = 300 } = changes
  const deadline = Math.floor(Date.now() / 1000) + seconds
  const signature = await signer.signTypedData({
    domain: TypedData.serverDomain(chainId),
    types: TypedData.request,
    primaryType: 'Request',
    message: {
      action,
      payloadHash: CanonicalJson.hash(payload),
      account,
      deadline: BigInt(deadline),
    },
  })
  return { payload, account, deadline, signature }
}

/** Asks for the archive of a model that `signer` says to own. */
async function exportFor(signer: LocalAccount, name: string, format: Http.ExportFormat): Promise<Response> {
  const request = await signed('exportModel', { name, format }, { signer, account: signer.address })
  return house.fetch(`${URL_BASE}/api/models/exports`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
}

const keyPayload = (name: string) => ({ name, limitWei: Open.parse('5').toString() })
const createKey = async (name: string): Promise<string> => {
  const { body } = await house.post('/api/api-keys', await signed('createApiKey', keyPayload(name)))
  return Http.createdApiKeySchema.parse(body).secret
}

describe('what an auditor needs', () => {
  const statusOf = async (path: string) => {
    const response = await house.fetch(`${URL_BASE}${path}`)
    return {
      status: response.status,
      code: response.ok ? '' : Http.problemSchema.parse(await response.json()).code,
    }
  }

  test('is a receipt’s evidence under the name that the receipt gives it', async () => {
    const secret = await createKey('evidence')
    const asked = await house.post(
      '/v1/completions',
      { model, prompt: 'write a token' },
      { authorization: `Bearer ${secret}` },
    )
    const { receipt } = Http.answerExtensionSchema.parse(asked.body['openledger'])
    const response = await house.fetch(`${URL_BASE}/api/receipts/${receipt.sequence}/evidence`)
    expect(cidOf(new Uint8Array(await response.arrayBuffer()))).toBe(receipt.attribution.evidenceCid)
    expect(await statusOf('/api/receipts/9999/evidence')).toMatchObject({ status: 404 })
    // the house shows the evidence that it was asked with
    const shown = Http.shownSpansSchema.parse(await get(`/api/receipts/${receipt.sequence}/spans`))
    expect(cidOf(Bytes.fromHex(shown.commitment))).toBe(receipt.attribution.evidenceCid)
    expect(await statusOf('/api/receipts/9999/spans')).toMatchObject({ status: 404 })
  })

  test('is a model’s files by CID, and only where licences let anyone have them', async () => {
    const { orm } = house.database
    const bytes = new TextEncoder().encode('an index')
    const influenceCid = await house.blobs.put(bytes)
    await orm.update(schema.trainingRuns).set({ influenceCid, baseHash: CanonicalJson.hash('base') })
    const facts = Http.modelAttributionSchema.parse(await get(`/api/models/${model}/attribution`))
    expect(facts).toMatchObject({ influenceCid, isOpen: true, licences: ['MIT'] })
    const file = `/api/models/${model}/files/${influenceCid}`
    const response = await house.fetch(`${URL_BASE}${file}`)
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes)
    const another = await house.blobs.put(new TextEncoder().encode('of nobody'))
    expect(await statusOf(`/api/models/${model}/files/${another}`)).toEqual({
      status: 404,
      code: 'model.file_not_found',
    })
    await orm.update(schema.datanets).set({ licence: 'Proprietary' })
    expect(await statusOf(file)).toEqual({ status: 403, code: 'model.files_forbidden' })
    await orm.update(schema.datanets).set({ licence: 'MIT' })
  })

  test('is a model in the forms that others read, for its owner alone where licences are not open', async () => {
    const { orm } = house.database
    const adapter = Adapter.create(await CheckpointFolder.readConfig(baseDirectory), {
      rank: 1,
      alpha: 1,
      targets: ['q_proj'],
      seed: 1,
    })
    await orm.update(schema.trainingRuns).set({ adapterHash: adapter.hash })
    const names = { peft: 'adapter_model.safetensors', merged: 'model.safetensors', onnx: 'onnx/model.onnx' }
    for (const [format, file] of Object.entries({ ...names, gguf: `${model}.gguf` })) {
      const response = await house.fetch(`${URL_BASE}/api/models/${model}/exports/${format}`)
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/zip'])
      const archive = Buffer.from(await response.arrayBuffer())
      expect(archive.subarray(0, 4).toString('latin1')).toBe('PK\u0003\u0004')
      for (const each of ['README.md', file]) expect(archive.includes(each), each).toBe(true)
    }
    expect(await statusOf(`/api/models/${model}/exports/png`)).toMatchObject({ status: 400 })
    expect(await statusOf('/api/models/nobody/exports/peft')).toMatchObject({ status: 404 })

    await orm.update(schema.datanets).set({ licence: 'Proprietary' })
    const forbidden = { status: 403, code: 'model.files_forbidden' }
    expect(await statusOf(`/api/models/${model}/exports/peft`)).toEqual(forbidden)
    const askedBy = async (signer: LocalAccount) => (await exportFor(signer, model, 'peft')).status
    expect(await askedBy(caller)).toBe(403)
    expect(await askedBy(builder)).toBe(200)
    await orm.update(schema.datanets).set({ licence: 'MIT' })
  })

  test('that all weights were trained of is handed to its owner, once its gate is passed, and never published', async () => {
    const { orm } = house.database
    const base = await CheckpointFolder.read(baseDirectory)
    const weightsCid = await house.blobs.put(encodeWeights(base.config, base.weights, 'F32'))
    const run = {
      id: 'whole',
      modelName: 'whole-1',
      owner: builder.address.toLowerCase(),
      datanets: [{ datanetId: '1', version: 1 }],
      config: Http.trainingConfigSchema.parse({ method: 'full', gate: 'base' }),
      inputPriceWei: 0n,
      outputPriceWei: 0n,
      influenceBps: 0,
      status: 'trained' as const,
      weightsCid,
      weightsHash: base.baseHash,
      baseHash: base.baseHash,
      testLoss: 2.5,
      baseTestLoss: 2,
    }
    await orm.insert(schema.trainingRuns).values(run)
    const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code
    expect(await codeOf(await exportFor(builder, 'whole-1', 'merged'))).toBe('training_run.gate_closed')
    await orm.update(schema.trainingRuns).set({ testLoss: 1.5 }).where(eq(schema.trainingRuns.id, 'whole'))
    expect(await codeOf(await exportFor(caller, 'whole-1', 'merged'))).toBe('model.not_owner')
    expect(await codeOf(await exportFor(builder, 'whole-1', 'peft'))).toBe('export.no_adapter')
    const response = await exportFor(builder, 'whole-1', 'merged')
    const archive = Buffer.from(await response.arrayBuffer())
    for (const each of ['README.md', 'model.safetensors', 'tokenizer.json'])
      expect(archive.includes(each), each).toBe(true)
    expect(archive.includes('no answer of it is attributed')).toBe(true)
    expect(await statusOf('/api/training-runs/whole/publication')).toEqual({
      status: 409,
      code: 'training_run.whole_model',
    })
    await orm.delete(schema.trainingRuns).where(eq(schema.trainingRuns.id, 'whole'))
  })
})

describe('every route', () => {
  test('answers in the shape that the protocol names', async () => {
    const secret = await createKey('shapes')
    const asked = await house.post(
      '/v1/completions',
      { model, prompt: 'write a token' },
      { authorization: `Bearer ${secret}` },
    )
    expect(asked.status).toBe(200)
    await house.settlement.settler.settle()
    const contributor = DevelopmentKeys.contributor(0).address
    expect(Http.networkSchema.parse(await get('/api/network')).split.version).toBe(1)
    expect(Http.seedSchema.parse(await get('/api/seed')).done).toBe(true)
    const [datanet] = Http.datanetSchema.array().parse(await get('/api/datanets'))
    expect(Http.datanetSchema.parse(await get('/api/datanets/1'))).toEqual(datanet)
    expect(Http.datanetVersionSchema.array().parse(await get('/api/datanets/1/versions'))).toHaveLength(1)
    const mine = `/api/contributions?datanetId=1&contributor=${contributor}`
    const [contribution] = Http.contributionSchema.array().parse(await get(mine))
    const detail = await get(`/api/contributions/${contribution!.id}`)
    expect(Http.contributionDetailSchema.parse(detail).records).toHaveLength(2)
    const [run] = Http.trainingRunSchema.array().parse(await get('/api/training-runs'))
    expect(Http.trainingRunSchema.parse(await get(`/api/training-runs/${run!.id}`))).toEqual(run)
    Http.metricSchema.array().parse(await get(`/api/training-runs/${run!.id}/metrics`))
    const records = Http.versionRecordSchema.array().parse(await get('/api/datanets/1/versions/1/records'))
    expect(records).toHaveLength(datanet!.recordCount)
    const estimate = Http.trainingEstimateSchema.parse(
      await get('/api/training-estimate?datanets=1:1&epochs=2&batchSize=2'),
    )
    expect(estimate.recordCount).toBe(records.length)
    expect(estimate.samples[0]!.tokens.map(({ text }) => text).join('')).toContain(
      records[0]!.text!.slice(0, 20),
    )
    const [published] = Http.modelSchema.array().parse(await get('/api/models'))
    expect(Http.modelSchema.parse(await get(`/api/models/${model}`))).toEqual(published)
    const account = Http.accountSchema.parse(await get(`/api/accounts/${caller.address}`))
    expect(BigInt(account.prepaidWei) - BigInt(account.heldWei)).toBe(BigInt(account.availableWei))
    expect(
      Http.apiKeySchema.array().parse(await get(`/api/accounts/${caller.address}/api-keys`)),
    ).toHaveLength(2)
    const [receipt] = Http.receiptSchema
      .array()
      .parse(await get(`/api/receipts?payer=${caller.address}&limit=1`))
    expect(Http.receiptSchema.parse(await get(`/api/receipts/${receipt!.sequence}`))).toEqual(receipt)
    const earnings = Http.earningsSchema.parse(await get(`/api/earnings/${contributor}`))
    expect(BigInt(earnings.claimableWei)).toBeGreaterThan(0n)
    Http.claimProofSchema.parse(await get(`/api/earnings/${contributor}/proof`))
    const claimed = Http.claimedSchema.parse((await house.post('/api/claims', { account: contributor })).body)
    expect(claimed.amountWei).toBe(earnings.claimableWei)
    const transaction = Http.transactionSchema.parse(
      await get(`/api/transactions/${claimed.transactionHash}`),
    )
    expect(transaction.summary).toMatch(/^Paid the earnings of 0x/)
    expect(transaction.events).toContainEqual({
      contract: 'Settlement',
      name: 'Claimed',
      arguments: { account: contributor, amount: claimed.amountWei },
    })
    const block = Http.blockDetailSchema.parse(await get(`/api/blocks/${transaction.blockNumber}`))
    expect(block.transactions.map(({ hash }) => hash)).toContain(claimed.transactionHash)
    expect(Http.blockDetailSchema.parse(await get(`/api/blocks/${block.hash}`)).number).toBe(block.number)
    const blocks = Http.blockSchema.array().parse(await get('/api/blocks?limit=3'))
    expect(blocks.map(({ number }) => number)).toEqual([0, 1, 2].map((i) => blocks[0]!.number - i))
    Http.agentSchema.array().parse(await get('/api/agents'))
  })

  test('is in the OpenAPI document', async () => {
    const document = await get<{ openapi: string; paths: Record<string, unknown> }>('/api/openapi.json')
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/chat/completions', '/api/contributions/{id}', '/api/claims']),
    )
    expect(JSON.stringify(document)).not.toContain('undefined')
  })

  test('is in the written documentation, and the documentation names no other', async () => {
    const { paths } = await get<{ paths: Record<string, object> }>('/api/openapi.json')
    const written = await readFile(new URL('../../../docs/api.md', import.meta.url), 'utf8')
    const named = [...written.matchAll(/^\| `(GET|POST) (\S+)` \|/gm)].map(
      ([, method, path]) => `${method} ${path}`,
    )
    const served = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(named.toSorted()).toEqual(served.toSorted())
  })

  test('tells its health and its numbers', async () => {
    expect(await get('/health')).toMatchObject({ status: 'ok', settler: { state: 'idle' } })
    const metrics = await (await house.fetch(`${URL_BASE}/metrics`)).text()
    expect(metrics).toMatch(/openledger_answers_total [1-9]/)
    expect(metrics).toContain('route="/api/receipts/:sequence"')
  })
})

describe('bad input', () => {
  const problem = (status: number, code: string) =>
    expect.objectContaining({ status, body: expect.objectContaining({ status, code }) })
  const keyCount = async () => (await house.settlement.apiKeys.list(callerAddress)).length

  test('is answered by a problem document that says what to do', async () => {
    const response = await house.fetch(`${URL_BASE}/api/receipts/999`)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toEqual({
      type: 'urn:openledger:error:receipt.not_found',
      title: 'Not found',
      status: 404,
      code: 'receipt.not_found',
      context: { sequence: 999 },
      detail: 'Expected the sequence of a receipt, 1 for the first, but there is no receipt 999.',
    })
  })

  test.for([
    ['/api/nothing', 404, 'route.not_found'],
    ['/api/blocks/99999999', 404, 'block.not_found'],
    ['/api/blocks/-1', 400, 'request.invalid'],
    [`/api/transactions/0x${'00'.repeat(32)}`, 404, 'transaction.not_found'],
    ['/api/accounts/0x12', 400, 'request.invalid'],
    ['/api/receipts?limit=1000000', 400, 'request.invalid'],
    ['/api/datanets/7', 404, 'datanet.not_found'],
    ['/api/models/nobody', 404, 'model.not_found'],
    ['/api/training-runs/nobody', 404, 'training_run.not_found'],
    [`/api/earnings/0x${'77'.repeat(20)}/proof`, 404, 'ledger.no_line'],
  ] as const)('%s is refused with %i %s', async ([path, status, code]) => {
    const response = await house.fetch(`${URL_BASE}${path}`)
    expect({ status: response.status, body: await response.json() }).toEqual(problem(status, code))
  })

  test('that is no JSON, another media type, or too long changes nothing', async () => {
    const before = await keyCount()
    expect(await house.post('/api/api-keys', '{"payload":')).toEqual(problem(400, 'request.malformed_json'))
    expect(await house.post('/api/api-keys', 'a=1', { 'content-type': 'text/plain' })).toEqual(
      problem(415, 'request.media_type'),
    )
    const long = { ...(await signed('createApiKey', keyPayload('x'))), more: 'x'.repeat(2_000_000) }
    expect(await house.post('/api/api-keys', long)).toEqual(problem(413, 'request.too_large'))
    expect(await keyCount()).toBe(before)
  })

  test.for([
    ['signed by another', { signer: DevelopmentKeys.account('voter') }, 401, 'signature.invalid'],
    ['for another chain', { chainId: 1 }, 401, 'signature.invalid'],
    ['that has run out', { seconds: -1 }, 401, 'request.expired'],
    ['that is good for too long', { seconds: 10_000_000 }, 400, 'request.deadline'],
  ] as const)('a request %s changes nothing', async ([, changes, status, code]) => {
    const before = await keyCount()
    const request = await signed('createApiKey', keyPayload('bad'), changes)
    expect(await house.post('/api/api-keys', request)).toEqual(problem(status, code))
    expect(await keyCount()).toBe(before)
  })

  test.for([
    ['a judge where there is none', { isJudged: true }, 'training.judge_missing'],
    [
      'a check that cannot be carried out',
      { checks: [{ kind: 'matches', pattern: '(a)\\1' }] },
      'training.check',
    ],
  ] as const)('a training run that asks for %s is refused', async ([, config, code]) => {
    const datanets = [{ datanetId: '1', version: 1 }]
    const run = { modelName: 'judged-1', datanets, config, inputPriceWei: '1', outputPriceWei: '1' }
    const request = await signed('createTrainingRun', run as unknown as CanonicalJson.Json)
    expect(await house.post('/api/training-runs', request)).toEqual(problem(400, code))
  })

  test('a request changed after it was signed, or asking for something else, changes nothing', async () => {
    const before = await keyCount()
    const request = await signed('createApiKey', keyPayload('honest'))
    const changed = { ...request, payload: { ...keyPayload('honest'), limitWei: '9'.repeat(30) } }
    expect(await house.post('/api/api-keys', changed)).toEqual(problem(401, 'signature.invalid'))
    const revocation = await signed('createApiKey', { id: 'x' })
    expect(await house.post('/api/api-keys/revoke', revocation)).toEqual(problem(401, 'signature.invalid'))
    expect(await keyCount()).toBe(before)
  })

  test('a request is carried out once', async () => {
    const request = await signed('createApiKey', keyPayload('once'))
    expect((await house.post('/api/api-keys', request)).status).toBe(200)
    const before = await keyCount()
    expect(await house.post('/api/api-keys', request)).toEqual(problem(409, 'request.replayed'))
    expect(await keyCount()).toBe(before)
  })

  test('a key that was revoked opens nothing', async () => {
    const secret = await createKey('revoked')
    const [key] = Http.apiKeySchema.array().parse(await get(`/api/accounts/${caller.address}/api-keys`))
    const revoked = await house.post('/api/api-keys/revoke', await signed('revokeApiKey', { id: key!.id }))
    expect(Http.apiKeySchema.parse(revoked.body).revoked).toBe(true)
    const asked = await house.post(
      '/v1/completions',
      { model, prompt: 'a' },
      { authorization: `Bearer ${secret}` },
    )
    expect(asked).toMatchObject({ status: 401, body: { error: { code: 'api_key.unknown' } } })
  })

  test('a claim without earnings is refused, and left out of many', async () => {
    const nobody = { account: `0x${'77'.repeat(20)}` }
    expect(await house.post('/api/claims', nobody)).toEqual(problem(404, 'ledger.no_line'))
    expect(await house.post('/api/claims/many', { accounts: [nobody.account] })).toMatchObject({
      status: 200,
      body: [],
    })
  })

  test('tells nothing of the inside when the server itself fails', async () => {
    house.script.failsAt = 0
    const secret = await createKey('inside')
    const asked = await house.post(
      '/v1/completions',
      { model, prompt: 'a' },
      { authorization: `Bearer ${secret}` },
    )
    house.script.failsAt = undefined
    expect(asked.status).toBe(500)
    expect(JSON.stringify(asked.body)).not.toContain('engine')
  })
})

describe('the MCP server', () => {
  const connect = async (headers: Record<string, string> = {}) => {
    const client = new Client({ name: 'test', version: '1' })
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${URL_BASE}/mcp`), {
        fetch: house.fetch,
        requestInit: { headers },
      }),
    )
    return client
  }

  test('lists its tools, and models, Datanets and receipts for free', async () => {
    const client = await connect()
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual([
      ...['list_models', 'get_model', 'list_datanets', 'get_receipt', 'chat'],
    ])
    const found = await client.callTool({ name: 'get_model', arguments: { name: model } })
    expect(found.structuredContent).toMatchObject({ model: { name: model } })
    const datanets = await client.callTool({ name: 'list_datanets', arguments: {} })
    expect(datanets.structuredContent).toMatchObject({ datanets: [{ name: 'solidity' }] })
    const missing = await client.callTool({ name: 'get_receipt', arguments: { sequence: 999 } })
    expect(missing).toMatchObject({ isError: true })
    await client.close()
  })

  test('quotes the price of an answer to who does not pay, and answers who does', async () => {
    const question = {
      name: 'chat',
      arguments: { model, messages: [{ role: 'user', content: 'write a token' }], maxTokens: 10 },
    }
    const stranger = await connect()
    const quoted = await stranger.callTool(question)
    expect(quoted).toMatchObject({
      isError: true,
      structuredContent: { x402Version: 2, accepts: [{ scheme: 'exact', network: 'eip155:161200' }] },
    })
    await stranger.close()
    const client = await connect({ authorization: `Bearer ${await createKey('mcp')}` })
    const answered = await client.callTool(question)
    expect(answered.structuredContent).toMatchObject({
      answer: 'contract Token is ERC20 {}',
      receipt: { payer: callerAddress },
    })
    const unknown = { ...question.arguments, passages: [`0x${'12'.repeat(32)}`] }
    expect(await client.callTool({ name: 'chat', arguments: unknown })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('Expected the id of an accepted record') }],
    })
    await client.close()
  })
})
