import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bytes, type Hex, Merkle, systemClock } from '@openledger/primitives'
import { Abi, Contribution, DevelopmentKeys, Http, Manifest } from '@openledger/protocol'
import {
  type Blobs,
  createDatabase,
  createDiskBlobs,
  createJobs,
  type Database,
  digestOf,
  eq,
  type Jobs,
  schema,
} from '@openledger/store'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  CHAIN_ID,
  connect,
  type RegistryChain,
  signContribution,
  startRegistryChain,
} from '../test/registryChain.ts'
import { createDatanets, type Datanets, openZeppelinModules } from './index.ts'

let chain: RegistryChain
let database: Database
let blobs: Blobs
let jobs: Jobs
let datanets: Datanets
let directory: string
const onError = vi.fn()

const answerKey = Uint8Array.of(1)
const SUMMARY = 'Solidity, well written'
const ada = DevelopmentKeys.contributor(0)
const ben = DevelopmentKeys.contributor(1)
const lower = (address: string) => address.toLowerCase() as Hex
const inTenMinutes = () => Math.floor(Date.now() / 1_000) + 600

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openledger-datanet-'))
  chain = await startRegistryChain()
  database = await createDatabase({ memory: true })
  blobs = createDiskBlobs(join(directory, 'blobs'))
  jobs = await createJobs(database, { onError })
  datanets = createDatanets({ ...chain, database, blobs, jobs, clock: systemClock, answerKey })
  await datanets.work()
  await datanets.register({
    transactionHash: await chain.createDatanet('solidity', SUMMARY),
    summary: SUMMARY,
  })
})
afterAll(async () => {
  await jobs.stop()
  await database.close()
  chain.close()
  await rm(directory, { recursive: true })
})

type Change = {
  deadline?: number
  chainId?: number
  signer?: LocalAccount
  licence?: string
  datanetId?: string
}

/** Prepares, signs and contributes; what is changed after signing makes the signature wrong. */
async function contribute(account: LocalAccount, title: string, records: string[], change: Change = {}) {
  const input = { datanetId: change.datanetId ?? '1', licence: 'MIT', records }
  const prepared = await datanets.prepare(input)
  const deadline = change.deadline ?? inTenMinutes()
  const signature = await signContribution(
    change.signer ?? account,
    { ...input, ...prepared, deadline },
    { ...chain, ...(change.chainId && { chainId: change.chainId }) },
  )
  return datanets.contribute({
    ...input,
    licence: change.licence ?? input.licence,
    title,
    contributor: lower(account.address),
    deadline,
    signature,
  })
}

const settled = (id: Hex, status: Http.Contribution['status'] = 'versioned') =>
  vi.waitFor(async () => expect((await datanets.contribution(id)).status).toBe(status), {
    timeout: 20_000,
    interval: 100,
  })

const onChain = (id: Hex) =>
  chain.publicClient.readContract({
    address: chain.deployment.l2.datanets,
    abi: Abi.datanetsAbi,
    functionName: 'contributionOf',
    args: [id],
  })

/** Everything that a refused request must leave as it was. */
const everything = async () => ({
  contributions: await database.orm.$count(schema.contributions),
  records: await database.orm.$count(schema.records),
  versions: await database.orm.$count(schema.datanetVersions),
  onChain: (
    await chain.publicClient.getContractEvents({
      address: chain.deployment.l2.datanets,
      abi: Abi.datanetsAbi,
      eventName: 'Contributed',
      fromBlock: 0n,
    })
  ).length,
})

const TOKEN = `function transfer(address to, uint256 value) public virtual returns (bool) {
    address owner = _msgSender();
    _transfer(owner, to, value);
    return true;
}`
const ROLE = `function grantRole(bytes32 role, address account) public virtual onlyRole(getRoleAdmin(role)) {
    _grantRole(role, account);
}`
const VAULT = `function convertToShares(uint256 assets) public view virtual returns (uint256) {
    return _convertToShares(assets, Math.Rounding.Floor);
}`

