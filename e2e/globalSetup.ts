import { rmSync } from 'node:fs'
import type { TestProject } from 'vitest/node'
import { buildPage } from '../scripts/buildPage.ts'
import { type House, newDirectory, startHouse } from './House.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    houseUrl: string
    houseDirectory: string
  }
}

let house: House | undefined

/**
 * One house for every test that does not need its own. Its first start is the slow part and goes on beside the suites that
 * run before this one; `untilSeeded.setup.ts` waits for it.
 */
export async function setup({ provide }: TestProject): Promise<void> {
  buildPage()
  const directory = newDirectory()
  house = await startHouse(directory)
  provide('houseUrl', house.url)
  provide('houseDirectory', directory)
}

export async function teardown(): Promise<void> {
  await house?.stop()
  if (house !== undefined) rmSync(house.directory, { recursive: true, force: true })
}
