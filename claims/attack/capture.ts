import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys } from '@openledger/protocol'
import {
  BaseError,
  type Chain,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  encodeFunctionData,
  type HDAccount,
  http,
  keccak256,
  type Log,
  parseEther,
  parseEventLogs,
  toBytes,
  type Abi as ViemAbi,
  zeroAddress,
} from 'viem'
import { foundry } from 'viem/chains'
import { startAnvil } from '../../packages/protocol/test/startAnvil.ts'
import { type Claim, table } from '../Claim.ts'

/**
 * What somebody who wants to govern for himself gets out of it: the same attempts against a governor whose quorum is a
 * share of what is wrapped, and against ours. Every step is a transaction on a chain; what counts is what moved.
 */

const DELAY_SECONDS = 86_400
const PERIOD_SECONDS = 7 * 86_400
const TIMELOCK_SECONDS = 2 * 86_400
const THRESHOLD_WEI = parseEther('100')
/** What the treasury, here the timelock, is worth taking for. */
const TREASURY_WEI = parseEther('1000000')
/** What honest holders have wrapped; they do not look every week. */
const WRAPPED_WEI = parseEther('1000')
/** A quarter of what is wrapped then, and the threshold with it. */
const CAPTURE_WEI = parseEther('400')
const FLASH_WEI = parseEther('200000000')
const SPAM_COUNT = 20
const SPLIT = { platformBps: 1_000, ownerBps: 2_000, stakersBps: 2_000, contributorsBps: 5_000 }

type Compiled = { readonly abi: ViemAbi; readonly bytecode: Hex }

/** Compiles the governor without defences, with the compiler and the settings that our own contracts have. */
function compile(): Record<string, Compiled> {
  const contracts = createRequire(new URL('../../contracts/package.json', import.meta.url))
  const solc = contracts('solc') as {
    compile: (input: string, callbacks: { import: (path: string) => { contents: string } }) => string
  }
  const output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: {
          'Capture.sol': { content: readFileSync(new URL('Capture.sol', import.meta.url), 'utf8') },
        },
        settings: {
          evmVersion: 'prague',
          optimizer: { enabled: true, runs: 200 },
          outputSelection: { 'Capture.sol': { '*': ['abi', 'evm.bytecode.object'] } },
        },
      }),
      { import: (path) => ({ contents: readFileSync(contracts.resolve(path), 'utf8') }) },
    ),
  )
  if (output.contracts?.['Capture.sol'] === undefined) throw new Error(JSON.stringify(output.errors))
  return Object.fromEntries(
    Object.entries<{ abi: ViemAbi; evm: { bytecode: { object: string } } }>(
      output.contracts['Capture.sol'],
    ).map(([name, { abi, evm }]) => [name, { abi, bytecode: `0x${evm.bytecode.object}` as Hex }]),
  )
}

type Kind = 'share of what is wrapped' | 'ours'

