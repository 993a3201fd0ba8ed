import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, stopDevelopmentL1 } from '@openledger/node'
import { freePort } from '@openledger/node/l1/Anvil'
import { afterEach, expect, test, vi } from 'vitest'

const PAGE = new URL('../../../docs/operations.md', import.meta.url)
const MAIN = new URL('./main.ts', import.meta.url).pathname
const running: ChildProcess[] = []
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

/** The commands of a section of the page, in order. */
function commandsOf(heading: string): string[] {
  const [, section = ''] = readFileSync(PAGE, 'utf8').split(`### ${heading}\n`)
  const blocks = section.split(/^#{2,3} /m)[0]!.matchAll(/```sh\n(.*?)```/gs)
  return [...blocks].flatMap(([, text]) => text!.trim().split('\n'))
}

test('the page’s commands hand a sequencer over, and every block stays', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-handing-over-'))
  const [adminPort, rpcPort, secondAdmin, secondRpc] = await Promise.all([1, 2, 3, 4].map(freePort))
  const first = await createNode({
    directory,
    l1: { blockTimeSeconds: 1 },
    l2: {
      blockTimeSeconds: 1,
      batchIntervalSeconds: 1,
      rpcPort: rpcPort!,
      admin: { port: adminPort! },
      without: ['proposer', 'challenger'],
    },
  })
  try {
    const spawned = (command: string): { child: ChildProcess; said: () => string } => {
      const words = command
        .replace('npm run openledger -- ', '')
        .replaceAll('$L1', first.l1RpcUrl)
        .replaceAll('9548', `${adminPort}`)
        .replaceAll('9549', `${secondAdmin}`)
        .replaceAll('9545', `${rpcPort}`)
        .replaceAll('9555', `${secondRpc}`)
        .replaceAll('.sequencer/', `${directory}/`)
        .replaceAll('.second', join(directory, 'second'))
        .replaceAll('$HASH', first.engine.head().hash)
        .split(' ')
      const files = ['genesis', 'rollup'].flatMap((name) => [`--${name}`, join(directory, `${name}.json`)])
      const readsL1 = words.includes('--l1')
      const own = words.includes('--directory') ? [] : ['--directory', join(directory, words[0]!)]
      const all = readsL1 ? [...words, ...files, ...own] : words
      const child = spawn(process.execPath, ['--no-warnings', MAIN, ...all], { stdio: 'pipe' })
      running.push(child)
      let text = ''
      for (const stream of [child.stdout, child.stderr]) stream!.on('data', (chunk) => (text += chunk))
      return { child, said: () => text }
    }
    const ended = async ({ child, said }: ReturnType<typeof spawned>): Promise<string> => {
      const code = await new Promise((resolve) => child.once('exit', resolve))
      expect({ code, said: said() }).toMatchObject({ code: 0 })
      return said()
    }
    const [second, stop, batcher, start] = commandsOf('Handing over')

    const waiting = spawned(second!)
    await vi.waitFor(() => expect(waiting.said()).toMatch(/L2 [1-9]\d* derived/), 60_000)
    const told = await ended(spawned(stop!))
    const last = first.engine.head()
    expect(told).toContain(last.hash)
    expect(first.engine.safe().hash).toBe(last.hash)
    spawned(batcher!)
    expect(await ended(spawned(start!))).toContain(`started on ${last.hash}`)

    // the first follows the second from L1, and its own blocks stay
    await vi.waitFor(() => expect(first.engine.safe().number).toBeGreaterThan(last.number + 2n), 60_000)
    expect(first.engine.block(last.number)!.hash).toBe(last.hash)
    const response = await fetch(`http://127.0.0.1:${secondRpc}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'eth_getBlockByNumber',
        params: [`0x${first.engine.safe().number.toString(16)}`, false],
      }),
    })
    expect(await response.json()).toMatchObject({ result: { hash: first.engine.safe().hash } })
  } finally {
    for (const child of running.splice(0)) child.kill('SIGKILL')
    await first.close()
    await stopDevelopmentL1(directory)
    rmSync(directory, { recursive: true, force: true })
  }
}, 240_000)
