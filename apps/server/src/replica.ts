import { pino } from 'pino'
import { readConfig } from './Config.ts'
import { createReplica } from './createReplica.ts'
import { runUntilStopped } from './runUntilStopped.ts'

/** The program of a replica: reads the environment, lends an engine, stops it when told to. */
await runUntilStopped(async () => {
  const config = readConfig(process.env)
  const replica = await createReplica(config, pino({ level: config.logLevel }))
  console.log(`\n  A replica listens at ${replica.url}\n`)
  return replica
})