/** One governance on a chain of its own: wrapped votes, governor, timelock with the treasury, and the fee policy. */
async function found(kind: Kind, compiled: Record<string, Compiled>) {
  const anvil = await startAnvil([
    '--chain-id',
    '31337',
    '--hardfork',
    'prague',
    '--accounts',
    '64',
    '--balance',
    '1000000000',
  ])
  const chain: Chain = { ...foundry, rpcUrls: { default: { http: [anvil.url] } } }
  const transport = http(anvil.url)
  const publicClient = createPublicClient({ chain, transport, cacheTime: 0 })
  const request = (method: string, params: readonly unknown[]) =>
    publicClient.request({ method, params } as never)
  const wait = async (seconds: number) => {
    await request('evm_increaseTime', [seconds])
    await request('evm_mine', [])
  }
  type Sent = { readonly logs: Log[]; readonly contractAddress: Hex }
  const mined = async (hash: Hex): Promise<Sent> => {
    const receipt = await publicClient.waitForTransactionReceipt({ hash, pollingInterval: 20 })
    if (receipt.status !== 'success') throw new Error(`Expected ${hash} to succeed, but it reverted.`)
    return receipt as never
  }
  const walletOf = (account: HDAccount) => createWalletClient({ account, chain, transport })
  const deployer = DevelopmentKeys.account('deployer')
  const deploy = async (abi: ViemAbi, bytecode: Hex, args: readonly unknown[] = []): Promise<Hex> => {
    const data = { abi, bytecode, args, gas: 15_000_000n } as never
    return (await mined(await walletOf(deployer).deployContract(data))).contractAddress
  }
  const call = async (
    account: HDAccount,
    address: Hex,
    abi: ViemAbi,
    functionName: string,
    args: readonly unknown[],
    value = 0n,
  ): Promise<Sent> => {
    // simulated first, for the name of what refuses it
    await publicClient.simulateContract({ address, abi, functionName, args, value, account } as never)
    const write = { address, abi, functionName, args, value, gas: 5_000_000n } as never
    return mined(await walletOf(account).writeContract(write))
  }

  const gopen = await deploy(Abi.gOpenAbi, Abi.gOpenBytecode)
  const timelock = await deploy(Abi.timelockControllerAbi, Abi.timelockControllerBytecode, [
    BigInt(TIMELOCK_SECONDS),
    [],
    [zeroAddress],
    deployer.address,
  ])
  const feePolicy = await deploy(Abi.feePolicyAbi, Abi.feePolicyBytecode, [timelock, timelock, SPLIT])
  const genesis = (await publicClient.getBlock()).timestamp
  const rival = compiled['WrappedQuorumGovernor']!
  const governor =
    kind === 'ours'
      ? await deploy(Abi.openGovernorAbi, Abi.openGovernorBytecode, [
          gopen,
          timelock,
          {
            votingDelaySeconds: DELAY_SECONDS,
            votingPeriodSeconds: PERIOD_SECONDS,
            proposalThresholdWei: THRESHOLD_WEI,
            quorumBps: 400n,
          },
          genesis,
          feePolicy,
        ])
      : await deploy(rival.abi, rival.bytecode, [
          gopen,
          timelock,
          DELAY_SECONDS,
          PERIOD_SECONDS,
          THRESHOLD_WEI,
        ])
  const role = (name: string) => keccak256(toBytes(name))
  for (const [name, holder] of [
    ['PROPOSER_ROLE', governor],
    ['CANCELLER_ROLE', governor],
  ] as const) {
    await call(deployer, timelock, Abi.timelockControllerAbi, 'grantRole', [role(name), holder])
  }
  const admin = `0x${'0'.repeat(64)}`
  await call(deployer, timelock, Abi.timelockControllerAbi, 'renounceRole', [admin, deployer.address])
  await mined(await walletOf(deployer).sendTransaction({ to: timelock, value: TREASURY_WEI } as never))
  const holder = DevelopmentKeys.account('voter')
  await call(holder, gopen, Abi.gOpenAbi, 'deposit', [], WRAPPED_WEI)
  await wait(1)
  return {
    publicClient,
    request,
    gopen,
    timelock,
    feePolicy,
    governor,
    wait,
    call,
    deploy,
    close: anvil.close,
    read: <T>(functionName: string, args: readonly unknown[] = []): Promise<T> =>
      publicClient.readContract({
        address: governor,
        abi: Abi.openGovernorAbi,
        functionName,
        args,
      } as never) as never,
  }
}

type Governance = Awaited<ReturnType<typeof found>>

const attacker = DevelopmentKeys.account('caller')
const accomplice = DevelopmentKeys.account('backer')

/** What a refusal is called; nothing when there was none. */
async function refusalOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    const reverted =
      error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError)
    if (!(reverted instanceof ContractFunctionRevertedError)) throw error
    return reverted.data?.errorName ?? reverted.signature ?? reverted.shortMessage
  }
}

const govern = (g: Governance, who: HDAccount, functionName: string, args: readonly unknown[]) =>
  g.call(who, g.governor, Abi.openGovernorAbi, functionName, args)

const propose = async (g: Governance, who: HDAccount, description: string, gift = TREASURY_WEI) => {
  const words = [[attacker.address], [gift], ['0x']] as const
  const { logs } = await govern(g, who, 'propose', [...words, description])
  const [event] = parseEventLogs({ abi: Abi.openGovernorAbi, eventName: 'ProposalCreated', logs })
  return { id: event!.args.proposalId, call: [...words, keccak256(toBytes(description))] as const }
}

