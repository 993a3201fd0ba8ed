import { readConfig } from './Config.ts'
import { createLogger } from './createLogger.ts'
import { createReplica } from './createReplica.ts'
import { runUntilStopped } from './runUntilStopped.ts'

/** The program of a replica: reads the environment, lends an engine, stops it when told to. */
await runUntilStopped(async () => {
  const config = readConfig(process.env)
  const replica = await createReplica(config, createLogger(config))
  console.log(`\n  A replica listens at ${replica.url}\n`)
  return replica
})
