import { BaseError } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { openAbi } from '@openledger/protocol/abi/index'
import {
  type Account,
  type Address,
  type Chain,
  createPublicClient,
  defineChain,
  type Hex,
  http,
  parseAbi,
  type TransactionReceipt,
  type Transport,
  type WalletClient,
} from 'viem'
import {
  chainConfig,
  getL2TransactionHashes,
  getWithdrawals,
  publicActionsL1,
  publicActionsL2,
  walletActionsL1,
  walletActionsL2,
} from 'viem/op-stack'

const portalAbi = parseAbi([
  'function depositERC20Transaction(address to, uint256 mint, uint256 value, uint64 gasLimit, bool isCreation, bytes data)',
  'function provenWithdrawals(bytes32) view returns (bytes32 outputRoot, uint128 timestamp, uint128 l2OutputIndex)',
  'function finalizedWithdrawals(bytes32) view returns (bool)',
])
const oracleAbi = parseAbi(['function FINALIZATION_PERIOD_SECONDS() view returns (uint256)'])

const messagePasserAbi = parseAbi([
  'event MessagePassed(uint256 indexed nonce, address indexed sender, address indexed target, uint256 value, uint256 gasLimit, bytes data, bytes32 withdrawalHash)',
])

/** Pays for a plain transfer on L2. */
const DEPOSIT_GAS = 100_000n
const POLL_MS = 500
/** A mined proof may be estimated against a block that is older by one; L1 gas that is not used is not paid. */
const WITHDRAWAL_L1_GAS = 100_000n

export type BridgeEndpoints = { readonly l1RpcUrl: string; readonly l2RpcUrl: string }

/** Describes both chains to viem and to wallets, with the addresses that viem's OP Stack actions look for. */
export function createChains(
  { l1ChainId, l2ChainId, l1 }: Deployment,
  { l1RpcUrl, l2RpcUrl }: BridgeEndpoints,
): { readonly l1Chain: Chain; readonly l2Chain: Chain } {
  const l1Chain = defineChain({
    id: l1ChainId,
    name: l1ChainId === 1 ? 'Ethereum' : `Ethereum (${l1ChainId})`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [l1RpcUrl] } },
    contracts: { multicall3: { address: l1.multicall3 } },
  })
  const l2Chain = defineChain({
    ...chainConfig,
    id: l2ChainId,
    name: 'OpenLedger',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [l2RpcUrl] } },
    sourceId: l1ChainId,
    contracts: {
      ...chainConfig.contracts,
      multicall3: { address: '0xca11bde05977b3631167028862be2a173976ca11' },
      portal: { [l1ChainId]: { address: l1.portal } },
      l2OutputOracle: { [l1ChainId]: { address: l1.outputOracle } },
    },
  })
  return { l1Chain, l2Chain }
}

export type Wallet = WalletClient<Transport, Chain | undefined, Account>

export type DepositRequest = {
  readonly amountWei: bigint
  /** Default: the depositor's own address. */
  readonly to?: Address
}

export type DepositResult = {
  readonly l1Hash: Hex
  readonly l2Hash: Hex
  readonly l1Receipt: TransactionReceipt
  readonly l2Receipt: TransactionReceipt
}

export type WithdrawRequest = {
  readonly amountWei: bigint
  /** Default: the same address on L1. */
  readonly to?: Address
}

/** Where a withdrawal stands, in order. */
export type WithdrawalStage = 'initiated' | 'ready-to-prove' | 'proven' | 'ready-to-finalize' | 'finalized'

export type WithdrawalProgress = {
  readonly stage: WithdrawalStage
  readonly withdrawalHash: Hex
  /** Of the transaction that reached this stage, where there was one. */
  readonly hash?: Hex
}

/** A withdrawal that was started on L2, and where it stands on L1. */
export type Withdrawal = {
  readonly withdrawalHash: Hex
  /** Of the transaction on L2 that started it. */
  readonly l2Hash: Hex
  readonly amountWei: bigint
  readonly stage: Extract<WithdrawalStage, 'initiated' | 'proven' | 'finalized'>
}

export type Bridge = {
  /** Locks OPEN in the portal and waits until L2 has minted it. */
  readonly deposit: (wallet: Wallet, request: DepositRequest) => Promise<DepositResult>
  /** Burns OPEN on L2: the first step of a withdrawal. */
  readonly initiate: (wallet: Wallet, request: WithdrawRequest) => Promise<TransactionReceipt>
  /** Waits for an output root over the withdrawal's block, then proves the withdrawal against it on L1. */
  readonly prove: (wallet: Wallet, l2Receipt: TransactionReceipt) => Promise<TransactionReceipt>
  /** Waits for the finalisation period, then unlocks the OPEN on L1. */
  readonly finalize: (wallet: Wallet, l2Receipt: TransactionReceipt) => Promise<TransactionReceipt>
  /** Does every step that is not done yet; call it again with the same receipt after an interruption. */
  readonly complete: (
    wallet: Wallet,
    l2Receipt: TransactionReceipt,
    onProgress?: (progress: WithdrawalProgress) => void,
  ) => Promise<void>
  /** Initiates and completes a withdrawal: `initiate`, then `complete`. */
  readonly withdraw: (
    wallets: { readonly l1: Wallet; readonly l2: Wallet },
    request: WithdrawRequest,
    onProgress?: (progress: WithdrawalProgress) => void,
  ) => Promise<TransactionReceipt>
  /** Every withdrawal that an account has started, oldest first, read from both chains. */
  readonly withdrawalsOf: (account: Address) => Promise<Withdrawal[]>
  /** Goes on with a withdrawal where it stands: `complete`, by the hash of the transaction that started it. */
  readonly resume: (
    wallet: Wallet,
    l2Hash: Hex,
    onProgress?: (progress: WithdrawalProgress) => void,
  ) => Promise<void>
  /** What is locked on L1, in wei. */
  readonly locked: () => Promise<bigint>
}

