import { DevelopmentKeys } from '@openledger/protocol'
import { signerOf } from '@openledger/sdk'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { chromiumPath, connectWallet, launch, picture } from './Browser.ts'
import * as CommandLine from './CommandLine.ts'
import { waitFor } from './House.ts'
import { lower, type Visit, visit } from './People.ts'

const executablePath = chromiumPath()
const succeed = (role: string, ...words: string[]) =>
  CommandLine.succeed(['--as', role, ...words], { OPENLEDGER_URL: inject('houseUrl') })

const FERRY =
  'The ferry at the second bend crosses once an hour, and twice when the market flag has been raised.'
const TICKETS =
  'Take the early ferry ten times this month and cross for nothing on every day of the month after.'
const JUDGES = ['backer', 'caller', 'voter'] as const

describe.skipIf(executablePath === undefined)('a dispute, in a browser', () => {
  let house: Visit
  let browser: Browser
  let page: Page
  let datanetId: string
  let id: string

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
    const name = `disputed-${Date.now()}`
    await succeed('builder', 'create-datanet', name, '--summary', 'Disputed', '--licence', 'MIT')
    datanetId = (await house.client.datanets()).find((datanet) => datanet.name === name)!.id
    const input = { datanetId, licence: 'MIT', records: [FERRY, TICKETS], title: 'ferry notes' }
    id = (await house.client.contribute(input, signerOf(DevelopmentKeys.contributor(31)))).id as typeof id
    await waitFor('the rules to judge', 60_000, async () =>
      (await contribution()).status === 'versioned' ? true : undefined,
    )
    // too little for the server to carry it forward: every step is a person's
    await succeed('builder', 'use-panel', datanetId, '--judges', '1', '--fee', '0.005')
    for (const judge of JUDGES) await succeed(judge, 'enlist', '20')
    browser = await launch(executablePath!)
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    page.setDefaultTimeout(60_000)
  })
  afterAll(async () => {
    await browser?.close()
    for (const judge of JUDGES) await succeed(judge, 'delist')
  })

  const contribution = () => house.client.contribution(id)
  const theCase = async () => (await house.client.panelCases(id))[0]!
  const click = (name: string) => page.getByRole('button', { name, exact: true }).click()
  /** Who was drawn and has not revealed yet, by role. */
  const drawn = async () =>
    (await theCase()).votes
      .filter(({ state }) => state !== 'revealed')
      .map(({ judge }) => JUDGES.find((role) => lower(DevelopmentKeys.account(role).address) === judge)!)
  const votes = (count: number, state: string) =>
    waitFor(`${count} votes to be ${state}`, 60_000, async () =>
      (await theCase()).votes.filter((vote) => vote.state === state).length === count ? true : undefined,
    )
  const walletOf = (role: (typeof JUDGES)[number]) => connectWallet(page, `Development: ${role}`)

  test('is opened, judged, appealed, judged by others, counted and recorded by clicks', async () => {
    await page.goto(`${inject('houseUrl')}/contributions/${id}`)
    await connectWallet(page, 'Development: model builder')
    await page.getByLabel('Records whose verdict you dispute').fill('2')
    await click('Dispute')
    await click('Draw the judges')
    await votes(1, 'drawn')

    // the first judge keeps the record, which every rule let pass
    const [first] = await drawn()
    await walletOf(first!)
    await page.getByLabel('Records that you accept, of those disputed').fill('2')
    await click('Commit')
    await votes(1, 'committed')
    const why = page.getByLabel('Why', { exact: true })
    await why.fill('It says when the ferry goes.')
    await click('Reveal')
    await votes(1, 'revealed')

    await connectWallet(page, 'Development: model builder')
    await click('Appeal')
    await click('Draw the judges')
    await votes(2, 'drawn')
    const caseId = String((await theCase()).id)
    const [second, third] = await drawn()
    const committing = succeed(third!, 'commit-verdict', caseId, id, '--accept', 'none')
    await walletOf(second!)
    await page.getByLabel('Records that you accept, of those disputed').fill('')
    await click('Commit')
    await committing
    await votes(2, 'committed')
    await picture(page, 'dispute')
    await why.fill('An advertisement.')
    const revealing = succeed(third!, 'reveal-verdict', caseId)
    await click('Reveal')
    await revealing
    await votes(3, 'revealed')

    await click('Count the votes')
    await click('Record it')
    await page.getByText('Rejected: 2.').waitFor()
    await page.getByText('rejected', { exact: true }).waitFor()
    await waitFor('the next version', 60_000, async () =>
      (await house.client.datanet(datanetId)).version === 2 ? true : undefined,
    )
    expect((await contribution()).records.map(({ verdict, reason }) => [verdict, reason])).toEqual([
      ['accepted', ''],
      ['rejected', `Case ${caseId} of the panel: An advertisement.`],
    ])
    await picture(page, 'dispute-decided')
  })
})
