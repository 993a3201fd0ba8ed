import { BaseError } from '@openledger/primitives'
import { pino } from 'pino'
import { describeConfig, readConfig } from './Config.ts'
import { createServer } from './createServer.ts'

/** The program: reads the environment, starts the server, stops it when told to. */
try {
  const config = readConfig(process.env)
  if (process.argv.includes('--print-config')) {
    console.log(describeConfig(config))
    process.exit(0)
  }
  const logger = pino({ level: config.logLevel })
  const server = await createServer(config, logger)
  const hint = config.network === undefined ? '\n  In a second terminal: npm run tour' : ''
  console.log(`\n  OpenLedger runs at ${server.url}${hint}\n`)
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // a second signal means it
      if (stopping) process.exit(1)
      stopping = true
      console.log('Stopping ...')
      server.close().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(error)
          process.exit(1)
        },
      )
    })
  }
} catch (error) {
  console.error(error instanceof BaseError ? `openledger: ${error.message}` : error)
  process.exit(1)
}
