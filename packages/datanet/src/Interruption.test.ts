import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Hex, systemClock } from '@openledger/primitives'
import { Abi } from '@openledger/protocol'
import { createDatabase, createDiskBlobs, createJobs, schema } from '@openledger/store'
import { expect, test, vi } from 'vitest'
import { answerKey, SUMMARY } from '../test/datanetHouse.ts'
import { startRegistryChain } from '../test/registryChain.ts'
import { createDatanets } from './index.ts'

test('no acknowledged contribution is lost to kill -9, and what was half done is finished', async () => {
  const home = await mkdtemp(join(tmpdir(), 'openledger-datanet-killed-'))
  try {
    const own = await startRegistryChain()
    const setUp = await createDatabase({ directory: home })
    const first = createDatanets({
      ...own,
      database: setUp,
      jobs: {
        enqueue: async () => {},
        work: async () => {},
        stop: async () => {},
        stopping: new AbortController().signal,
      },
      blobs: createDiskBlobs(`${home}/blobs`),
      clock: systemClock,
      answerKey,
    })
    await first.register({ transactionHash: await own.createDatanet('killed', SUMMARY), summary: SUMMARY })
    await setUp.close()

    const acknowledged: Hex[] = []
    for (const round of [0, 1]) {
      const script = join(import.meta.dirname, '../test/interrupted.ts')
      const args = [script, own.url, own.deployment.l2.datanets, home, String(1_000 * round)]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      let output = ''
      child.stdout.on('data', (chunk) => {
        output += chunk
        if (output.split('\n').length > 4 + 3 * round) child.kill('SIGKILL')
      })
      await once(child, 'exit')
      acknowledged.push(...(output.split('\n').slice(0, -1) as Hex[]))
    }
    const reopened = await createDatabase({ directory: home })
    const again = await createJobs(reopened)
    const last = createDatanets({
      ...own,
      database: reopened,
      jobs: again,
      blobs: createDiskBlobs(`${home}/blobs`),
      clock: systemClock,
      answerKey,
    })
    await last.work()
    await vi.waitFor(
      async () => {
        const rows = await reopened.orm.select().from(schema.contributions)
        expect(rows.every(({ status }) => status === 'versioned')).toBe(true)
      },
      { timeout: 30_000, interval: 200 },
    )
    expect(acknowledged.length).toBeGreaterThan(9)
    const listed = await last.contributions({ datanetId: '1' })
    for (const id of acknowledged) expect(listed.map((each) => each.id)).toContain(id)
    const events = await own.publicClient.getContractEvents({
      address: own.deployment.l2.datanets,
      abi: Abi.datanetsAbi,
      eventName: 'VerdictRecorded',
      fromBlock: 0n,
    })
    // no contribution was judged twice
    expect(events).toHaveLength(listed.length)
    const [newest] = await last.versions('1')
    expect(newest!.recordCount).toBe(listed.length)
    await again.stop()
    await reopened.close()
    own.close()
  } finally {
    await rm(home, { recursive: true })
  }
})