describe('a Datanet', () => {
  test('is listed as its owner created it on chain, once', async () => {
    const [datanet, ...others] = await datanets.datanets()
    expect(others).toEqual([])
    expect(Http.datanetSchema.parse(datanet)).toEqual(datanet)
    expect(datanet).toMatchObject({
      id: '1',
      name: 'solidity',
      summary: SUMMARY,
      licence: 'MIT',
      owner: lower(DevelopmentKeys.account('builder').address),
      commons: lower(DevelopmentKeys.account('treasury').address),
      version: 0,
    })
    const again = await datanets.register({ transactionHash: datanet!.transactionHash, summary: SUMMARY })
    expect(again).toEqual(datanet)
  })

  test('is not listed with another summary, nor by a transaction that created none', async () => {
    const transactionHash = await chain.createDatanet('unlisted', SUMMARY)
    await expect(datanets.register({ transactionHash, summary: 'other' })).rejects.toMatchObject({
      code: 'datanet.summary_mismatch',
    })
    const nothing: Hex = `0x${'ab'.repeat(32)}`
    await expect(datanets.register({ transactionHash: nothing, summary: SUMMARY })).rejects.toMatchObject({
      code: 'datanet.not_created',
    })
    expect(await datanets.datanets()).toHaveLength(1)
  })
})

