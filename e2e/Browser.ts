import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
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

/** Keeps a picture of what a person would see; looked at by people, compared by nobody. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder =
    process.env['OPENLEDGER_SCREENSHOTS'] ?? join(import.meta.dirname, '../.openledger/screenshots')
  mkdirSync(folder, { recursive: true })
  // what is fixed to the window would otherwise stand in the middle of the picture
  await page.evaluate('window.scrollTo(0, 0)')
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}
