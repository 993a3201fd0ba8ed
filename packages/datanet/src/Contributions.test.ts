import { Bytes, Merkle } from '@openledger/primitives'
import { Abi, Contribution, DevelopmentKeys, Http, Manifest } from '@openledger/protocol'
import { digestOf, schema } from '@openledger/store'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DatanetHouse, inTenMinutes, lower, startDatanetHouse } from '../test/datanetHouse.ts'
import { CHAIN_ID } from '../test/registryChain.ts'

const ada = DevelopmentKeys.contributor(0)
const ben = DevelopmentKeys.contributor(1)
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

let house: DatanetHouse
beforeAll(async () => {
  house = await startDatanetHouse()
})
afterAll(() => house.close())

describe('a contribution', () => {
  test('goes from a signature to a version, and chain, blobs and database agree on it', async () => {
    const records = [TOKEN, ROLE]
    const contribution = await house.contribute(ada, 'transfer and roles', records)
    expect(Http.contributionSchema.parse(contribution)).toEqual(contribution)
    await house.settled(contribution.id)

    const expected = Contribution.fromRecords(records)
    const detail = await house.datanets.contribution(contribution.id)
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
    expect(Bytes.toUtf8(await house.blobs.get(detail.cid))).toBe(JSON.stringify(records))

    const registered = await house.onChain(contribution.id)
    expect(registered).toMatchObject({
      contributor: ada.address,
      recordsRoot: expected.recordsRoot,
      contentHash: digestOf(detail.cid),
      verdictCount: 1,
      acceptedCount: 2,
      acceptedRoot: expected.recordsRoot,
    })

    const [version] = await house.datanets.versions('1')
    expect(Http.datanetVersionSchema.parse(version)).toEqual(version)
    expect(version).toMatchObject({ version: 1, recordCount: 2, recordsRoot: expected.recordsRoot })
    const published = await house.chain.publicClient.readContract({
      address: house.chain.deployment.l2.datanets,
      abi: Abi.datanetsAbi,
      functionName: 'versionOf',
      args: [1n, 1],
    })
    const [row] = await house.database.orm.select().from(schema.datanetVersions)
    expect(published).toMatchObject({
      recordsRoot: version!.recordsRoot,
      recordCount: 2,
      parentVersion: 0,
      manifestHash: digestOf(row!.manifestCid),
    })
    expect(Manifest.decode(await house.blobs.get(row!.manifestCid)).records).toEqual(
      expected.recordIds.map((recordId, index) => ({ contributionId: contribution.id, index, recordId })),
    )
  })

  test('asked for again by the same contributor is the same contribution', async () => {
    const before = await house.everything()
    const again = await house.contribute(ada, 'transfer and roles', [TOKEN, ROLE])
    expect(again.status).toBe('versioned')
    expect(await house.everything()).toEqual(before)
  })

  test('whose records another has contributed before is refused, and warned of beforehand', async () => {
    const before = await house.everything()
    const { warnings } = await house.datanets.prepare({
      datanetId: '1',
      licence: 'MIT',
      records: [ROLE, TOKEN],
    })
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toContain(`"transfer and roles" by ${lower(ada.address)}`)
    await expect(house.contribute(ben, 'mine now', [TOKEN, ROLE])).rejects.toMatchObject({
      code: 'contribution.exists',
    })
    expect(await house.everything()).toEqual(before)
  })

  test('keeps what is new in it; copies and near copies go to whoever was first, with the reason', async () => {
    const renamedSlightly = TOKEN.replace('return true;', 'return  TRUE ;').toUpperCase()
    const almost = `${TOKEN}\n// now with a comment`
    const contribution = await house.contribute(ben, 'a mixture', [
      TOKEN,
      VAULT,
      renamedSlightly,
      almost,
      'short',
      VAULT,
    ])
    await house.settled(contribution.id)
    const { records, acceptedCount } = await house.datanets.contribution(contribution.id)
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
    expect(await house.onChain(contribution.id)).toMatchObject({ acceptedCount: 1, acceptedRoot: root })
    const [newest, ...older] = await house.datanets.versions('1')
    expect(newest).toMatchObject({ version: 2, recordCount: 3 })
    expect(older).toHaveLength(1)
  })

  test('of which nothing is accepted is settled without a new version', async () => {
    const before = (await house.everything()).versions
    const contribution = await house.contribute(ben, 'worthless', ['%%%% #### $$$$ abc def ghi', 'xx'])
    await house.settled(contribution.id)
    expect(await house.onChain(contribution.id)).toMatchObject({ acceptedCount: 0, verdictCount: 1 })
    expect((await house.everything()).versions).toBe(before)
  })

  test('sent twenty times at once is registered once', async () => {
    const records = [
      'The same contribution, sent twenty times at once because a button was pressed in anger.',
    ]
    const before = await house.everything()
    const all = await Promise.all(Array.from({ length: 20 }, () => house.contribute(ada, 'eager', records)))
    expect(new Set(all.map(({ id }) => id)).size).toBe(1)
    expect((await house.everything()).onChain).toBe(before.onChain + 1)
    await house.settled(all[0]!.id)
  })

  test('of two who send the same at once, one is first and the other is told so', async () => {
    const records = ['Two people have found the same text and both contribute it within the same second.']
    const [one, other] = await Promise.allSettled([
      house.contribute(ada, 'a', records),
      house.contribute(ben, 'b', records),
    ])
    const outcomes = [one, other].map((result) =>
      result.status === 'fulfilled' ? 'taken' : result.reason.code,
    )
    expect(outcomes.sort()).toEqual(['contribution.exists', 'taken'])
    // what is still being validated would change what others count
    for (const result of [one, other]) if (result.status === 'fulfilled') await house.settled(result.value.id)
  })
})

describe('is refused with a clear error, and nothing changes:', () => {
  const records = ['A record that is never contributed, because something is wrong with the request.']
  const cases: [string, () => Promise<unknown>, object][] = [
    [
      'a signature of someone else',
      () => house.contribute(ada, 'x', records, { signer: ben }),
      { code: 'signature.invalid' },
    ],
    [
      'content changed after signing',
      () => house.contribute(ada, 'x', records, { licence: 'GPL-3.0' }),
      { code: 'signature.invalid' },
    ],
    [
      'a signature for another chain',
      () => house.contribute(ada, 'x', records, { chainId: 1 }),
      { code: 'contribution.wrong_chain', context: { signedChainId: 1, chainId: CHAIN_ID } },
    ],
    [
      'a deadline in the past',
      () => house.contribute(ada, 'x', records, { deadline: 1_000 }),
      { code: 'contribution.expired' },
    ],
    [
      'an unknown Datanet',
      () => house.contribute(ada, 'x', records, { datanetId: '77' }),
      { code: 'datanet.not_found' },
    ],
    ['no records', () => house.contribute(ada, 'x', []), { code: 'contribution.size' }],
    ['a blank record', () => house.contribute(ada, 'x', [' \n']), { code: 'contribution.not_text' }],
    [
      'bytes that are no text',
      () => house.contribute(ada, 'x', ['PK\u0003\u0004']),
      { code: 'contribution.not_text' },
    ],
    [
      'a record too large',
      () => house.contribute(ada, 'x', ['word '.repeat(4_000)]),
      { code: 'contribution.size' },
    ],
    [
      'a garbage signature',
      () =>
        house.datanets.contribute({
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
    const before = await house.everything()
    await expect(attempt()).rejects.toMatchObject(error)
    expect(await house.everything()).toEqual(before)
  })
})
