import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Hex } from '@openledger/primitives'
import { Abi, createSender, type Deployment, DevelopmentKeys, TypedData } from '@openledger/protocol'
import { CourtCall } from '@openledger/settlement'
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeAbiParameters,
  getAbiItem,
  getContractAddress,
  http,
  keccak256,
  type PublicClient,
  type TransactionReceipt,
  toHex,
  type Abi as ViemAbi,
} from 'viem'
import { startAnvil } from '../../packages/protocol/test/startAnvil.ts'

/** A chain with the settlement contract, a model and the rivals, for measuring what payments cost. */
export type SettlementChain = Awaited<ReturnType<typeof startSettlementChain>>

const CHAIN_ID = 161_200
/** What the court gives the operator to answer. */
export const STEP_SECONDS = 60n
const GAS_LIMIT = 1_000_000_000n

type Compiled = { readonly abi: ViemAbi; readonly bytecode: Hex }

/** Compiles the rivals with the compiler and the settings that our own contracts have. */
function compileRivals(): Record<string, Compiled> {
  const solc = createRequire(new URL('../../contracts/package.json', import.meta.url))('solc') as {
    compile: (input: string) => string
  }
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: { 'Rivals.sol': { content: readFileSync(new URL('Rivals.sol', import.meta.url), 'utf8') } },
        settings: {
          evmVersion: 'prague',
          optimizer: { enabled: true, runs: 200 },
          outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
        },
      }),
    ),
  )
  if (output.contracts === undefined) throw new Error(JSON.stringify(output.errors))
  return Object.fromEntries(
    Object.entries<{ abi: ViemAbi; evm: { bytecode: { object: string } } }>(
      output.contracts['Rivals.sol'],
    ).map(([name, { abi, evm }]) => [name, { abi, bytecode: `0x${evm.bytecode.object}` as Hex }]),
  )
}

