import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bytes } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { runTraining } from '../src/TrainingThread.ts'
import { writeTinyBase } from './trainingWorld.ts'

/** Trains in a process whose threads may have little memory, and prints why that ended. */
const directory = await mkdtemp(join(tmpdir(), 'openledger-starved-'))
try {
  await writeTinyBase(directory)
  const records = Array.from({ length: 20_000 }, (_, i) => {
    const id = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(`record ${i}`)))
    return { recordId: id, contributionId: id, clusterId: id, text: `The tower ${i} has ${i * 7} steps.` }
  })
  await runTraining(
    {
      baseDirectory: directory,
      records,
      config: Http.trainingConfigSchema.parse({ rehearsal: 0 }),
      workers: 0,
    },
    {
      signal: new AbortController().signal,
      onStart: async () => {},
      onMetric: async () => {},
      onCheckpoint: async () => {},
      onIndexing: async () => {},
    },
  )
} catch (error) {
  console.log((error as Error).message)
} finally {
  await rm(directory, { recursive: true })
}
