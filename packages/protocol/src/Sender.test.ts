import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  http,
  type PublicClient,
  parseAbi,
  type Transport,
  type WalletClient,
} from 'viem'
import { anvil } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAnvil } from '../test/startAnvil.ts'
import * as DevelopmentKeys from './DevelopmentKeys.ts'
import { createSender, type Sender, TransactionRevertedError } from './Sender.ts'

const abi = parseAbi([
  'function accept() payable',
  'function refuse() payable',
  'error Refused(uint256 reason)',
])
const { 2: refused, ...functions } = abi

/**
 * Assembled by hand: stops when called with the selector of `accept()`, else reverts with `Refused(42)`.
 * @see Ethereum yellow paper, appendix H, for the opcodes.
 */
const runtime = [
  '600035', // calldataload(0)
  '60e01c', // >> 224
  '632852b71c14', // == selector of accept()
  '602457', // then jump to the end
  '63590a515160e01b600052', // mstore(0, selector of Refused << 224)
  '602a600452', // mstore(4, 42)
  '60246000fd', // revert(0, 36)
  '5b00',
].join('')
const creation = `0x6026600c60003960266000f3${runtime}` as const

let chain: { url: string; close: () => void }
let publicClient: PublicClient
let walletClient: WalletClient<Transport, Chain, Account>
let sender: Sender
let address: `0x${string}`

beforeAll(async () => {
  chain = await startAnvil(['--block-time', '1'])
  publicClient = createPublicClient({
    chain: anvil,
    transport: http(chain.url),
    pollingInterval: 50,
  }) as PublicClient
  walletClient = createWalletClient({
    account: DevelopmentKeys.account('deployer'),
    chain: anvil,
    transport: http(chain.url),
  })
  const hash = await walletClient.deployContract({ abi, bytecode: creation })
  const receipt = await publicClient.waitForTransactionReceipt({ hash })
  address = receipt.contractAddress!
  sender = createSender({ walletClient, publicClient })
})
afterAll(() => chain.close())

describe('createSender', () => {
  test('puts calls that are made together on chain in the order in which they were made', async () => {
    const receipts = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        sender.send({ address, abi, functionName: 'accept', args: [], valueWei: BigInt(i) }),
      ),
    )
    const sent = await Promise.all(
      receipts.map(({ transactionHash: hash }) => publicClient.getTransaction({ hash })),
    )
    expect(sent.map((transaction) => transaction.value)).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n])
    const nonces = sent.map((transaction) => transaction.nonce)
    expect(nonces).toEqual(nonces.map((_, i) => nonces[0]! + i))
  })

  test('names the custom error with which the chain refuses, and goes on with the next call', async () => {
    const refusal = sender.send({ address, abi, functionName: 'refuse', args: [] })
    const acceptance = sender.send({ address, abi, functionName: 'accept', args: [] })
    await expect(refusal).rejects.toThrow(TransactionRevertedError)
    await expect(refusal).rejects.toMatchObject({
      code: 'transaction.reverted',
      errorName: 'Refused',
      context: { values: ['42'], functionName: 'refuse' },
    })
    expect((await acceptance).status).toBe('success')
  })

  test('knows errors of contracts behind the called one only when it is told of them', async () => {
    const call = { address, abi: [functions[1]], functionName: 'refuse', args: [] } as const
    await expect(sender.send(call)).rejects.toMatchObject({ errorName: '0x590a5151' })
    const informed = createSender({ walletClient, publicClient }, { errors: [[refused]] })
    await expect(informed.send(call)).rejects.toMatchObject({ errorName: 'Refused' })
  })

  test('finds its place again when someone else used the account', async () => {
    await sender.send({ address, abi, functionName: 'accept', args: [] })
    const hash = await walletClient.sendTransaction({ to: address, data: '0x2852b71c' })
    await publicClient.waitForTransactionReceipt({ hash })
    expect((await sender.send({ address, abi, functionName: 'accept', args: [] })).status).toBe('success')
  })
})
