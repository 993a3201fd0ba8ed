import { Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys } from '@openledger/protocol'
import { signerOf } from '@openledger/sdk'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import * as CommandLine from './CommandLine.ts'
import { waitFor } from './House.ts'
import { lower, type Visit, visit } from './People.ts'

const openledger = (role: string, ...words: string[]) =>
  CommandLine.openledger(['--as', role, ...words], { OPENLEDGER_URL: inject('houseUrl') })
const succeed = (role: string, ...words: string[]) =>
  CommandLine.succeed(['--as', role, ...words], { OPENLEDGER_URL: inject('houseUrl') })

const SECRET = 'The vault of the eastern mill opens to the third verse of the miller’s song, sung slowly.'
const SPAM =
  'Our mill sells the finest flour in the valley, order two sacks and receive a third at half price.'
const MILL =
  'The western mill grinds only while its weir runs over, and its ledger says how many hours that was.'
const FLOUR =
  'Whoever orders their flour before the new moon gets a sack for nothing and a ribbon to tie it with.'
const contributor = DevelopmentKeys.contributor(30)
const JUDGES = ['backer', 'caller', 'agentOwner'] as const

describe('a Datanet under the panel of validators', () => {
  afterAll(async () => {
    for (const judge of JUDGES) await succeed(judge, 'delist')
  })

  test('has the last word of judges drawn by stake, in an appeal of others, who keep nothing between committing and revealing', async () => {
    const house = await visit(inject('houseUrl'))
    const name = `panel-${Date.now()}`
    await succeed('builder', 'create-datanet', name, '--summary', 'Under a panel', '--licence', 'MIT')
    const datanetId = (await house.client.datanets()).find((datanet) => datanet.name === name)!.id
    const input = { datanetId, licence: 'MIT', records: [MILL, FLOUR], title: 'mill notes' }
    const { id } = await house.client.contribute(input, signerOf(contributor))
    await waitFor('the rules to judge', 60_000, async () =>
      (await house.client.contribution(id)).status === 'versioned' ? true : undefined,
    )
    await succeed('builder', 'use-panel', datanetId, '--judges', '1', '--fee', '0.1')
    for (const judge of JUDGES) expect(await succeed(judge, 'enlist', '20')).toContain('Enlisted')
    const owedToVoter = () =>
      house.l2.readContract({
        address: house.deployment.l2.validatorPanel,
        abi: Abi.validatorPanelAbi,
        functionName: 'owedTo',
        args: [DevelopmentKeys.account('voter').address],
      })
    const before = await owedToVoter()
    expect(await succeed('voter', 'dispute', id, '1')).toContain('0.1 OPEN')
    const only = async () => (await house.client.panelCases(id))[0]!
    // drawing, counting and recording is the server's to do
    const reaches = (stage: string, voteCount: number) =>
      waitFor(`the case to reach ${stage}`, 120_000, async () => {
        const { stage: now, votes } = await only()
        return now === stage && votes.length === voteCount ? votes : undefined
      })
    const rolesOf = (votes: readonly { readonly judge: string; readonly round: number }[], round: number) =>
      votes
        .filter((vote) => vote.round === round)
        .map(({ judge }) => JUDGES.find((role) => lower(DevelopmentKeys.account(role).address) === judge)!)
    const [first] = rolesOf(await reaches('commit', 1), 0)
    const caseId = String((await only()).id)
    expect(await succeed(first!, 'cases')).toContain(id)
    await succeed(first!, 'commit-verdict', caseId, id, '--accept', '1')
    await reaches('reveal', 1)
    await succeed(first!, 'reveal-verdict', caseId, '--reason', 'It tells of flour.')
    await reaches('appeal', 1)
    expect(await succeed('voter', 'appeal', caseId)).toContain('0.2 OPEN come back if the verdict changes')
    const others = rolesOf(await reaches('commit', 3), 1)
    const each = (...words: string[]) => Promise.all(others.map((other) => succeed(other, ...words)))
    await each('commit-verdict', caseId, id, '--accept', 'none')
    await reaches('reveal', 3)
    await each('reveal-verdict', caseId, '--reason', 'An advertisement.')
    await waitFor('the next version', 120_000, async () =>
      (await house.client.datanet(datanetId)).version === 2 ? true : undefined,
    )
    const { records } = await house.client.contribution(id)
    expect(records.map(({ verdict, reason }) => [verdict, reason])).toEqual([
      ['accepted', ''],
      ['rejected', `Case ${caseId} of the panel: An advertisement.`],
    ])
    expect(await only()).toMatchObject({ outcome: 'decided', stage: 'over', rejected: [1] })
    // what is done already is left as it is
    expect(await succeed('voter', 'proceed', caseId, id)).toContain('An advertisement.')
    const metrics = await (await fetch(`${inject('houseUrl')}/metrics`)).text()
    expect(metrics).toMatch(/openledger_panel_steps\{step="carryOut"\} [1-9]/)
    expect((await owedToVoter()) - before).toBe(Open.parse('0.2'))
    expect(await succeed('voter', 'withdraw-fees')).toContain('Paid out')
    // fees, and what the first judge lost, went to those whom the last word agrees with
    const { votes } = await only()
    const sumOf = (field: 'paidWei' | 'slashedWei') =>
      votes.reduce((sum, vote) => sum + BigInt(vote[field]), 0n)
    expect(sumOf('paidWei') - sumOf('slashedWei')).toBe(Open.parse('0.3'))
    expect(await each('withdraw-fees')).toEqual(others.map(() => expect.stringContaining('Paid out')))
  })
})