describe('a contribution', () => {
  test('goes from a signature to a version, and chain, blobs and database agree on it', async () => {
    const records = [TOKEN, ROLE]
    const contribution = await contribute(ada, 'transfer and roles', records)
    expect(Http.contributionSchema.parse(contribution)).toEqual(contribution)
    await settled(contribution.id)

    const expected = Contribution.fromRecords(records)
    const detail = await datanets.contribution(contribution.id)
    expect(Http.contributionDetailSchema.parse(detail)).toEqual(detail)
    expect(detail).toMatchObject({
      recordCount: 2,
      acceptedCount: 2,
      contributor: lower(ada.address),
      earnedWei: '0',
    })
    expect(detail.records.map(({ text, verdict, id }) => ({ text, verdict, id }))).toEqual(
      records.map((text, i) => ({ text, verdict: 'accepted', id: expected.recordIds[i] })),
    )
    expect(Bytes.toUtf8(await blobs.get(detail.cid))).toBe(JSON.stringify(records))

    const registered = await onChain(contribution.id)
    expect(registered).toMatchObject({
      contributor: ada.address,
      recordsRoot: expected.recordsRoot,
      contentHash: digestOf(detail.cid),
      verdictCount: 1,
      acceptedCount: 2,
      acceptedRoot: expected.recordsRoot,
    })

    const [version] = await datanets.versions('1')
    expect(Http.datanetVersionSchema.parse(version)).toEqual(version)
    expect(version).toMatchObject({ version: 1, recordCount: 2, recordsRoot: expected.recordsRoot })
    const published = await chain.publicClient.readContract({
      address: chain.deployment.l2.datanets,
      abi: Abi.datanetsAbi,
      functionName: 'versionOf',
      args: [1n, 1],
    })
    const [row] = await database.orm.select().from(schema.datanetVersions)
    expect(published).toMatchObject({
      recordsRoot: version!.recordsRoot,
      recordCount: 2,
      parentVersion: 0,
      manifestHash: digestOf(row!.manifestCid),
    })
    expect(Manifest.decode(await blobs.get(row!.manifestCid)).records).toEqual(
      expected.recordIds.map((recordId, index) => ({ contributionId: contribution.id, index, recordId })),
    )
  })

  test('asked for again by the same contributor is the same contribution', async () => {
    const before = await everything()
    const again = await contribute(ada, 'transfer and roles', [TOKEN, ROLE])
    expect(again.status).toBe('versioned')
    expect(await everything()).toEqual(before)
  })

  test('whose records another has contributed before is refused, and warned of beforehand', async () => {
    const before = await everything()
    const { warnings } = await datanets.prepare({ datanetId: '1', licence: 'MIT', records: [ROLE, TOKEN] })
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toContain(`"transfer and roles" by ${lower(ada.address)}`)
    await expect(contribute(ben, 'mine now', [TOKEN, ROLE])).rejects.toMatchObject({
      code: 'contribution.exists',
    })
    expect(await everything()).toEqual(before)
  })

  test('keeps what is new in it; copies and near copies go to whoever was first, with the reason', async () => {
    const renamedSlightly = TOKEN.replace('return true;', 'return  TRUE ;').toUpperCase()
    const almost = `${TOKEN}\n// now with a comment`
    const contribution = await contribute(ben, 'a mixture', [
      TOKEN,
      VAULT,
      renamedSlightly,
      almost,
      'short',
      VAULT,
    ])
    await settled(contribution.id)
    const { records, acceptedCount } = await datanets.contribution(contribution.id)
    expect(records.map(({ verdict }) => verdict)).toEqual([
      'rejected',
      'accepted',
      'rejected',
      'rejected',
      'rejected',
      'rejected',
    ])
    expect(acceptedCount).toBe(1)
    const first = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(TOKEN)))
    expect(records[0]).toMatchObject({
      reason: `The same text was contributed first in "transfer and roles" by ${lower(ada.address)}, who is paid for it.`,
      duplicateOf: first,
      similarityPpm: 1_000_000,
    })
    expect(records[2]).toMatchObject({ duplicateOf: first, similarityPpm: 1_000_000 })
    expect(records[3]!.duplicateOf).toBe(first)
    expect(records[3]!.similarityPpm).toBeGreaterThan(700_000)
    expect(records[3]!.reason).toMatch(/^\d\d % of it was contributed first/)
    expect(records[4]!.reason).toMatch(/^Too short/)
    expect(records[5]!.reason).toBe('The same text is already record 1 of this contribution.')

    const root = Bytes.toHex(Merkle.build([Merkle.hashLeaf(Bytes.fromUtf8(VAULT))]).root)
    expect(await onChain(contribution.id)).toMatchObject({ acceptedCount: 1, acceptedRoot: root })
    const [newest, ...older] = await datanets.versions('1')
    expect(newest).toMatchObject({ version: 2, recordCount: 3 })
    expect(older).toHaveLength(1)
  })

  test('of which nothing is accepted is settled without a new version', async () => {
    const before = (await everything()).versions
    const contribution = await contribute(ben, 'worthless', ['%%%% #### $$$$ abc def ghi', 'xx'])
    await settled(contribution.id)
    expect(await onChain(contribution.id)).toMatchObject({ acceptedCount: 0, verdictCount: 1 })
    expect((await everything()).versions).toBe(before)
  })

  test('sent twenty times at once is registered once', async () => {
    const records = [
      'The same contribution, sent twenty times at once because a button was pressed in anger.',
    ]
    const before = await everything()
    const all = await Promise.all(Array.from({ length: 20 }, () => contribute(ada, 'eager', records)))
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    expect((await everything()).onChain).toBe(before.onChain + 1)
    await settled(all[0]!.id)
  })

  test('of two who send the same at once, one is first and the other is told so', async () => {
    const records = ['Two people have found the same text and both contribute it within the same second.']
    const [one, other] = await Promise.allSettled([
      contribute(ada, 'a', records),
      contribute(ben, 'b', records),
    ])
    const outcomes = [one, other].map((result) =>
      result.status === 'fulfilled' ? 'taken' : result.reason.code,
    )
    expect(outcomes.sort()).toEqual(['contribution.exists', 'taken'])
    // what is still being validated would change what others count
    for (const result of [one, other]) if (result.status === 'fulfilled') await settled(result.value.id)
  })
})

