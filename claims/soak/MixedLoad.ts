import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Deployment, DevelopmentKeys } from '@openledger/protocol'
import {
  type Address,
  bytesToHex,
  createPublicClient,
  createWalletClient,
  defineChain,
  type Hex,
  http,
  maxUint256,
  parseAbi,
} from 'viem'

const bridgeAbi = parseAbi([
  'function approve(address spender, uint256 amount) returns (bool)',
  'function depositERC20Transaction(address to, uint256 mint, uint256 value, uint64 gasLimit, bool isCreation, bytes data)',
])
/** Init code of a contract that keeps its call data's first word in slot 0. */
const KEEPER: Hex = '0x6005600c60003960056000f36000356000555b00'
const L2_PAUSE_MS = 100
const L1_PAUSE_MS = 2_000

export type Load = {
  readonly stop: () => Promise<void>
  readonly counts: () => Readonly<Record<string, number>>
}

/** Sends transfers, contract creations and calls to the L2 and deposits to the L1, and bears with refusals. */
export function startLoad(l1Url: string, l2Url: string, { l1, l2ChainId }: Deployment): Load {
  const counts = { transfers: 0, creations: 0, calls: 0, deposits: 0, refused: 0 }
  const chain = (id: number, url: string) =>
    defineChain({
      id,
      name: String(id),
      nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
      rpcUrls: { default: { http: [url] } },
    })
  const client = createPublicClient({ transport: http(l2Url, { retryCount: 0 }), cacheTime: 0 })
  const walletOf = (role: DevelopmentKeys.Role, id: number, url: string) =>
    createWalletClient({
      account: DevelopmentKeys.account(role),
      chain: chain(id, url),
      transport: http(url, { retryCount: 0 }),
    })
  const wallets = (['caller', 'agentOwner', 'backer', 'voter'] as const).map((role) =>
    walletOf(role, l2ChainId, l2Url),
  )
  const bridge = walletOf('deployer', 31_337, l1Url)
  const l1Client = createPublicClient({ transport: http(l1Url), cacheTime: 0 })
  const keepers: Address[] = []
  const random = (): Address => bytesToHex(randomBytes(20))

  async function l2Step(wallet: (typeof wallets)[number]): Promise<void> {
    const { address } = wallet.account
    const nonce = await client.getTransactionCount({ address, blockTag: 'pending' })
    const fees = { maxFeePerGas: 5n * 10n ** 9n, maxPriorityFeePerGas: BigInt(randomInt(1_000)), nonce }
    const kind = randomInt(10)
    if (kind === 0) {
      const hash = await wallet.sendTransaction({ ...fees, data: KEEPER, gas: 200_000n })
      counts.creations++
      const { contractAddress } = await client.waitForTransactionReceipt({ hash, timeout: 5_000 })
      if (contractAddress) keepers.push(contractAddress)
    } else if (kind < 4 && keepers.length > 0) {
      const to = keepers[randomInt(keepers.length)]!
      await wallet.sendTransaction({
        ...fees,
        to,
        data: bytesToHex(randomBytes(32 * randomInt(1, 8))),
        gas: 100_000n,
      })
      counts.calls++
    } else {
      const value = BigInt(randomInt(1, 1_000_000))
      await wallet.sendTransaction({
        ...fees,
        to: random(),
        value,
        gas: 40_000n,
        data: bytesToHex(randomBytes(randomInt(200))),
      })
      counts.transfers++
    }
  }

  async function l1Step(round: number): Promise<void> {
    const nonce = await l1Client.getTransactionCount({ address: bridge.account.address, blockTag: 'pending' })
    const common = { nonce, gas: 400_000n, maxFeePerGas: 5n * 10n ** 9n, maxPriorityFeePerGas: 1_000_000n }
    if (round % 5 === 0) {
      const args = [l1.portal, maxUint256] as const
      await bridge.writeContract({
        ...common,
        address: l1.open,
        abi: bridgeAbi,
        functionName: 'approve',
        args,
      })
    } else {
      const amount = BigInt(randomInt(1, 1_000_000))
      const args = [random(), amount, amount, 100_000n, false, '0x'] as const
      await bridge.writeContract({
        ...common,
        address: l1.portal,
        abi: bridgeAbi,
        functionName: 'depositERC20Transaction',
        args,
      })
      counts.deposits++
    }
  }

  let stopping = false
  async function repeat(pauseMs: number, step: (round: number) => Promise<void>): Promise<void> {
    for (let round = 0; !stopping; round++) {
      try {
        await step(round)
      } catch {
        // the sequencer is down, or a reorganisation took what this stands on
        counts.refused++
      }
      await delay(pauseMs)
    }
  }
  const running = Promise.all([
    ...wallets.map((wallet) => repeat(L2_PAUSE_MS, () => l2Step(wallet))),
    repeat(L1_PAUSE_MS, l1Step),
  ])
  return {
    counts: () => counts,
    async stop() {
      stopping = true
      await running
    },
  }
}
