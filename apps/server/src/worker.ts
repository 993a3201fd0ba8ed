import { createTrainingWorker } from '@openledger/modelfactory'
import { BaseError } from '@openledger/primitives'
import { createDatabase, createJobs } from '@openledger/store'
import { judgeOf, readConfig } from './Config.ts'
import { createBlobs } from './createBlobs.ts'
import { createLogger } from './createLogger.ts'
import { runUntilStopped } from './runUntilStopped.ts'

class DatabaseMissingError extends BaseError {
  constructor() {
    super({
      code: 'worker.database_missing',
      message:
        'Expected OPENLEDGER_DATABASE_URL to name the PostgreSQL that the server uses, got none. The embedded database has one process: the server trains itself.',
    })
  }
}

/**
 * The program that only trains: takes runs from the database that a server uses, until it is told to stop. Any number of them
 * may run, on any machine that reaches the database and the blobs.
 */
await runUntilStopped(async () => {
  const config = readConfig(process.env)
  if (config.databaseUrl === undefined) throw new DatabaseMissingError()
  const logger = createLogger(config).child({ part: 'worker', pid: process.pid })
  const database = await createDatabase({ url: config.databaseUrl, connectionCountMax: 4 })
  const jobs = await createJobs(database, {
    onError: (error, context) =>
      logger.warn({ ...context, reason: (error as Error).message }, 'a job failed and will be tried again'),
  })
  const worker = createTrainingWorker(
    {
      database,
      jobs,
      blobs: createBlobs(config),
      baseDirectory: config.baseModel,
      workers: config.engineThreads,
      judge: judgeOf(config),
    },
    {
      limits: { openRunsMax: config.trainingRunsMax, runningMax: config.trainingRunningMax },
      onTrained: (runId) => logger.info({ runId }, 'trained'),
    },
  )
  await worker.work()
  logger.info({}, 'takes training runs')
  return { close: () => jobs.stop().then(database.close) }
})