describe('is refused with a clear error, and nothing changes:', () => {
  const records = ['A record that is never contributed, because something is wrong with the request.']
  const cases: [string, () => Promise<unknown>, object][] = [
    [
      'a signature of someone else',
      () => contribute(ada, 'x', records, { signer: ben }),
      { code: 'signature.invalid' },
    ],
    [
      'content changed after signing',
      () => contribute(ada, 'x', records, { licence: 'GPL-3.0' }),
      { code: 'signature.invalid' },
    ],
    [
      'a signature for another chain',
      () => contribute(ada, 'x', records, { chainId: 1 }),
      { code: 'contribution.wrong_chain', context: { signedChainId: 1, chainId: CHAIN_ID } },
    ],
    [
      'a deadline in the past',
      () => contribute(ada, 'x', records, { deadline: 1_000 }),
      { code: 'contribution.expired' },
    ],
    [
      'an unknown Datanet',
      () => contribute(ada, 'x', records, { datanetId: '77' }),
      { code: 'datanet.not_found' },
    ],
    ['no records', () => contribute(ada, 'x', []), { code: 'contribution.size' }],
    ['a blank record', () => contribute(ada, 'x', [' \n']), { code: 'contribution.not_text' }],
    [
      'bytes that are no text',
      () => contribute(ada, 'x', ['PK\u0003\u0004']),
      { code: 'contribution.not_text' },
    ],
    [
      'a record too large',
      () => contribute(ada, 'x', ['word '.repeat(4_000)]),
      { code: 'contribution.size' },
    ],
    [
      'a garbage signature',
      () =>
        datanets.contribute({
          datanetId: '1',
          licence: 'MIT',
          records,
          title: 'x',
          contributor: lower(ada.address),
          deadline: inTenMinutes(),
          signature: '0x1234',
        }),
      { code: 'signature.invalid' },
    ],
  ]
  test.each(cases)('%s', async (_name, attempt, error) => {
    const before = await everything()
    await expect(attempt()).rejects.toMatchObject(error)
    expect(await everything()).toEqual(before)
  })
})

test('rewards that were handed on belong to their new owner here as on chain, however often asked', async () => {
  const { recordsRoot } = Contribution.fromRecords([TOKEN, ROLE])
  const id = Contribution.id(1n, recordsRoot)
  const listed = async () => (await datanets.contributions({})).find((each) => each.id === id)!.beneficiary
  const handOn = async (from: LocalAccount, to: LocalAccount) => {
    const { publicClient, deployment } = chain
    await publicClient.request({
      method: 'anvil_setBalance',
      params: [from.address, '0xde0b6b3a7640000'],
    } as never)
    const hash = await connect(chain.url)
      .walletOf(from)
      .writeContract({
        address: deployment.l2.datanets,
        abi: Abi.datanetsAbi,
        functionName: 'setBeneficiary',
        args: [id, to.address],
      })
    await publicClient.waitForTransactionReceipt({ hash })
  }
  expect(await listed()).toBe(lower(ada.address))
  await handOn(ada, ben)
  expect(await listed()).toBe(lower(ada.address))
  // one contribution is read from the chain itself
  expect((await datanets.contribution(id)).beneficiary).toBe(lower(ben.address))
  await Promise.all([datanets.followBeneficiaries(), datanets.followBeneficiaries()])
  expect(await listed()).toBe(lower(ben.address))
  await handOn(ben, ada)
  await datanets.followBeneficiaries()
  await datanets.followBeneficiaries()
  expect(await listed()).toBe(lower(ada.address))
})

test('a Datanet whose owner has not named the validator yet holds up nobody, and is validated once they have', async () => {
  const transactionHash = await chain.createDatanet('later', SUMMARY, { isValidated: false })
  const { id: datanetId } = await datanets.register({ transactionHash, summary: SUMMARY })
  const early = await contribute(
    ada,
    'early',
    ['Something that came before anyone could validate it in this place.'],
    {
      datanetId,
    },
  )
  const other = await contribute(ada, 'other', [
    'Meanwhile elsewhere life goes on and records are accepted as ever.',
  ])
  await settled(other.id)
  expect((await datanets.contribution(early.id)).status).toBe('registered')
  await vi.waitFor(() => expect(onError).toHaveBeenCalled(), { timeout: 10_000 })
  expect(onError.mock.lastCall![0].message).toContain('DatanetsNotValidator')
  await chain.addValidator(BigInt(datanetId))
  await settled(early.id)
})

