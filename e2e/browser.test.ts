import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { chromiumPath, connectWallet, launch, picture } from './Browser.ts'
import { visit } from './People.ts'

const executablePath = chromiumPath()

/** Collects what goes wrong on a page, and what the browser warns of. */
function watch(page: Page, errors: string[]): void {
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    // a busy server asks to be asked again, which the page does
    if (message.text().includes('status of 503')) return
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
  })
}

// where no Chromium is installed this suite is reported as skipped; continuous integration installs one
describe.skipIf(executablePath === undefined)('a person with a browser', () => {
  let browser: Browser
  let page: Page
  const errors: string[] = []

  beforeAll(async () => {
    browser = await launch(executablePath!)
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    page.setDefaultTimeout(30_000)
    watch(page, errors)
  })
  afterAll(() => browser.close())

  test('contributes', async () => {
    await page.goto(inject('houseUrl'))
    await page.getByRole('heading', { name: /AI that pays/ }).waitFor()
    await picture(page, 'home')
    await connectWallet(page, 'Development: new contributor')
    await page.getByRole('link', { name: 'Datanets', exact: true }).click()
    await picture(page, 'datanets')
    await page.getByRole('link', { name: 'solidity', exact: true }).click()
    await page.getByLabel('Title').fill('A streaming payment')
    await page
      .getByLabel('Text', { exact: true })
      .fill(
        '// SPDX-License-Identifier: MIT\ncontract PaymentStream {\n    /// Pays what has become due since the last visit and remembers the time.\n    function releaseStream(uint256 streamId) external {\n        Stream storage stream = _streams[streamId];\n        uint256 dueWei = (block.timestamp - stream.visitedAt) * stream.weiPerSecond;\n        stream.visitedAt = block.timestamp;\n        payable(stream.payee).transfer(dueWei);\n    }\n}\n',
      )
    await page.getByRole('button', { name: 'Show the records' }).click()
    await page.getByText(/records? under root/).waitFor()
    await picture(page, 'contribute')
    await page.getByRole('button', { name: 'Sign and contribute' }).click()
    await page.getByText('On chain', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'follow them here' }).click()
    await page.getByText('accepted', { exact: true }).first().waitFor({ timeout: 60_000 })
    await picture(page, 'contribution')
  })

  test('opens a Datanet of their own and fills it', async () => {
    const { client } = await visit(inject('houseUrl'))
    await connectWallet(page, 'Development: model builder')
    await page.getByRole('link', { name: 'Datanets', exact: true }).click()
    await page.getByRole('button', { name: 'New Datanet' }).click()
    await page.getByLabel('Name', { exact: true }).fill('browser-notes')
    await page.getByLabel('What belongs in it').fill('How this house works, in its own words.')
    await page.getByRole('button', { name: 'Create on chain' }).click()
    await page.getByRole('heading', { name: 'browser-notes' }).waitFor({ timeout: 60_000 })
    await page.getByLabel('Title').fill('Money')
    await page
      .getByLabel('Text', { exact: true })
      .fill(readFileSync(join(import.meta.dirname, '../docs/settlement.md'), 'utf8'))
    await page.getByRole('button', { name: 'Sign and contribute' }).click()
    await page.getByText('On chain', { exact: true }).waitFor({ timeout: 60_000 })
    await expect
      .poll(async () => (await client.contributions()).every(({ status }) => status === 'versioned'), {
        timeout: 60_000,
      })
      .toBe(true)
    await page.getByText('version 1', { exact: true }).waitFor()
    await picture(page, 'own-datanet')
  })

  test('trains and publishes a model on it, with a loss curve that moves', async () => {
    await page.getByRole('link', { name: 'Models', exact: true }).click()
    await page.getByLabel('Model name').fill('browser-1')
    await page.getByRole('combobox', { name: 'Datanets' }).click()
    await page.getByRole('option', { name: /^browser-notes/ }).click()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: /Settings/ }).click()
    await page.getByLabel('Epochs').fill('3')
    await picture(page, 'train')
    await page.getByRole('button', { name: 'Sign and train' }).click()
    await page.getByText(/tokens\/s/).waitFor({ timeout: 120_000 })
    await picture(page, 'training')
    await page.getByRole('button', { name: 'Sign and publish' }).click({ timeout: 400_000 })
    await page.getByRole('link', { name: 'Ask it' }).click({ timeout: 60_000 })
  })

  test('chats, and sees on the words and beside them whom the answer pays', async () => {
    await page.goto(`${inject('houseUrl')}/chat?model=solidity-1`)
    await connectWallet(page, 'Development: caller')
    await page.getByText(/at most 0\.\d+ OPEN/).waitFor()
    await page.getByRole('button', { name: 'Prepay', exact: true }).click()
    await page.getByText('Done, on chain:').waitFor()
    await page.getByRole('button', { name: 'Make a key with this limit' }).click()
    await page.getByText(/spent with your key: 0 OPEN/).waitFor()
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByRole('heading', { name: 'Who this answer pays' }).waitFor({ timeout: 120_000 })
    await page.getByText(/is settled on chain/).waitFor({ timeout: 60_000 })
    await picture(page, 'chat')

    // from a payee to the words and records, and back
    const payees = page.getByRole('region', { name: 'Who this answer pays' })
    const highest = payees.getByRole('listitem').first().getByRole('button').first()
    await highest.click()
    await payees
      .getByRole('link', { name: /^Record \d+$/ })
      .first()
      .waitFor()
    await picture(page, 'chat-chosen')
    await highest.click()
    const mark = page.getByRole('button', { name: /Also in / }).first()
    if ((await mark.count()) > 0) {
      await mark.hover()
      await page.getByRole('tooltip', { name: /Also in / }).waitFor()
      await mark.press('Enter')
      expect(await mark.getAttribute('aria-pressed')).toBe('true')
      expect(await payees.getByRole('button', { expanded: true }).count()).toBe(1)
      await mark.press('Enter')
    }

    await page.getByRole('link', { name: /^Receipt \d+$/ }).click()
    await page.getByRole('heading', { name: 'The bill' }).waitFor()
    await picture(page, 'receipt')
    await page.goBack()
    await page.getByRole('heading', { name: 'Ask a model' }).waitFor()
  })

  test('earns and claims', async () => {
    await connectWallet(page, 'Development: first contributor')
    await page.getByRole('link', { name: 'Earnings', exact: true }).click()
    await page
      .getByText(/^Receipt \d+$/)
      .first()
      .waitFor({ timeout: 60_000 })
    await picture(page, 'earnings')
    await page.getByRole('button', { name: 'Claim', exact: true }).click()
    await page.getByText(/claimed in/).waitFor({ timeout: 60_000 })
    await picture(page, 'claimed')
  })

  test('stakes behind a model and takes it out again', async () => {
    await connectWallet(page, 'Development: backer')
    await page.getByRole('link', { name: 'Models', exact: true }).click()
    const model = page.getByRole('article', { name: 'solidity-1' })
    await model.getByRole('button', { name: 'Stake behind it' }).click()
    await model.getByRole('button', { name: 'Stake', exact: true }).click()
    await model.getByText('Done, on chain:').waitFor()
    await model.getByRole('button', { name: 'Take out' }).click()
    await model.getByText(/yours again in/).waitFor()
    await picture(page, 'models')
    const ready = model.getByRole('button', { name: 'Withdraw it', disabled: false })
    const left = async () => {
      if ((await ready.count()) > 0) await ready.first().click()
      return model.getByText(/OPEN taken out/).count()
    }
    await expect.poll(left, { timeout: 60_000, interval: 1_000 }).toBe(0)
  })

  test('proposes a split and votes for it', async () => {
    await connectWallet(page, 'Development: voter')
    await page.getByRole('link', { name: 'Governance', exact: true }).click()
    await page.getByRole('heading', { name: 'The split in force' }).waitFor()
    await page.getByRole('button', { name: 'Turn into votes' }).click()
    await page.getByText('Done: your wallet holds the gOPEN').waitFor()
    const why = `In a browser, ${Date.now()}`
    await page.getByLabel('Why').fill(why)
    await page.getByRole('button', { name: 'Propose', exact: true }).click()
    const proposal = page.getByRole('article', { name: why })
    await proposal.getByRole('button', { name: 'Vote for' }).click({ timeout: 60_000 })
    await proposal.getByText(/You have voted/).waitFor()
    await picture(page, 'governance')
  })

  test('puts an agent on chain, gives it money and ends its key', async () => {
    await connectWallet(page, 'Development: caller')
    await page.getByRole('link', { name: 'Agents', exact: true }).click()
    await page.getByRole('button', { name: 'New agent' }).click()
    await page.getByLabel('Name').fill('made in the page')
    await page.getByRole('button', { name: 'Create on chain' }).click()
    await page.getByText('shown once').waitFor({ timeout: 60_000 })
    await page.getByRole('button', { name: 'I have kept it' }).click()
    const card = page.getByRole('article', { name: 'made in the page' })
    await card.getByRole('button', { name: 'Give it more' }).click()
    await card.getByText('Done, on chain:').waitFor({ timeout: 60_000 })
    await card.getByRole('button', { name: 'End its keys' }).click()
    await card.getByText('revoked by its owner').waitFor({ timeout: 60_000 })
    await picture(page, 'agent')
  })

  test('finds the blocks and transactions of all that, and the agents', async () => {
    await page.getByRole('link', { name: 'Explorer', exact: true }).click()
    await page.getByRole('heading', { name: 'Blocks' }).waitFor()
    await page
      .getByRole('link', { name: /^[\d,]+$/ })
      .first()
      .waitFor()
    await picture(page, 'explorer')
    await page.getByLabel('Block number or transaction hash').fill('1')
    await page.getByRole('button', { name: 'Find' }).click()
    await page.getByRole('heading', { name: 'Block 1', exact: true }).waitFor()
    expect(await page.title()).toBe('Block 1 · OpenLedger')
    // who goes on by keyboard or by ear is at the new page's heading
    await expect.poll(() => page.evaluate('document.activeElement.textContent.slice(0, 40)')).toBe('Block 1')
    await page.getByRole('link', { name: 'Agents', exact: true }).click()
    await page.getByRole('heading', { name: 'Connect an agent' }).waitFor()
  })

  test('meets no error and no barrier on the way, on a phone and in the dark as well', async () => {
    for (const [name, viewport, colorScheme] of [
      ['phone', { width: 390, height: 844 }, 'light'],
      ['dark', { width: 1280, height: 900 }, 'dark'],
    ] as const) {
      const other = await browser.newPage({ viewport, colorScheme })
      watch(other, errors)
      for (const path of ['', 'datanets/1', 'models', 'chat', 'agents', 'governance', 'explorer']) {
        await other.goto(`${inject('houseUrl')}/${path}`)
        await other.getByRole('heading', { level: 1 }).waitFor()
        await picture(other, `${name}-${path.replace('/', '-') || 'home'}`)
        const overflow = await other.evaluate('document.documentElement.scrollWidth - window.innerWidth')
        expect({ path, overflow }).toEqual({ path, overflow: 0 })
      }
      await other.close()
    }
    expect(errors).toEqual([])
  })
})
