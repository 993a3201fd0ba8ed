import { describeConfig, readConfig } from './Config.ts'
import { createLogger } from './createLogger.ts'
import { createServer } from './createServer.ts'
import { runUntilStopped } from './runUntilStopped.ts'

/** The program: reads the environment, starts the server, stops it when told to. */
await runUntilStopped(async () => {
  const config = readConfig(process.env)
  if (process.argv.includes('--print-config')) {
    console.log(describeConfig(config))
    return undefined
  }
  const server = await createServer(config, createLogger(config))
  const hint = config.network === undefined ? '\n  In a second terminal: npm run tour' : ''
  console.log(`\n  OpenLedger runs at ${server.url}${hint}\n`)
  return server
})
