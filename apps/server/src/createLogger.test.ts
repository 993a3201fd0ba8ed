import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { Config } from './Config.ts'
import { createLogger } from './createLogger.ts'

async function lineOf(logFormat: Config['logFormat'], isTTY: boolean): Promise<string> {
  const output = Object.assign(new PassThrough(), { isTTY })
  createLogger({ logLevel: 'info', logFormat }, output).info(
    { part: 'node', port: 9545 },
    'JSON-RPC is served',
  )
  const [chunk] = await output.take(1).toArray()
  return String(chunk)
}

test('a machine gets one JSON object a line', async () => {
  for (const line of [await lineOf('auto', false), await lineOf('json', true)]) {
    expect(JSON.parse(line)).toMatchObject({ level: 30, part: 'node', port: 9545, msg: 'JSON-RPC is served' })
    expect(line).toMatch(/^[^\n]+\n$/)
  }
})

test('a person gets one short line, without the numbers of processes', async () => {
  expect(await lineOf('text', false)).toMatch(
    /^\[\d\d:\d\d:\d\d\] INFO: JSON-RPC is served \{"port":9545\}\n$/,
  )
  const inTerminal = await lineOf('auto', true)
  expect(inTerminal).toContain('JSON-RPC is served')
  expect(inTerminal).toContain('\u001b[')
})