test('what a record earned is its part of what the contribution was paid, as its receipts say', async () => {
  const { recordsRoot } = Contribution.fromRecords([TOKEN, ROLE])
  const { id: contributionId, records } = await datanets.contribution(Contribution.id(1n, recordsRoot))
  const { orm } = database
  await orm.insert(schema.trainingRuns).values({
    id: 'run',
    modelName: 'm',
    owner: '0x',
    datanets: [],
    config: {},
    inputPriceWei: 1n,
    outputPriceWei: 1n,
    influenceBps: 5_000,
    status: 'published',
  })
  await orm.insert(schema.models).values({
    id: 1n,
    name: 'm',
    owner: '0x',
    trainingRunId: 'run',
    inputPriceWei: 1n,
    outputPriceWei: 1n,
    influenceBps: 5_000,
    spansBps: 5_000,
    transactionHash: '0x',
  })
  const reasons = [
    { kind: 'influence', recordId: records[0]!.id, milliZ: 5_000, sharePpm: 300_000 },
    { kind: 'span', recordId: records[1]!.id, start: 0, end: 9, occurrences: 1, sharePpm: 100_000 },
    { kind: 'span', recordId: records[0]!.id, start: 9, end: 12, occurrences: 1, sharePpm: 200_000 },
  ]
  await orm.insert(schema.receipts).values({
    sequence: 1,
    hash: '0x1',
    previousHash: '0x0',
    payer: '0x',
    modelId: 1n,
    promptHash: '0x',
    answerHash: '0x',
    inputTokens: 1,
    outputTokens: 1,
    feeWei: 1_200n,
    platformWei: 0n,
    ownerWei: 0n,
    stakersWei: 0n,

    contributorsWei: 1_000n,
    splitVersion: 1,
    stakeVersion: 0,
    sharesRoot: '0x',
    attributionHash: '0x',
    inferenceCommitment: '0x',
    timestamp: 1,
    signature: '0x',
    attribution: { shares: [{ contributionId, reasons }] },
  })
  await orm.insert(schema.payouts).values({
    receiptSequence: 1,
    position: 0,
    beneficiary: lower(ada.address),
    contributionId,
    sharePpm: 600_000,
    amountWei: 600n,
  })
  const detail = await datanets.contribution(contributionId)
  expect(detail.earnedWei).toBe('600')
  expect(detail.records.map(({ earnedWei }) => earnedWei)).toEqual(['500', '100'])
  expect((await datanets.datanet('1')).earnedWei).toBe('600')
  await orm.delete(schema.payouts)
  await orm.delete(schema.receipts).where(eq(schema.receipts.sequence, 1))
})

test('the first modules are accepted whole, though they share a style and boilerplate', async () => {
  const transactionHash = await chain.createDatanet('modules', SUMMARY)
  const { id: datanetId } = await datanets.register({ transactionHash, summary: SUMMARY })
  const ids: Hex[] = []
  for (const [i, { name, files }] of openZeppelinModules().slice(0, 6).entries()) {
    const account = DevelopmentKeys.contributor(i)
    const input = { datanetId, licence: 'MIT', files: files.map(({ path, text }) => ({ name: path, text })) }
    const prepared = await datanets.prepare(input)
    const deadline = inTenMinutes()
    const signature = await signContribution(account, { ...input, ...prepared, deadline }, chain)
    const contributor = lower(account.address)
    ids.push((await datanets.contribute({ ...input, title: name, contributor, deadline, signature })).id)
  }
  await settled(ids.at(-1)!)
  for (const id of ids) {
    const { acceptedCount, recordCount, records } = await datanets.contribution(id)
    expect(records.filter(({ verdict }) => verdict === 'rejected').map(({ reason }) => reason)).toEqual([])
    expect(acceptedCount).toBe(recordCount)
  }
})

test('what a model answered before is neither accepted as new nor trained on, whoever contributes it', async () => {
  const answer =
    'A harbour pilot boards every arriving vessel beyond the outer buoy and hands the tide tables to her captain before turning north.'
  const own =
    'Our museum keeps seven brass sextants from old whaling ships, and each of them still finds noon within half a minute.'
  const startedAt = new Date(Date.now() - 1_000)
  await datanets.rememberAnswer({ promptText: 'Who boards a ship?', text: answer, startedAt })
  const paraphrase = answer.replace('outer', 'second').replace('captain', 'master')
  const titled = await contribute(ben, 'said before', [
    answer,
    paraphrase,
    `${own} ${own.replaceAll('seven', 'nine')} ${answer.slice(0, 66)}`,
    own.toUpperCase().replace('BRASS', 'COPPER').replace('HALF', 'A QUARTER OF'),
    JSON.stringify({ prompt: 'Who boards a ship, and where?', completion: answer }),
  ])
  await settled(titled.id)
  const { records } = await datanets.contribution(titled.id)
  expect(records.map(({ verdict }) => verdict)).toEqual([
    'rejected',
    'rejected',
    'accepted',
    'accepted',
    'rejected',
  ])
  expect(records[1]!.reason).toMatch(/^\d+ % of its words repeat what models here had answered/)
  const rows = await database.orm
    .select()
    .from(schema.records)
    .where(eq(schema.records.contributionId, titled.id))
    .orderBy(schema.records.index)
  expect(rows.map(({ text, echoes }) => echoes.map(([start, end]) => text.slice(start, end)))).toEqual([
    [],
    [],
    [answer.slice(0, 66)],
    [],
    [],
  ])
})

