import { BaseError } from '@openledger/primitives'
import { Command } from 'commander'
import { addAgentCommands } from './commands/agent.ts'
import { addChainCommands } from './commands/chain.ts'
import { addCourtCommands } from './commands/court.ts'
import { addDatanetCommands } from './commands/datanet.ts'
import { addGovernanceCommands } from './commands/governance.ts'
import { addGuaranteeCommands } from './commands/guarantee.ts'
import { addLicenceCommands } from './commands/licence.ts'
import { addModelCommands } from './commands/model.ts'
import { addMoneyCommands } from './commands/money.ts'
import { addNetworkCommands } from './commands/network.ts'
import { addOwnerCommands } from './commands/owner.ts'
import { addPanelCommands } from './commands/panel.ts'
import { addPoolCommands } from './commands/pools.ts'
import { addPrepaidCommands } from './commands/prepaid.ts'
import { addReceiptCommands } from './commands/receipt.ts'
import { addStakingCommands } from './commands/staking.ts'
import { addValidationCommands } from './commands/validation.ts'
import { createSession } from './Session.ts'

/** The command line: all that the page can do, and what an auditor needs. It reads the environment; nothing below it does. */
const program = new Command('openledger')
  .description('AI models that pay the people whose data shaped each answer.')
  .option('--url <url>', 'where the server is', process.env['OPENLEDGER_URL'] ?? 'http://127.0.0.1:8080')
  .option('--as <role>', 'act as a development account: caller, builder, contributor-0, ...')
  .option('--verbose', 'show the whole chain of causes when something fails')
  .showHelpAfterError()

const options = () => program.opts<{ url: string; as?: string; verbose?: boolean }>()
const session = createSession(options, {
  privateKey: process.env['OPENLEDGER_PRIVATE_KEY'],
  apiKey: process.env['OPENLEDGER_API_KEY'],
})

addNetworkCommands(program, session)
addDatanetCommands(program, session)
addLicenceCommands(program, session)
addValidationCommands(program, session)
addModelCommands(program, session)
addReceiptCommands(program, session)
addMoneyCommands(program, session)
addCourtCommands(program, session)
addPrepaidCommands(program, session)
addGovernanceCommands(program, session)
addOwnerCommands(program, session)
addStakingCommands(program, session)
addPanelCommands(program, session)
addPoolCommands(program, session)
addAgentCommands(program, session)
addGuaranteeCommands(program, session)
addChainCommands(program, () => ({ privateKey: process.env['OPENLEDGER_PRIVATE_KEY'], as: options().as }))

try {
  await program.parseAsync()
} catch (error) {
  const { message } = error as Error
  console.error(`openledger: ${error instanceof BaseError ? message : (error as Error).stack}`)
  if (options().verbose) console.error(error)
  process.exitCode = 1
}
