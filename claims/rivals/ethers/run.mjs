import {
  Contract,
  ContractFactory,
  JsonRpcProvider,
  parseUnits,
  verifyTypedData,
  Wallet,
  WebSocketProvider,
} from 'ethers'

/** Uses a node as a dapp with ethers does; prints one line of JSON for each thing that a person would notice. */
const { url, webSocketUrl, privateKey, chainId, abi, bytecode } = JSON.parse(process.argv[2])
const provider = new JsonRpcProvider(url)
const wallet = new Wallet(privateKey, provider)

async function check(what, run) {
  try {
    const got = await run()
    console.log(JSON.stringify({ what, isRight: got === undefined || got === true, got: String(got) }))
  } catch (error) {
    console.log(JSON.stringify({ what, isRight: false, got: String(error).slice(0, 300) }))
  }
}

let counter
await check('finds the chain', async () => (await provider.getNetwork()).chainId === BigInt(chainId))
await check('reads balance, nonce and fees', async () => {
  const fees = await provider.getFeeData()
  return (await provider.getBalance(wallet.address)) > 0n && fees.maxFeePerGas > fees.maxPriorityFeePerGas
})
await check('deploys a contract', async () => {
  const factory = new ContractFactory(abi, bytecode, wallet)
  counter = await factory.deploy(41n)
  await counter.waitForDeployment()
  return (await provider.getCode(await counter.getAddress())).length > 2
})
for (const type of [0, 1, 2]) {
  await check(`sends a transaction of type ${type}`, async () => {
    const price = type === 2 ? {} : { gasPrice: parseUnits('10', 'gwei') }
    const receipt = await (await counter.increment({ type, ...price })).wait()
    return receipt.status === 1 && receipt.type === type
  })
}
await check('calls it', async () => (await counter.value()) === 44n)
await check('finds its events', async () => {
  const events = await counter.queryFilter(counter.filters.Incremented(), 0)
  return events.length === 3 && events.at(-1).args.value === 44n
})
await check('reads a custom error', async () => {
  try {
    await counter.fail.staticCall(7n)
    return false
  } catch (error) {
    return error.revert?.name === 'TooMany' && error.revert.args[0] === 7n
  }
})
await check('reads a reason when gas is estimated', async () => {
  try {
    await counter.refuse()
    return false
  } catch (error) {
    return error.reason === 'not today'
  }
})
await check('estimates gas that suffices', async () => {
  const gasLimit = await counter.increment.estimateGas()
  return (await (await counter.increment({ gasLimit })).wait()).status === 1
})
await check('signs typed data of the chain', async () => {
  const domain = { name: 'Counter', version: '1', chainId, verifyingContract: await counter.getAddress() }
  const types = { Vote: [{ name: 'value', type: 'uint256' }] }
  const signature = await wallet.signTypedData(domain, types, { value: 5n })
  return verifyTypedData(domain, types, { value: 5n }, signature) === wallet.address
})
await check('hears blocks and events over a WebSocket', async () => {
  const sockets = new WebSocketProvider(webSocketUrl)
  const listening = new Contract(await counter.getAddress(), abi, sockets)
  const heard = Promise.all([
    new Promise((resolve) => sockets.once('block', resolve)),
    new Promise((resolve) => listening.once('Incremented', (value) => resolve(value))),
  ])
  // the subscriptions are made on the next turns
  await sockets.getBlockNumber()
  await (await counter.increment()).wait()
  const [number, value] = await heard
  await sockets.destroy()
  return number > 0 && value === 46n
})
provider.destroy()
