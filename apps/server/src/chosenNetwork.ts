import { Jwt, type NodeOptions, nodeKeysOf, productionParameters, readNetworkFolder } from '@openledger/node'
import { DevelopmentKeys } from '@openledger/protocol'
import type { LocalAccount } from 'viem'
import { type Config, ConfigError, variableOf } from './Config.ts'

/** The network that a configuration asks for: the development network, or one of the operator's own. */
export type ChosenNetwork = {
  readonly name: string
  /** Its keys are known to everybody, and its OPEN is worth nothing. */
  readonly isDevelopment: boolean
  readonly operator: LocalAccount
  readonly validator: LocalAccount
  readonly node: Pick<NodeOptions, 'l1' | 'l2' | 'keys' | 'parameters'>
}

/**
 * Reads which network to run.
 * @throws {ConfigError} when settings contradict each other, and what {@link readNetworkFolder} throws.
 */
export function chosenNetwork(config: Config): ChosenNetwork {
  const l2 = {
    rpcPort: config.l2RpcPort,
    rpcHost: config.host,
    blockTimeSeconds: config.blockTimeSeconds,
    historyBlocks: config.historyBlocks,
    forks: {
      ...(config.jovianTime === undefined ? {} : { jovianTime: config.jovianTime }),
      ...(config.karstTime === undefined ? {} : { karstTime: config.karstTime }),
    },
    ...(config.upgrades === undefined ? {} : { upgradesDirectory: config.upgrades }),
    batches: config.batches,
    batchData: config.batchData,
    ...executionOf(config),
  }
  const beacon = config.l1BeaconUrl === undefined ? {} : { beaconUrl: config.l1BeaconUrl }
  if (config.network === undefined) {
    const { l1RpcUrl, l1Port } = config
    return {
      name: 'OpenLedger development',
      isDevelopment: true,
      operator: DevelopmentKeys.account('operator'),
      validator: DevelopmentKeys.account('validator'),
      node: { l1: l1RpcUrl === undefined ? { port: l1Port } : { rpcUrl: l1RpcUrl, ...beacon }, l2 },
    }
  }
  const { l1RpcUrl } = config
  if (l1RpcUrl === undefined) {
    throw new ConfigError(
      variableOf('l1RpcUrl'),
      `Expected the L1 that the network in ${config.network} stands on`,
    )
  }
  if (config.publicL1RpcUrl === undefined && !isBare(l1RpcUrl)) {
    throw new ConfigError(
      variableOf('publicL1RpcUrl'),
      `Expected the L1 address that wallets may know, because ${variableOf('l1RpcUrl')} has more than a host in it and may be a secret`,
    )
  }
  const network = readNetworkFolder(config.network)
  const { l2ChainId, confirmationDepth, submissionInterval, finalizationPeriodSeconds } = network
  return {
    name: network.name,
    isDevelopment: false,
    operator: network.accounts.operator,
    validator: network.accounts.validator,
    node: {
      l1: { rpcUrl: l1RpcUrl, confirmationDepth: BigInt(confirmationDepth), ...beacon },
      l2: { ...l2, chainId: l2ChainId, submissionInterval, finalizationPeriodSeconds },
      keys: nodeKeysOf(network),
      parameters: productionParameters,
    },
  }
}

/** The execution client that the settings name, if any. */
function executionOf({ engineUrl, engineJwtSecret }: Config): Pick<NonNullable<NodeOptions['l2']>, 'engine'> {
  if (engineUrl === undefined) return {}
  if (engineJwtSecret === undefined) {
    throw new ConfigError(
      variableOf('engineJwtSecret'),
      `Expected the file with the secret of the execution client at ${engineUrl}`,
    )
  }
  return { engine: { url: engineUrl, secret: Jwt.readSecret(engineJwtSecret) } }
}

/** Says whether an address is a host and nothing else: providers put their keys into paths, queries and user names. */
function isBare(url: string): boolean {
  const { username, pathname, search } = new URL(url)
  return username === '' && pathname === '/' && search === ''
}