/** Wraps little, proposes to give the treasury to oneself, votes alone, waits, and takes it. @returns Wei taken. */
async function captureByFew(g: Governance, wrapWei: bigint): Promise<bigint> {
  await g.call(attacker, g.gopen, Abi.gOpenAbi, 'deposit', [], wrapWei)
  await g.wait(1)
  const { id, call } = await propose(g, attacker, 'A grant')
  await g.wait(DELAY_SECONDS + 1)
  await govern(g, attacker, 'castVote', [id, 1])
  await g.wait(PERIOD_SECONDS)
  const refusal = await refusalOf(async () => {
    await govern(g, attacker, 'queue', call)
    await g.wait(TIMELOCK_SECONDS)
    await govern(g, attacker, 'execute', call)
  })
  await g.call(attacker, g.gopen, Abi.gOpenAbi, 'withdraw', [wrapWei])
  const left = await g.publicClient.getBalance({ address: g.timelock })
  return refusal === undefined ? TREASURY_WEI - left : 0n
}

/** Proposes as often as one stock of votes allows, handing it on in between; others clear what they may. */
async function spam(g: Governance): Promise<number> {
  const proposals: Awaited<ReturnType<typeof propose>>[] = []
  await g.call(attacker, g.gopen, Abi.gOpenAbi, 'deposit', [], THRESHOLD_WEI)
  await g.call(accomplice, g.gopen, Abi.gOpenAbi, 'deposit', [], 0n)
  let [holder, other] = [attacker, accomplice]
  for (let n = 0; n < SPAM_COUNT; n++) {
    await g.wait(1)
    await refusalOf(async () => proposals.push(await propose(g, holder, `spam ${n}`, BigInt(n))))
    if (n % 2 === 0) continue
    await g.call(holder, g.gopen, Abi.gOpenAbi, 'transfer', [other.address, THRESHOLD_WEI])
    ;[holder, other] = [other, holder]
  }
  await g.wait(1)
  const passerBy = DevelopmentKeys.account('builder')
  for (const { call } of proposals) await refusalOf(() => govern(g, passerBy, 'cancel', call))
  await g.wait(DELAY_SECONDS + 1)
  const states = await Promise.all(proposals.map(({ id }) => g.read<number>('state', [id])))
  return states.filter((state) => state === 1).length
}

/** Wraps 200 million borrowed OPEN within one transaction: proposes, or votes on a proposal that is open. */
async function flash(g: Governance, voter: Compiled): Promise<string[]> {
  await g.request('anvil_setBalance', [attacker.address, `0x${(2n * FLASH_WEI).toString(16)}`])
  const borrower = await g.deploy(voter.abi, voter.bytecode)
  const words = [[attacker.address], [TREASURY_WEI], ['0x']]
  const withProposal = await refusalOf(() =>
    g.call(attacker, borrower, voter.abi, 'propose', [g.gopen, g.governor, ...words], FLASH_WEI),
  )
  await g.call(attacker, g.gopen, Abi.gOpenAbi, 'deposit', [], THRESHOLD_WEI)
  await g.wait(1)
  const { id } = await propose(g, attacker, 'flash')
  await g.wait(DELAY_SECONDS + 1)
  const withVote = await refusalOf(() =>
    g.call(attacker, borrower, voter.abi, 'vote', [g.gopen, g.governor, id], FLASH_WEI),
  )
  const [, votesFor] = await g.read<readonly bigint[]>('proposalVotes', [id])
  return [
    withProposal === undefined ? 'proposed' : 'refused',
    withVote === undefined && votesFor! > 0n ? `${Open.format(votesFor!)} votes` : 'counts nothing',
  ]
}

