import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createNode, type Node, stopDevelopmentL1 } from '@openledger/node'
import { DevelopmentKeys } from '@openledger/protocol'
import { createChains } from '@openledger/sdk'
import { type Address, createPublicClient, createWalletClient, custom, type Hex, http, isAddress } from 'viem'
import type { Claim, ClaimOptions, Finding } from '../Claim.ts'
import { table } from '../Claim.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const RIVAL = join(import.meta.dirname, '..', 'rivals', 'ethers')
const SOURCE = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

contract Counter {
    error TooMany(uint256 asked);
    event Incremented(uint256 value);
    uint256 public value;
    constructor(uint256 first) { value = first; }
    function increment() external { emit Incremented(++value); }
    function fail(uint256 asked) external pure { revert TooMany(asked); }
    function refuse() external pure { revert("not today"); }
}
`
const SCRIPT = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Counter } from "../src/Counter.sol";

interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

contract Deploy {
    function run() external {
        Vm vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
        vm.startBroadcast();
        Counter counter = new Counter(7);
        counter.increment();
        vm.stopBroadcast();
    }
}
`
const ABI = [
  { type: 'function', name: 'value', inputs: [], outputs: [{ type: 'uint256' }], stateMutability: 'view' },
] as const

type Check = { readonly tool: string; readonly what: string; readonly isRight: boolean; readonly got: string }

/** Makes a forge project with one contract and a script that deploys and uses it. */
function makeProject(folder: string): string {
  const project = join(folder, 'project')
  for (const name of ['src', 'script']) mkdirSync(join(project, name), { recursive: true })
  writeFileSync(join(project, 'src', 'Counter.sol'), SOURCE)
  writeFileSync(join(project, 'script', 'Deploy.s.sol'), SCRIPT)
  const compiler = join(ROOT, 'scripts', 'solc.mjs')
  writeFileSync(
    join(project, 'foundry.toml'),
    `[profile.default]\nsrc = "src"\nout = "out"\nsolc = "${compiler}"\noffline = true\nevm_version = "prague"\n`,
  )
  return project
}

async function forge(project: string, ...words: readonly string[]): Promise<string> {
  const path = join(ROOT, 'node_modules', '.bin', 'forge')
  const { stdout } = await promisify(execFile)(path, [...words], { cwd: project, maxBuffer: 2 ** 24 })
  return stdout
}

const attempt = async (tool: string, what: string, run: () => Promise<unknown>): Promise<Check> => {
  try {
    const got = await run()
    return { tool, what, isRight: got === true, got: String(got) }
  } catch (error) {
    const { stderr } = error as { readonly stderr?: string }
    return { tool, what, isRight: false, got: (stderr ?? String(error)).trim().slice(-300) }
  }
}

async function withForge(project: string, node: Node, privateKey: Hex): Promise<Check[]> {
  const client = createPublicClient({ transport: http(node.l2RpcUrl) })
  const valueAt = (address: Address) => client.readContract({ address, abi: ABI, functionName: 'value' })
  const access = ['--rpc-url', node.l2RpcUrl, '--private-key', privateKey, '--broadcast']
  return [
    await attempt('forge', 'creates a contract', async () => {
      const output = await forge(
        project,
        ...['create', ...access, 'src/Counter.sol:Counter', '--constructor-args', '5'],
      )
      const deployedTo = /Deployed to: (0x[0-9a-fA-F]{40})/.exec(output)?.[1] as Address | undefined
      if (deployedTo === undefined) return output
      return (await valueAt(deployedTo)) === 5n
    }),
    await attempt('forge', 'runs a script that deploys and calls', async () => {
      await forge(project, 'script', 'script/Deploy.s.sol:Deploy', '--tc', 'Deploy', ...access)
      const path = join(
        project,
        'broadcast',
        'Deploy.s.sol',
        `${node.deployment.l2ChainId}`,
        'run-latest.json',
      )
      const { receipts } = JSON.parse(readFileSync(path, 'utf8')) as {
        receipts: { status: Hex; contractAddress: Address | null }[]
      }
      const address = receipts.find(({ contractAddress }) => contractAddress !== null)!.contractAddress!
      const isMined = receipts.length === 2 && receipts.every(({ status }) => status === '0x1')
      return isMined && isAddress(address, { strict: false }) && (await valueAt(address)) === 8n
    }),
  ]
}