/** Starts it; gas is what receipts say, so the 21,000 of a transaction and EIP-7623's price of call data are in it. */
export async function startSettlementChain(challengeSeconds = 0n) {
  const anvil = await startAnvil([
    ...['--chain-id', String(CHAIN_ID), '--hardfork', 'prague', '--accounts', '64'],
    ...['--gas-limit', String(GAS_LIMIT), '--disable-code-size-limit', '--prune-history'],
  ])
  const chain = defineChain({
    id: CHAIN_ID,
    name: 'bench',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [anvil.url] } },
  })
  const publicClient = createPublicClient({
    chain,
    transport: http(undefined, { timeout: 120_000 }),
  }) as PublicClient
  const operator = DevelopmentKeys.account('operator')
  const wallet = createWalletClient({
    account: operator,
    chain,
    transport: http(undefined, { timeout: 120_000 }),
  })
  const mined = (hash: Hex): Promise<TransactionReceipt> =>
    publicClient.waitForTransactionReceipt({ hash, pollingInterval: 20, timeout: 600_000 })

  const deploy = async (abi: ViemAbi, bytecode: Hex, args: readonly unknown[] = []): Promise<Hex> =>
    (await mined(await wallet.deployContract({ abi, bytecode, args: args as never, gas: 30_000_000n })))
      .contractAddress!
  const send = async (
    address: Hex,
    abi: ViemAbi,
    functionName: string,
    args: readonly unknown[],
    value = 0n,
  ): Promise<{ gas: bigint; bytes: number }> => {
    const hash = await wallet.writeContract({
      address,
      abi,
      functionName,
      args,
      value,
      gas: GAS_LIMIT / 2n,
    } as never)
    const { gasUsed, status } = await mined(hash)
    if (status !== 'success') throw new Error(`Expected ${functionName} to succeed, but it reverted.`)
    const { input } = await publicClient.getTransaction({ hash })
    return { gas: gasUsed, bytes: (input.length - 2) / 2 }
  }

  const rivals = compileRivals()
  const token = await deploy(rivals['Token']!.abi, rivals['Token']!.bytecode)
  const pusher = await deploy(rivals['Pusher']!.abi, rivals['Pusher']!.bytecode)
  const distributor = await deploy(rivals['Distributor']!.abi, rivals['Distributor']!.bytecode)

  const treasury = DevelopmentKeys.account('treasury').address
  const datanets = await deploy(Abi.datanetsAbi, Abi.datanetsBytecode)
  const models = await deploy(Abi.modelsAbi, Abi.modelsBytecode, [datanets])
  const split = { platformBps: 1_000, ownerBps: 2_000, stakersBps: 2_000, contributorsBps: 5_000 }
  const feePolicy = await deploy(Abi.feePolicyAbi, Abi.feePolicyBytecode, [operator.address, treasury, split])
  const wopen = await deploy(Abi.wopenAbi, Abi.wopenBytecode)
  const nonce = await publicClient.getTransactionCount({ address: operator.address })
  const settlement = await deploy(Abi.settlementAbi, Abi.settlementBytecode, [
    ...[operator.address, operator.address, feePolicy, models, wopen, 10n, challengeSeconds, 10n],
    getContractAddress({ from: operator.address, nonce: BigInt(nonce) + 1n }),
  ])
  const court = await deploy(Abi.courtAbi, Abi.courtBytecode, [
    ...[operator.address, settlement, STEP_SECONDS, 100n * 10n ** 18n, 10n ** 18n],
  ])
  await publicClient.request({
    method: 'anvil_setBalance',
    params: [operator.address, toHex(10n ** 24n)],
  } as never)
  await send(court, Abi.courtAbi, 'bondFor', [operator.address], 10n ** 23n)
  const [modelInput] = getAbiItem({ abi: Abi.modelsAbi, name: 'publishModel' }).inputs
  const hash = keccak256('0x01')
  const input = {
    name: 'bench-1',
    baseHash: hash,
    adapterHash: hash,
    configHash: hash,
    metricsHash: hash,
    attributionRoot: hash,
    datanetIds: [],
    datanetVersions: [],
    inputPriceWei: 1n,
    outputPriceWei: 1n,
    influenceBps: 5_000,
    spansBps: 5_000,
    agreementPpm: 0,
  }
  const signature = await operator.signTypedData({
    domain: TypedData.contractDomain('OpenLedger Models', CHAIN_ID, models),
    types: TypedData.publication,
    primaryType: 'Publication',
    message: {
      modelHash: keccak256(encodeAbiParameters([modelInput], [input])),
      owner: operator.address,
      deadline: 4_000_000_000n,
    },
  })
  await send(models, Abi.modelsAbi, 'publishModel', [input, operator.address, 4_000_000_000n, signature])
  return {
    publicClient,
    rivals,
    operator: operator.address,
    token,
    pusher,
    distributor,
    settlement,
    court,
    split,
    chainId: CHAIN_ID,
    feePolicy,
    send,
    /** Any method of anvil's. */
    request: (method: string, params: readonly unknown[]): Promise<unknown> =>
      publicClient.request({ method, params } as never),
    /** Makes a call before the court as the operator's neighbour would. @returns Gas of the call itself. */
    async file(call: CourtCall.Call): Promise<bigint> {
      const audit = await publicClient.readContract({
        address: court,
        abi: Abi.courtAbi,
        functionName: 'AUDIT',
      })
      const l2 = { court, audit } as Deployment['l2']
      const sender = createSender({ walletClient: wallet, publicClient })
      const hash = await CourtCall.file({ publicClient, sender, l2 }, call)
      return (await publicClient.getTransactionReceipt({ hash })).gasUsed
    },
    nowSeconds: async () => (await publicClient.getBlock({ blockTag: 'latest' })).timestamp,
    /** Makes accounts that have been paid before: a transfer to them creates nothing. */
    async wake(accounts: readonly Hex[]): Promise<void> {
      for (const address of accounts) {
        await publicClient.request({ method: 'anvil_setBalance', params: [address, '0x1'] } as never)
      }
    },
    close: anvil.close,
  }
}