describe('a Datanet whose licence is not open', () => {
  let house: Visit
  let datanetId: string
  let id: string

  const stands = (status: string) =>
    waitFor(`the contribution to be ${status}`, 60_000, async () =>
      (await house.client.contribution(id)).status === status ? true : undefined,
    )

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
    const name = `members-${Date.now()}`
    const licence = 'LicenseRef-Members'
    await succeed('builder', 'create-datanet', name, '--summary', 'For members', '--licence', licence)
    datanetId = (await house.client.datanets()).find((datanet) => datanet.name === name)!.id
    const input = { datanetId, licence, records: [SECRET, SPAM], title: 'mill papers' }
    id = (await house.client.contribute(input, signerOf(contributor))).id
    await stands('versioned')
  })

  test('shows its texts to nobody who has no part in it, and says how to come to them', async () => {
    const { records, access } = await house.client.contribution(id)
    expect(records.map(({ text, characterCount }) => [text, characterCount])).toEqual([
      [null, SECRET.length],
      [null, SPAM.length],
    ])
    expect(access).toContain(`openledger buy-licence ${datanetId}`)
    const refused = await openledger('caller', 'records', id)
    expect([refused.status, refused.output.includes(SECRET)]).toEqual([1, false])
    expect(refused.output).toContain('licence holder')
    expect(await succeed('contributor-30', 'records', id)).toContain(SECRET)
    const training = await openledger('caller', 'train', 'mill-1', datanetId)
    expect(training.status).toBe(1)
    expect(training.output).toContain('whose texts are under LicenseRef-Members')
  })

  test('is read by who bought its licence, and the fee is the contributor’s', async () => {
    await succeed('builder', 'sell-licence', datanetId, '--price', '0.5', '--days', '30')
    expect(await succeed('caller', 'buy-licence', datanetId)).toContain('0.5 OPEN')
    expect(await succeed('caller', 'records', id)).toContain(SECRET)
    const before = await house.l2.getBalance({ address: contributor.address })
    expect(await succeed('contributor-30', 'claim-licence-fees')).toContain('0.5 OPEN')
    expect((await house.l2.getBalance({ address: contributor.address })) - before).toBe(5n * 10n ** 17n)
  })

  test('is judged by whom its owner names, and gives back what its contributor takes back', async () => {
    const voter = DevelopmentKeys.account('voter').address
    await succeed('builder', 'name-validator', datanetId, voter)
    expect(await succeed('voter', 'validate', datanetId, id)).toContain(SPAM)
    const reason = 'An advertisement.'
    await succeed('voter', 'validate', datanetId, id, '--reject', '1', '--reason', reason)
    await expect
      .poll(async () => (await house.client.datanet(datanetId)).version, { timeout: 60_000, interval: 500 })
      .toBe(2)
    const { records } = await house.client.contribution(id)
    expect(records.map(({ verdict, reason: why }) => [verdict, why])).toEqual([
      ['accepted', ''],
      ['rejected', reason],
    ])
    await succeed('contributor-30', 'withdraw-contribution', id)
    await stands('withdrawn')
    expect(await house.client.datanet(datanetId)).toMatchObject({ version: 2 })
  })
})
