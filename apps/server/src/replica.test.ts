import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createOpenLora, createReplicaBackend, type OpenLora } from '@openledger/openlora'
import { afterAll, beforeAll, expect, test } from 'vitest'

const secret = 'a long text that both know'
const baseDirectory = join(import.meta.dirname, '../../../assets/base')
const directory = mkdtempSync(join(tmpdir(), 'openledger-replica-'))
let here: OpenLora
let replica: ChildProcess
let url: string

beforeAll(async () => {
  replica = spawn(process.execPath, [join(import.meta.dirname, 'replica.ts')], {
    env: {
      ...process.env,
      OPENLEDGER_REPLICA_SECRET: secret,
      OPENLEDGER_REPLICA_PORT: '0',
      OPENLEDGER_DATA_DIRECTORY: directory,
      OPENLEDGER_ENGINE_THREADS: '1',
      OPENLEDGER_SERVING_ROWS: '2',
      OPENLEDGER_LOG_LEVEL: 'silent',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  url = await new Promise((resolve) => {
    let said = ''
    replica.stdout!.on('data', (chunk) => {
      said += String(chunk)
      const found = /http:\S+/.exec(said)
      if (found !== null) resolve(found[0])
    })
  })
  const blobs = { get: () => Promise.reject(new Error('none')) }
  here = await createOpenLora(
    { blobs, lookup: async () => undefined, logger: { info: () => {}, error: () => {} } },
    { baseDirectory, baseName: 'base', threads: 1, limits: { rows: 2 } },
  )
})
afterAll(async () => {
  await here.close()
  replica.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

test('a replica answers as the engine here does, and told to stop finishes first and exits', async () => {
  const backend = createReplicaBackend({ url, secret, baseHash: here.baseHash })
  expect(await backend.isHealthy()).toBe(true)
  const prepared = await here.prepare({
    model: 'base',
    caller: 'a',
    prompt: 'contract Token {',
    outputTokensMax: 200,
  })
  const expected = await here.generate(prepared).result
  const generation = backend.generate(prepared)
  const exited = once(replica, 'exit')
  let tokens = 0
  for await (const { tokenId } of generation) {
    if (tokenId !== null && ++tokens === 3) {
      replica.kill('SIGTERM')
      await expect.poll(() => backend.isHealthy().catch(() => false)).toBe(false)
      // what comes now is refused so that a router tries another
      await expect(backend.generate(prepared).result).rejects.toMatchObject({ severity: 'retry' })
    }
  }
  expect(await generation.result).toEqual(expected)
  expect(await exited).toEqual([0, null])
})
