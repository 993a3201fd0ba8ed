import {
  gasPriceOracleDeployedBytecode,
  l1BlockDeployedBytecode,
  uptoPermit2ProxyDeployedBytecode,
} from '@openledger/protocol/abi/index'
import * as BaseFee from '@openledger/rollup/execution/BaseFee'
import type { Genesis, GenesisAccount } from '@openledger/rollup/execution/Genesis'
import * as Predeploys from '@openledger/rollup/execution/Predeploys'
import {
  type Address,
  concat,
  type Hex,
  hexToBigInt,
  keccak256,
  numberToHex,
  pad,
  size,
  stringToHex,
} from 'viem'
import { artifact, preinstalls, withImmutables } from './Bedrock.ts'
import { chainOpConfig, type LaterForks } from './RollupConfig.ts'

export type GenesisOptions = {
  readonly l2ChainId: number
  /** Of the L1 block that the genesis stands on. */
  readonly timestamp: number
  readonly gasLimit: bigint
  /** OPEN on L1. */
  readonly open: Address
  /** Receives on L2 what the fee vaults gather. */
  readonly treasury: Address
  readonly forks?: LaterForks
}

/** Where clients of x402's scheme `upto` look for the spender of their payments, on every chain. */
const UPTO_PERMIT2_PROXY: Address = '0x4020a4f3b7b90cca423b9fabcc0ce57c6c240002'
const PROXY_ADMIN: Address = '0x4200000000000000000000000000000000000018'
/** Where a proxy keeps its implementation and its admin (EIP-1967). */
const IMPLEMENTATION_SLOT = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc'
const ADMIN_SLOT = '0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103'

const CONDITIONAL_DEPLOYER: Address = '0x420000000000000000000000000000000000002c'
/**
 * Slot 0 of the OP Stack's own GasPriceOracle, which an upgrade puts in the place of ours: Ecotone, Fjord, Isthmus and
 * Jovian, a byte each from the right. Ours asks no storage, the other goes by Bedrock's fees without them.
 */
const ORACLE_AT_ISTHMUS = 0x01_01_01n
const ORACLE_AT_JOVIAN = 0x01_01_01_01n

/** Vaults pay out from one OPEN on. */
const VAULT_MINIMUM_WEI = 10n ** 18n
/** `FeeVault.WithdrawalNetwork.L2`: the recipient is paid on L2, without a bridge. */
const WITHDRAWAL_NETWORK_L2 = 1n
const INITIAL_BASE_FEE_WEI = 1_000_000_000n

/** EIP-2935's system contract. */
const BLOCK_HASH_HISTORY_CODE: Hex =
  '0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500'

/**
 * Makes the L2's block 0 in op-geth's `genesis.json` form.
 *
 * Holds the protocol's own contracts and the usual preinstalled ones, and not one wei: every OPEN on L2 came through
 * the portal. The protocol's contracts stand behind proxies because network upgrades replace them from address zero;
 * the proxies' admin has no owner, so nothing else can.
 */
