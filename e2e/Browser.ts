import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Where a Chromium is on this machine; undefined when there is none. */
export const chromiumPath = (): string | undefined =>
  [process.env['OPENLEDGER_CHROMIUM'], ...PLACES].find((path) => path !== undefined && existsSync(path))

/** Starts a real Chromium that speaks to nobody but the page. */
export const launch = (executablePath: string): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })

/** Connects one of the development wallets that the page announces. */
export async function connectWallet(page: Page, name: string): Promise<void> {
  await page
    .getByRole('button', { name: /Connect wallet|0x/ })
    .first()
    .click()
  await page.getByRole('menuitem', { name }).click()
  await page.getByRole('button', { name: /^0x/ }).first().waitFor()
}

/**
 * Keeps a picture of what a person would see, looked at by people and compared by nobody.
 * @throws {Error} where somebody would meet a barrier.
 */
export async function picture(page: Page, name: string): Promise<void> {
  const folder =
    process.env['OPENLEDGER_SCREENSHOTS'] ?? join(import.meta.dirname, '../.openledger/screenshots')
  mkdirSync(folder, { recursive: true })
  // what is fixed to the window would otherwise stand in the middle of the picture
  await page.evaluate('window.scrollTo(0, 0)')
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
  const found = await barriers(page)
  if (found.length > 0) throw new Error(`Expected no barrier on ${name}, got:\n${found.join('\n')}`)
}

/** What axe finds on a page as it stands against WCAG 2.2 (A and AA) and common practice: rule and element, one line each. */
async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = (await page.evaluate(
    'axe.run(document, { resultTypes: ["violations"] })',
  )) as axe.AxeResults
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`))
}
