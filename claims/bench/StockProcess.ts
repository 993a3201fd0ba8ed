import { createBlock } from '@ethereumjs/block'
import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import { MerkleStateManager } from '@ethereumjs/statemanager'
import { createTxFromRLP, type TypedTransaction } from '@ethereumjs/tx'
import { Account, Address, bytesToHex, hexToBytes } from '@ethereumjs/util'
import { buildBlock, createVM } from '@ethereumjs/vm'
import { silentLogger } from '@openledger/node/node/Logger'
import { createRpcServer } from '@openledger/node/rpc/createRpcServer'
import type { Hex } from '@openledger/primitives'
import { CHAIN_ID, GAS_LIMIT, genesisOf } from './ChainLoad.ts'

/**
 * EthereumJS as it comes, in a process of its own: `buildBlock` over its Merkle state manager, behind the same JSON-RPC
 * server as ours. `StockProcess.ts ACCOUNTS` answers until it is killed.
 */
const accounts = Number(process.argv[2])
const common = new Common({ chain: { ...Mainnet, chainId: CHAIN_ID }, hardfork: Hardfork.Prague })
const stateManager = new MerkleStateManager({ common })
const vm = await createVM({ common, stateManager })
await stateManager.checkpoint()
for (const [key, { balance, code, storage }] of Object.entries((await genesisOf(accounts)).alloc)) {
  const address = new Address(hexToBytes(key as Hex))
  await stateManager.putAccount(address, new Account(0n, BigInt(balance ?? 0)))
  if (code !== undefined) await stateManager.putCode(address, hexToBytes(code))
  for (const [slot, value] of Object.entries(storage ?? {}))
    await stateManager.putStorage(address, hexToBytes(slot as Hex), hexToBytes(value as Hex))
}
await stateManager.commit()
await stateManager.flush()

const header = { gasLimit: GAS_LIMIT, baseFeePerGas: 7n }
let parentBlock = createBlock({ header: { ...header, number: 1n, timestamp: 1n } }, { common })
let waiting: TypedTransaction[] = []
const places = new Map<string, bigint>()

/** Makes a block of everything that waits. */
async function mine(): Promise<string> {
  // two batches that come at once may overtake each other, and a sender's transactions go by their nonces
  const taken = waiting.sort((a, b) => (a.nonce < b.nonce ? -1 : a.nonce > b.nonce ? 1 : 0))
  waiting = []
  const builder = await buildBlock(vm, {
    parentBlock,
    headerData: { ...header, timestamp: parentBlock.header.timestamp + 1n },
    blockOpts: { putBlockIntoBlockchain: false },
  })
  for (const transaction of taken) await builder.addTransaction(transaction)
  parentBlock = (await builder.build()).block
  for (const transaction of taken) places.set(bytesToHex(transaction.hash()), parentBlock.header.number)
  return `0x${parentBlock.header.number.toString(16)}`
}

let mining: Promise<unknown> = Promise.resolve()
const server = await createRpcServer({
  port: 0,
  logger: silentLogger,
  methods: {
    eth_sendRawTransaction: ([raw]) => {
      const transaction = createTxFromRLP(hexToBytes(raw as Hex), { common })
      // a pool answers for who sent what it takes
      transaction.getSenderAddress()
      waiting.push(transaction)
      return bytesToHex(transaction.hash())
    },
    eth_getTransactionByHash: ([hash]) => {
      const number = places.get(hash as string)
      return number === undefined ? null : { hash, blockNumber: `0x${number.toString(16)}` }
    },
    evm_mine: () => {
      const mined = mining.then(mine)
      mining = mined.catch(() => {})
      return mined
    },
    bench_memory: () => Math.round(process.memoryUsage().rss / 2 ** 20),
  },
})
console.log(JSON.stringify({ url: server.url, controlUrl: server.url }))
process.on('SIGTERM', () => process.exit(0))