function installEthers(say: (line: string) => void): boolean {
  if (existsSync(join(RIVAL, 'node_modules', 'ethers'))) return true
  say('Installing ethers (20 MB, once) ...')
  const words = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  return spawnSync('npm', words, { cwd: RIVAL, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
}

async function withEthers(project: string, node: Node, privateKey: Hex): Promise<Check[]> {
  const artifact = JSON.parse(readFileSync(join(project, 'out', 'Counter.sol', 'Counter.json'), 'utf8')) as {
    abi: unknown
    bytecode: { object: Hex }
  }
  const words = {
    url: node.l2RpcUrl,
    webSocketUrl: node.l2WebSocketUrl,
    privateKey,
    chainId: node.deployment.l2ChainId,
    abi: artifact.abi,
    bytecode: artifact.bytecode.object,
  }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(RIVAL, 'run.mjs'), JSON.stringify(words)],
    { timeout: 120_000 },
  )
  return stdout
    .trim()
    .split('\n')
    .map((line) => ({ tool: 'ethers', ...(JSON.parse(line) as Omit<Check, 'tool'>) }))
}

type AddChain = {
  readonly chainId: Hex
  readonly chainName: string
  readonly nativeCurrency: { readonly symbol: string; readonly decimals: number }
  readonly rpcUrls: readonly string[]
}

/** What a wallet is asked to add, looked at as EIP-3085 tells it to. */
async function withWallet(node: Node): Promise<Check[]> {
  let asked: AddChain | undefined
  const wallet = createWalletClient({
    transport: custom({
      async request({ method, params }: { method: string; params: [AddChain] }) {
        if (method === 'wallet_addEthereumChain') asked = params[0]
        return null
      },
    }),
  })
  const { l2Chain } = createChains(node.deployment, { l1RpcUrl: node.l1RpcUrl, l2RpcUrl: node.l2RpcUrl })
  await wallet.addChain({ chain: l2Chain })
  const added = asked!
  const answer = async (method: string): Promise<unknown> => {
    const response = await fetch(added.rpcUrls[0]!, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: 'https://wallet.example' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [] }),
    })
    if (response.headers.get('access-control-allow-origin') !== '*') return 'no access for pages of others'
    return ((await response.json()) as { result: unknown }).result
  }
  return [
    await attempt(
      'EIP-3085',
      'the endpoint is on the chain that is named, in the same digits',
      async () =>
        (await answer('eth_chainId')) === added.chainId && /^0x[1-9a-f][0-9a-f]*$/.test(added.chainId),
    ),
    await attempt(
      'EIP-3085',
      'net_version is the same number',
      async () => (await answer('net_version')) === BigInt(added.chainId).toString(),
    ),
    await attempt(
      'EIP-3085',
      'currency with a symbol of 2 to 6 letters and 18 decimals',
      async () => /^[A-Z]{2,6}$/.test(added.nativeCurrency.symbol) && added.nativeCurrency.decimals === 18,
    ),
    await attempt(
      'EIP-3085',
      'a name, and endpoints that are URLs',
      async () => added.chainName.length > 0 && added.rpcUrls.every((url) => URL.canParse(url)),
    ),
  ]
}

async function run({ say }: ClaimOptions): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'openledger-wallets-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => {
    await stopDevelopmentL1(folder)
    rmSync(folder, { recursive: true, force: true })
  })
  const hasEthers = installEthers(say)
  const node = await createNode({
    directory: folder,
    l1: { blockTimeSeconds: 1 },
    l2: { blockTimeSeconds: 1 },
  })
  stack.use(node)
  const project = makeProject(folder)
  const keyOf = (role: DevelopmentKeys.Role): Hex =>
    `0x${Buffer.from(DevelopmentKeys.account(role).getHdKey().privateKey!).toString('hex')}`
  const checks = [
    ...(await withWallet(node)),
    ...(await withForge(project, node, keyOf('caller'))),
    ...(hasEthers ? await withEthers(project, node, keyOf('builder')) : []),
  ]
  for (const { tool, what, isRight, got } of checks) say(`${tool} · ${what} · ${isRight ? 'right' : got}`)
  const right = checks.filter(({ isRight }) => isRight).length
  return {
    figure: right,
    unit: `of ${checks.length} things that a wallet, ethers and a forge project do`,
    goal: checks.length,
    sense: 'at least',
    failures: [
      ...checks.filter(({ isRight }) => !isRight).map(({ tool, what, got }) => `${tool} ${what}: ${got}`),
      ...(hasEthers ? [] : ['ethers could not be installed; nothing was shown with it']),
    ],
    report: [
      'The real tools against a node with 1 s blocks: forge from npm with a project of its own, ethers as its lock file in `claims/rivals/ethers` names it, and what viem hands a wallet as EIP-3085’s parameters for the chain that the SDK describes. viem’s own OP Stack client is in `packages/node/src/node/createNode.test.ts`.',
      table([
        ['tool', 'what it does', ''],
        ...checks.map(({ tool, what, isRight }) => [tool, what, isRight ? 'right' : 'wrong']),
      ]),
    ].join('\n\n'),
  }
}

export const claim: Claim = {
  says: 'A wallet can add the chain, and ethers and a forge project deploy to it and use it, unmodified.',
  run,
}
