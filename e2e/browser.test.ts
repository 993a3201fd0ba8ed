import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { chromiumPath, launch, picture } from './Browser.ts'
import { visit } from './People.ts'

const executablePath = chromiumPath()

/** Connects one of the development wallets that the page announces. */
async function connectWallet(page: Page, name: string): Promise<void> {
  await page
    .getByRole('button', { name: /Connect wallet|0x/ })
    .first()
    .click()
  await page.getByRole('menuitem', { name }).click()
  await page.getByRole('button', { name: /^0x/ }).first().waitFor()
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
    page.on('pageerror', (error) => errors.push(error.message))
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

  test('trains and publishes a model, with a loss curve that moves', async () => {
    const { client } = await visit(inject('houseUrl'))
    await expect
      .poll(async () => (await client.contributions()).every(({ status }) => status === 'versioned'), {
        timeout: 60_000,
      })
      .toBe(true)
    await connectWallet(page, 'Development: model builder')
    await page.getByRole('link', { name: 'Models', exact: true }).click()
    await page.getByLabel('Model name').fill('browser-1')
    await page.getByRole('combobox', { name: 'Datanet' }).click()
    await page.getByRole('option', { name: /^solidity/ }).click()
    await page.getByRole('button', { name: /Settings/ }).click()
    await page.getByLabel('Epochs').fill('1')
    await picture(page, 'train')
    await page.getByRole('button', { name: 'Sign and train' }).click()
    await page.getByText(/tokens\/s/).waitFor({ timeout: 120_000 })
    await picture(page, 'training')
    await page.getByRole('button', { name: 'Sign and publish' }).click({ timeout: 400_000 })
    await page.getByRole('link', { name: 'Ask it' }).click({ timeout: 60_000 })
  })

  test('chats, and sees on the words and beside them whom the answer pays', async () => {
    await connectWallet(page, 'Development: caller')
    await page.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('button', { name: 'Make a key with this limit' }).click()
    await page.getByText('Any OpenAI client works with this key').waitFor()
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByRole('heading', { name: 'Who this answer pays' }).waitFor({ timeout: 120_000 })
    await page.getByText(/is settled on chain/).waitFor({ timeout: 60_000 })
    await picture(page, 'chat')
    await page.getByText(/is settled on chain/).click()
    await page.getByRole('heading', { name: 'The bill' }).waitFor()
    await picture(page, 'receipt')
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

  test('finds the blocks and transactions of all that', async () => {
    await page.getByRole('link', { name: 'Explorer', exact: true }).click()
    await page.getByRole('heading', { name: 'Blocks' }).waitFor()
    await page
      .getByRole('link', { name: /^[\d,]+$/ })
      .first()
      .waitFor()
    await picture(page, 'explorer')
  })

  test('meets no error on the way, on a phone and in the dark as well', async () => {
    for (const [name, viewport, colorScheme] of [
      ['phone', { width: 390, height: 844 }, 'light'],
      ['dark', { width: 1280, height: 900 }, 'dark'],
    ] as const) {
      const other = await browser.newPage({ viewport, colorScheme })
      for (const path of ['', 'datanets/1', 'models', 'chat', 'explorer']) {
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