export function createGenesis(options: GenesisOptions): Genesis {
  const alloc: Record<string, GenesisAccount> = {}
  const put = (address: Address, code: Hex, storage?: Record<string, string>): void => {
    alloc[address.toLowerCase()] = { balance: '0x0', nonce: '0x1', code, ...(storage ? { storage } : {}) }
  }
  for (const { address, code } of preinstalls(options.l2ChainId)) put(address, code)
  put(UPTO_PERMIT2_PROXY, uptoPermit2ProxyDeployedBytecode)
  put(Predeploys.HISTORY_STORAGE, BLOCK_HASH_HISTORY_CODE)

  const proxyCode = artifact('Proxy').deployedBytecode
  const word = (value: Hex | bigint): Hex =>
    pad(typeof value === 'bigint' ? numberToHex(value) : value, { size: 32 })
  const putProxied = (address: Address, code: Hex, storage: Record<string, string> = {}): void => {
    const implementation = codeNamespaceOf(address)
    put(implementation, code)
    put(address, proxyCode, {
      [IMPLEMENTATION_SLOT]: word(implementation),
      [ADMIN_SLOT]: word(PROXY_ADMIN),
      ...storage,
    })
  }
  putProxied(PROXY_ADMIN, artifact('ProxyAdmin').deployedBytecode)
  putProxied(Predeploys.L2_TO_L1_MESSAGE_PASSER, artifact('L2ToL1MessagePasser').deployedBytecode)
  putProxied(Predeploys.GAS_PRICE_ORACLE, gasPriceOracleDeployedBytecode, {
    [word(0n)]: word(isJovian(options) ? ORACLE_AT_JOVIAN : ORACLE_AT_ISTHMUS),
  })
  // what deploys contracts in upgrades from Karst on; the upgrade itself brings it
  put(CONDITIONAL_DEPLOYER, proxyCode, { [ADMIN_SLOT]: word(PROXY_ADMIN) })
  putProxied(Predeploys.L1_BLOCK, l1BlockDeployedBytecode, gasTokenStorage(options.open))
  const vault = [word(VAULT_MINIMUM_WEI), word(options.treasury), word(WITHDRAWAL_NETWORK_L2)]
  const vaults = {
    SequencerFeeVault: Predeploys.SEQUENCER_FEE_VAULT,
    BaseFeeVault: Predeploys.BASE_FEE_VAULT,
    L1FeeVault: Predeploys.L1_FEE_VAULT,
  }
  for (const [name, address] of Object.entries(vaults))
    putProxied(address, withImmutables(artifact(name), vault))
  // the release is older than the operator fee; its vault differs from the base fee's in name only
  putProxied(Predeploys.OPERATOR_FEE_VAULT, withImmutables(artifact('BaseFeeVault'), vault))

  return {
    config: {
      chainId: options.l2ChainId,
      ...activeFromBlock0(BLOCK_FORKS),
      ...activeFromBlock0(TIME_FORKS),
      ...options.forks,
      // Karst brings Osaka's rules, which other clients look for under their own name
      ...(options.forks?.karstTime === undefined ? {} : { osakaTime: options.forks.karstTime }),
      terminalTotalDifficulty: 0,
      terminalTotalDifficultyPassed: true,
      optimism: chainOpConfig,
    },
    nonce: '0x0',
    timestamp: numberToHex(options.timestamp),
    extraData: BaseFee.encodeExtraData(
      '0x0000000000000000',
      chainOpConfig,
      isJovian(options) ? 0n : undefined,
    ),
    gasLimit: numberToHex(options.gasLimit),
    difficulty: '0x0',
    mixHash: numberToHex(0, { size: 32 }),
    coinbase: Predeploys.SEQUENCER_FEE_VAULT,
    baseFeePerGas: numberToHex(INITIAL_BASE_FEE_WEI),
    alloc,
  }
}

const isJovian = ({ forks, timestamp }: GenesisOptions): boolean =>
  forks?.jovianTime !== undefined && forks.jovianTime <= timestamp

const BLOCK_FORKS = [
  'homestead',
  'eip150',
  'eip155',
  'eip158',
  'byzantium',
  'constantinople',
  'petersburg',
  'istanbul',
  'muirGlacier',
  'berlin',
  'london',
  'arrowGlacier',
  'grayGlacier',
  'mergeNetsplit',
  'bedrock',
].map((name) => `${name}Block`)

const TIME_FORKS = [
  'shanghai',
  'cancun',
  'prague',
  'regolith',
  'canyon',
  'ecotone',
  'fjord',
  'granite',
  'holocene',
  'isthmus',
].map((name) => `${name}Time`)

const activeFromBlock0 = (names: readonly string[]): Record<string, 0> =>
  Object.fromEntries(names.map((name) => [name, 0 as const]))

/** Where the implementation behind a predeploy's proxy stands (`Predeploys.predeployToCodeNamespace`). */
const codeNamespaceOf = (predeploy: Address): Address =>
  numberToHex((hexToBigInt(predeploy) & 0xffffn) | 0xc0d3c0d3c0d3c0d3c0d3c0d3c0d3c0d3c0d30000n, { size: 20 })

/** The slots in which L1Block keeps the gas token: `GasPayingToken` of contracts-bedrock. */
function gasTokenStorage(open: Address): Record<string, string> {
  const slot = (label: string): Hex =>
    numberToHex(hexToBigInt(keccak256(stringToHex(label))) - 1n, { size: 32 })
  const text = (value: string): Hex => pad(stringToHex(value), { size: 32, dir: 'right' })
  return {
    [slot('opstack.gaspayingtoken')]: concat([pad('0x12', { size: 32 - size(open) }), open]),
    [slot('opstack.gaspayingtokenname')]: text('OpenLedger'),
    [slot('opstack.gaspayingtokensymbol')]: text('OPEN'),
  }
}