/** Ways around the delay: every one has to be refused. */
async function bypass(g: Governance): Promise<[string, string | undefined][]> {
  const data = encodeFunctionData({
    abi: Abi.feePolicyAbi,
    functionName: 'setTreasury',
    args: [attacker.address],
  })
  const none = `0x${'0'.repeat(64)}`
  const proposer = keccak256(toBytes('PROPOSER_ROLE'))
  const held = (functionName: string, args: readonly unknown[]) => () =>
    g.call(attacker, g.timelock, Abi.timelockControllerAbi, functionName, args)
  const attempts: [string, () => Promise<unknown>][] = [
    [
      'schedule without a vote',
      held('schedule', [g.feePolicy, 0n, data, none, none, BigInt(TIMELOCK_SECONDS)]),
    ],
    ['execute what nobody scheduled', held('execute', [g.feePolicy, 0n, data, none, none])],
    ['shorten the delay', held('updateDelay', [0n])],
    ['make oneself proposer', held('grantRole', [proposer, attacker.address])],
    ['relay through the governor', () => govern(g, attacker, 'relay', [g.feePolicy, 0n, data])],
    [
      'change the policy directly',
      () => g.call(attacker, g.feePolicy, Abi.feePolicyAbi, 'setTreasury', [attacker.address]),
    ],
  ]
  const found: [string, string | undefined][] = []
  for (const [what, work] of attempts) found.push([what, await refusalOf(work)])
  return found
}

export const claim: Claim = {
  says: 'Who wraps little OPEN, borrows much for a moment, floods with proposals or goes around the timelock gains nothing from governance.',
  async run({ say }) {
    say(
      `compiling ${fileURLToPath(new URL('Capture.sol', import.meta.url))
        .split('/')
        .at(-1)}`,
    )
    const compiled = compile()
    const rows: string[][] = [['attack', 'quorum of what is wrapped', 'ours']]
    const failures: string[] = []
    const both = async <T>(what: string, attack: (g: Governance) => Promise<T>): Promise<[T, T]> => {
      const results: T[] = []
      for (const kind of ['share of what is wrapped', 'ours'] as const) {
        const governance = await found(kind, compiled)
        try {
          results.push(await attack(governance))
          say(`${what}, ${kind}: ${String(results.at(-1))}`)
        } finally {
          governance.close()
        }
      }
      return results as [T, T]
    }
    const [takenBefore, takenAfter] = await both('capture', (g) => captureByFew(g, CAPTURE_WEI))
    rows.push([
      `wrap ${Open.format(CAPTURE_WEI)} OPEN where ${Open.format(WRAPPED_WEI)} are wrapped, and vote oneself the treasury`,
      ...[takenBefore, takenAfter].map((wei) => `takes ${Open.format(wei)} OPEN`),
    ])
    const needed = await both('votes needed', async (g) =>
      g.read<bigint>('quorum', [(await g.publicClient.getBlock()).timestamp - 1n]),
    )
    rows.push(['votes that pass a proposal', ...needed.map((wei) => `${Open.format(wei)} OPEN`)])
    const [spamBefore, spamAfter] = await both('spam', spam)
    rows.push([
      `propose ${SPAM_COUNT} times with the votes of one proposal, handing them to and fro`,
      ...[spamBefore, spamAfter].map((count) => `${count} come to a vote`),
    ])
    if (spamAfter > 1) failures.push(`${spamAfter} proposals came to a vote on the votes of one`)
    const flashed = await both('flash', (g) => flash(g, compiled['FlashVoter']!))
    rows.push([
      'propose with 200 million OPEN borrowed for one transaction',
      ...flashed.map(([first]) => first!),
    ])
    rows.push(['vote with them', ...flashed.map(([, second]) => second!)])
    if (flashed[1].join() !== 'refused,counts nothing') failures.push(`borrowed votes: ${flashed[1].join()}`)
    const [bypassBefore, bypassAfter] = await both('timelock', bypass)
    for (const [at, [what, refusal]] of bypassAfter.entries()) {
      rows.push([what, bypassBefore[at]![1] ?? 'went through', refusal ?? 'went through'])
      if (refusal === undefined) failures.push(what)
    }
    if (takenBefore === 0n) failures.push('the attack does not even work without the defences')
    return {
      figure: Number(takenAfter / 10n ** 18n),
      unit: 'OPEN taken',
      goal: 0,
      sense: 'at most',
      failures,
      report: [
        table(rows),
        'The treasury is the timelock here, because nothing else in these contracts can be given away by a vote: Settlement and Staking have no function for it. Who really holds four per cent of all free OPEN for a whole vote, and finds nobody against it, passes a proposal; that is what a vote is.',
      ].join('\n\n'),
    }
  },
}