/**
 * Moves OPEN between L1 and L2 with plain viem; signs nothing itself and works in a browser.
 *
 * @example
 * const bridge = createBridge(deployment, { l1RpcUrl, l2RpcUrl })
 * await bridge.deposit(l1Wallet, { amountWei: parseEther('5') })
 */
export function createBridge(deployment: Deployment, endpoints: BridgeEndpoints): Bridge {
  const { l1Chain, l2Chain } = createChains(deployment, endpoints)
  const l1 = createPublicClient({
    chain: l1Chain,
    transport: http(endpoints.l1RpcUrl),
    pollingInterval: POLL_MS,
    cacheTime: 0,
  }).extend(publicActionsL1())
  const l2 = createPublicClient({
    chain: l2Chain,
    transport: http(endpoints.l2RpcUrl),
    pollingInterval: POLL_MS,
    cacheTime: 0,
  }).extend(publicActionsL2())
  const { open, portal, outputOracle } = deployment.l1
  // viem reads the addresses of portal and oracle from the chain that the withdrawal comes from
  const targetChain = l2Chain as never

  async function confirmed(
    client: typeof l1 | typeof l2,
    hash: Hex,
    what: string,
  ): Promise<TransactionReceipt> {
    const receipt = await client.waitForTransactionReceipt({ hash })
    if (receipt.status !== 'success') throw new BridgeRevertedError(what, hash)
    return receipt
  }

  async function deposit(wallet: Wallet, { amountWei, to }: DepositRequest): Promise<DepositResult> {
    const { account } = wallet
    const held = await l1.readContract({
      address: open,
      abi: openAbi,
      functionName: 'balanceOf',
      args: [account.address],
    })
    if (held < amountWei) throw new BridgeBalanceError('L1', amountWei, held)
    const allowed = await l1.readContract({
      address: open,
      abi: openAbi,
      functionName: 'allowance',
      args: [account.address, portal],
    })
    if (allowed < amountWei) {
      const hash = await wallet.writeContract({
        chain: l1Chain,
        address: open,
        abi: openAbi,
        functionName: 'approve',
        args: [portal, amountWei],
      })
      await confirmed(l1, hash, 'the approval of the portal')
    }
    const l1Hash = await wallet.writeContract({
      chain: l1Chain,
      address: portal,
      abi: portalAbi,
      functionName: 'depositERC20Transaction',
      args: [to ?? account.address, amountWei, amountWei, DEPOSIT_GAS, false, '0x'],
    })
    const l1Receipt = await confirmed(l1, l1Hash, 'the deposit')
    const [l2Hash] = getL2TransactionHashes(l1Receipt)
    if (l2Hash === undefined) throw new BridgeRevertedError('the deposit', l1Hash)
    const l2Receipt = await confirmed(l2, l2Hash, 'the mint on L2')
    return { l1Hash, l2Hash, l1Receipt, l2Receipt }
  }

  async function initiate(wallet: Wallet, { amountWei, to }: WithdrawRequest): Promise<TransactionReceipt> {
    const held = await l2.getBalance({ address: wallet.account.address })
    if (held < amountWei) throw new BridgeBalanceError('L2', amountWei, held)
    const hash = await wallet.extend(walletActionsL2()).initiateWithdrawal({
      chain: l2Chain,
      request: { to: to ?? wallet.account.address, value: amountWei, gas: WITHDRAWAL_L1_GAS },
    })
    return confirmed(l2, hash, 'the start of the withdrawal')
  }

  function withdrawalOf(l2Receipt: TransactionReceipt) {
    const [withdrawal] = getWithdrawals(l2Receipt)
    if (withdrawal === undefined) throw new BridgeNoWithdrawalError(l2Receipt.transactionHash)
    return withdrawal
  }

  async function prove(wallet: Wallet, l2Receipt: TransactionReceipt): Promise<TransactionReceipt> {
    const { output, withdrawal } = await l1.waitToProve({ receipt: l2Receipt, targetChain })
    const request = await l2.buildProveWithdrawal({ output, withdrawal })
    const hash = await wallet.extend(walletActionsL1()).proveWithdrawal({
      chain: l1Chain,
      account: wallet.account,
      targetChain,
      l2OutputIndex: request.l2OutputIndex,
      outputRootProof: request.outputRootProof,
      withdrawalProof: request.withdrawalProof,
      withdrawal: request.withdrawal,
    })
    return confirmed(l1, hash, 'the proof of the withdrawal')
  }

  const provenAt = async (withdrawalHash: Hex): Promise<bigint> =>
    (
      await l1.readContract({
        address: portal,
        abi: portalAbi,
        functionName: 'provenWithdrawals',
        args: [withdrawalHash],
      })
    )[1]
  const isFinalized = (withdrawalHash: Hex): Promise<boolean> =>
    l1.readContract({
      address: portal,
      abi: portalAbi,
      functionName: 'finalizedWithdrawals',
      args: [withdrawalHash],
    })

  async function waitToFinalize(withdrawalHash: Hex): Promise<void> {
    const period = await l1.readContract({
      address: outputOracle,
      abi: oracleAbi,
      functionName: 'FINALIZATION_PERIOD_SECONDS',
    })
    const proven = await provenAt(withdrawalHash)
    // the portal compares with the time of the block, not with the clock
    while ((await l1.getBlock()).timestamp <= proven + period) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  async function finalize(wallet: Wallet, l2Receipt: TransactionReceipt): Promise<TransactionReceipt> {
    const withdrawal = withdrawalOf(l2Receipt)
    await waitToFinalize(withdrawal.withdrawalHash)
    const hash = await wallet.extend(walletActionsL1()).finalizeWithdrawal({
      chain: l1Chain,
      account: wallet.account,
      targetChain,
      withdrawal,
    })
    return confirmed(l1, hash, 'the end of the withdrawal')
  }

  async function complete(
    wallet: Wallet,
    l2Receipt: TransactionReceipt,
    onProgress: (progress: WithdrawalProgress) => void = () => {},
  ): Promise<void> {
    const { withdrawalHash } = withdrawalOf(l2Receipt)
    if (await isFinalized(withdrawalHash)) {
      onProgress({ stage: 'finalized', withdrawalHash })
      return
    }
    if ((await provenAt(withdrawalHash)) === 0n) {
      await l1.waitToProve({ receipt: l2Receipt, targetChain })
      onProgress({ stage: 'ready-to-prove', withdrawalHash })
      const { transactionHash } = await prove(wallet, l2Receipt)
      onProgress({ stage: 'proven', withdrawalHash, hash: transactionHash })
    }
    await waitToFinalize(withdrawalHash)
    onProgress({ stage: 'ready-to-finalize', withdrawalHash })
    const { transactionHash } = await finalize(wallet, l2Receipt)
    onProgress({ stage: 'finalized', withdrawalHash, hash: transactionHash })
  }

  async function withdrawalsOf(account: Address): Promise<Withdrawal[]> {
    const started = await l2.getContractEvents({
      address: chainConfig.contracts.l2ToL1MessagePasser.address,
      abi: messagePasserAbi,
      eventName: 'MessagePassed',
      args: { sender: account },
      fromBlock: BigInt(deployment.l2StartBlock),
      strict: true,
    })
    return Promise.all(
      started.map(async ({ args: { value, withdrawalHash }, transactionHash }) => {
        const [finalized, proven] = await Promise.all([isFinalized(withdrawalHash), provenAt(withdrawalHash)])
        return {
          withdrawalHash,
          l2Hash: transactionHash,
          amountWei: value,
          stage: finalized
            ? ('finalized' as const)
            : proven > 0n
              ? ('proven' as const)
              : ('initiated' as const),
        }
      }),
    )
  }

  return {
    deposit,
    withdrawalsOf,
    async resume(wallet, l2Hash, onProgress) {
      await complete(wallet, await l2.getTransactionReceipt({ hash: l2Hash }), onProgress)
    },
    initiate,
    prove,
    finalize,
    complete,
    async withdraw(wallets, request, onProgress = () => {}) {
      const receipt = await initiate(wallets.l2, request)
      onProgress({
        stage: 'initiated',
        withdrawalHash: withdrawalOf(receipt).withdrawalHash,
        hash: receipt.transactionHash,
      })
      await complete(wallets.l1, receipt, onProgress)
      return receipt
    },
    locked: () => l1.readContract({ address: open, abi: openAbi, functionName: 'balanceOf', args: [portal] }),
  }
}

export class BridgeBalanceError extends BaseError {
  constructor(chain: 'L1' | 'L2', wanted: bigint, held: bigint) {
    super({
      code: 'bridge.insufficient_balance',
      message: `Expected at least ${wanted} wei of OPEN on ${chain}, the account holds ${held}.`,
      context: { chain, wanted: wanted.toString(), held: held.toString() },
    })
  }
}

export class BridgeRevertedError extends BaseError {
  constructor(what: string, hash: Hex) {
    super({
      code: 'bridge.reverted',
      message: `Expected ${what} to succeed, transaction ${hash} reverted.`,
      context: { hash },
    })
  }
}

export class BridgeNoWithdrawalError extends BaseError {
  constructor(hash: Hex) {
    super({
      code: 'bridge.no_withdrawal',
      message: `Expected transaction ${hash} to start a withdrawal, it does not.`,
      context: { hash },
    })
  }
}