test('what was contributed before it was answered, and what the prompt said itself, repeats nothing', async () => {
  const early =
    'Lichens on the northern granite grow a millimetre in a year, so a hand wide patch is older than the oldest parish book.'
  const prompted =
    'Repeat after me that copper roofs turn green because rain, salt and soot leave a patina which then protects the metal.'
  const contributed = await contribute(ben, 'said first', [early])
  await datanets.rememberAnswer({ promptText: '', text: early, startedAt: new Date(Date.now() + 60_000) })
  await datanets.rememberAnswer({ promptText: prompted, text: prompted.slice(16), startedAt: new Date(0) })
  await settled(contributed.id)
  expect((await datanets.contribution(contributed.id)).acceptedCount).toBe(1)
  const { warnings } = await datanets.prepare({ datanetId: '1', licence: 'MIT', records: [prompted] })
  expect(warnings).toEqual([])
})

test('no acknowledged contribution is lost to kill -9, and what was half done is finished', async () => {
  const home = await mkdtemp(join(tmpdir(), 'openledger-datanet-killed-'))
  try {
    const own = await startRegistryChain()
    const setUp = await createDatabase({ directory: home })
    const first = createDatanets({
      ...own,
      database: setUp,
      jobs: {
        enqueue: async () => {},
        work: async () => {},
        stop: async () => {},
        stopping: new AbortController().signal,
      },
      blobs,
      clock: systemClock,
      answerKey,
    })
    await first.register({ transactionHash: await own.createDatanet('killed', SUMMARY), summary: SUMMARY })
    await setUp.close()

    const acknowledged: Hex[] = []
    for (const round of [0, 1]) {
      const script = join(import.meta.dirname, '../test/interrupted.ts')
      const args = [script, own.url, own.deployment.l2.datanets, home, String(1_000 * round)]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      let output = ''
      child.stdout.on('data', (chunk) => {
        output += chunk
        if (output.split('\n').length > 4 + 3 * round) child.kill('SIGKILL')
      })
      await once(child, 'exit')
      acknowledged.push(...(output.split('\n').slice(0, -1) as Hex[]))
    }
    const reopened = await createDatabase({ directory: home })
    const again = await createJobs(reopened)
    const last = createDatanets({
      ...own,
      database: reopened,
      jobs: again,
      blobs: createDiskBlobs(`${home}/blobs`),
      clock: systemClock,
      answerKey,
    })
    await last.work()
    await vi.waitFor(
      async () => {
        const rows = await reopened.orm.select().from(schema.contributions)
        expect(rows.every(({ status }) => status === 'versioned')).toBe(true)
      },
      { timeout: 30_000, interval: 200 },
    )
    expect(acknowledged.length).toBeGreaterThan(9)
    const listed = await last.contributions({ datanetId: '1' })
    for (const id of acknowledged) expect(listed.map((each) => each.id)).toContain(id)
    const events = await own.publicClient.getContractEvents({
      address: own.deployment.l2.datanets,
      abi: Abi.datanetsAbi,
      eventName: 'VerdictRecorded',
      fromBlock: 0n,
    })
    // no contribution was judged twice
    expect(events).toHaveLength(listed.length)
    const [newest] = await last.versions('1')
    expect(newest!.recordCount).toBe(listed.length)
    await again.stop()
    await reopened.close()
    own.close()
  } finally {
    await rm(home, { recursive: true })
  }
})
