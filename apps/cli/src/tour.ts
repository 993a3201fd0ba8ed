import { createAgent, provisionAgent } from '@openledger/agent'
import { type Hex, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, FeeSplit, type Http } from '@openledger/protocol'
import { Governance, Parameters, signerOf } from '@openledger/sdk'
import type { LocalAccount } from 'viem/accounts'
import { ask, openAccess, settled } from './asking.ts'
import { withdrawToL1 } from './bridging.ts'
import { type Connection, connect } from './Connection.ts'
import { bold, cyan, dim, green, open, percent } from './Output.ts'
import { senderOf } from './Session.ts'
import { nextContribution } from './tourData.ts'
import { trainAndPublish } from './training.ts'
import { verifyReceipt } from './verifying.ts'

const say = (line: string) => console.log(`   ${line}`)
const heading = (number: number, title: string) => console.log(`\n${bold(cyan(`${number}. ${title}`))}`)

const PROMPT =
  'abstract contract ERC20 is Context, IERC20 {\n    function transfer(address to, uint256 value) public virtual returns (bool) {'
/** Asked one after the other until an answer owes something to somebody: what the base model would say anyway pays nobody. */
const PROMPTS = [
  PROMPT,
  'contract MyToken is ERC20 {\n    function transfer(address to, uint256 value)',
  'abstract contract Ownable is Context {\n    /// @dev Throws if called by any account other than the owner.\n    modifier onlyOwner() {',
]

/**
 * Goes once round the loop against the running system: a contribution, a version, a model, an answer, its attribution, its
 * settlement, a claim, a withdrawal, a vote and an agent; and ends with what the chain says.
 *
 * Every step asks the system first what is already there, so a tour that was interrupted can be started again.
 */
export async function tour(url: string): Promise<void> {
  console.log(bold('OpenLedger, once round the loop'))
  let connection = await connect(url)
  await waitForSeed(connection)
  // what was deployed while we waited is known now
  connection = await connect(url)

  heading(1, 'A contributor signs data into a Datanet')
  const datanet = await contribute(connection)

  heading(2, 'A builder trains a model on it')
  const model = await train(connection, datanet)

  heading(3, 'A caller asks, pays, and sees whose data shaped the answer')
  const receipt = await answer(connection, model.name)

  heading(4, 'The fee is settled on the chain')
  const onChain = await settled(connection, receipt.sequence)
  say(`receipt ${onChain.sequence} settled in transaction ${onChain.settlementTransaction}`)
  for (const line of await verifyReceipt(connection, onChain)) {
    if (!line.holds) throw new Error(`${line.claim}: ${line.difference}`)
  }
  say(green('recomputed from the chain: signature, split, shares and payouts all hold'))

  heading(5, 'A contributor claims, and withdraws to L1 with a proof')
  await earn(connection, onChain)

  heading(6, 'A vote changes how fees are split')
  await vote(connection, model.name)

  heading(7, 'An agent finds a model, pays by itself, and is stopped at its limit')
  await sendAgent(connection)

  heading(8, 'What the chain says')
  await conclude(connection)
}

async function waitForSeed({ client }: Connection): Promise<void> {
  const shown = new Set<string>()
  for (;;) {
    const seed = await client.seed().catch(() => undefined)
    if (seed?.done) return
    for (const { title, state, detail } of seed?.steps ?? []) {
      const line = `${title}: ${state}`
      if (state === 'waiting' || shown.has(line)) continue
      shown.add(line)
      say(dim(`first start · ${line} ${detail}`))
    }
    const failed = seed?.steps.find((step) => step.state === 'failed')
    if (failed !== undefined) throw new Error(`The first start failed at "${failed.title}": ${failed.detail}`)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
}

async function contribute({ client }: Connection): Promise<Http.Datanet> {
  const [datanet] = await client.datanets()
  if (datanet === undefined) throw new Error('Expected the Datanet of the first start; there is none.')
  const before = datanet.version
  const next = await nextContribution(client, datanet)
  if (next === undefined) {
    say('everything this tour could contribute is in the Datanet already; going on with what is there')
    return datanet
  }
  const account = DevelopmentKeys.contributor(40)
  const contribution = await client.contribute(next, signerOf(account))
  say(`${account.address} signed "${contribution.title}": ${contribution.recordCount} records`)
  say(`Merkle root ${contribution.recordsRoot}`)
  say(`on chain in transaction ${contribution.transactionHash}`)
  for (;;) {
    const now = await client.contribution(contribution.id)
    if (now.status === 'versioned') {
      const { version, recordCount } = await client.datanet(datanet.id)
      const rejected = now.records.filter((record) => record.verdict === 'rejected')
      say(
        `${now.acceptedCount} of ${now.recordCount} records accepted${rejected[0] ? `; one was not: ${rejected[0].reason}` : ''}`,
      )
      say(`version ${before} became version ${version} with ${recordCount} records`)
      return client.datanet(datanet.id)
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

async function train(connection: Connection, datanet: Http.Datanet): Promise<Http.Model> {
  const names = new Set([
    ...(await connection.client.models()).map((model) => model.name),
    ...(await connection.client.trainingRuns()).map((run) => run.modelName),
  ])
  let number = 2
  while (names.has(`solidity-${number}`)) number++
  const model = await trainAndPublish(connection, DevelopmentKeys.account('builder'), {
    modelName: `solidity-${number}`,
    datanetId: datanet.id,
    priceWei: Open.parse('0.001'),
    // nobody asks it for anything else, and a tour is short
    config: { epochs: 4, rehearsal: 0, forgettingMax: 100 },
    publish: true,
    onProgress: say,
  })
  if (model === undefined) throw new Error('Expected the trained model to be published.')
  const [before, after] = [model.baseTestLoss, model.testLoss]
  say(`loss on test records, kept out of training: ${before.toFixed(3)} before, ${after.toFixed(3)} after`)
  return model
}

async function answer(connection: Connection, model: string): Promise<Http.SignedReceipt> {
  const secret = await openAccess(connection, DevelopmentKeys.account('caller'), Open.parse('5'))
  const titles = await titlesOf(connection)
  for (const prompt of PROMPTS) {
    const { answer: text, receipt } = await ask(connection, { model, prompt, maxTokens: 64, secret })
    console.log(dim(indent(prompt)) + text.split('\n').join('\n      '))
    bill(receipt, titles)
    if (receipt.attribution.shares.length > 0) return receipt
    say("this answer owes nothing to a contributor, so its fee is the community's; the next question")
  }
  throw new Error(`Expected one of ${PROMPTS.length} answers to pay a contributor; all went to the commons.`)
}

function bill(receipt: Http.SignedReceipt, titles: ReadonlyMap<string, string>): void {
  say(
    `fee ${open(receipt.feeWei)} for ${receipt.inputTokens} + ${receipt.outputTokens} tokens, of which contributors get ${open(receipt.contributorsWei)}`,
  )
  for (const share of [...receipt.attribution.shares].sort((a, b) => b.sharePpm - a.sharePpm).slice(0, 5)) {
    say(
      `${percent(share.sharePpm).padStart(7)}  ${open(share.amountWei).padEnd(22)} ${titles.get(share.contributionId)}`,
    )
  }
  say(
    `${percent(receipt.attribution.commons.sharePpm).padStart(7)}  ${open(receipt.attribution.commons.amountWei).padEnd(22)} the commons`,
  )
}

async function earn(connection: Connection, receipt: Http.SignedReceipt): Promise<void> {
  const { client, network, l1, l2 } = connection
  const best = [...receipt.attribution.shares].sort((a, b) => b.sharePpm - a.sharePpm)[0]
  if (best === undefined) throw new Error('Expected a receipt that pays a contributor.')
  const account = contributorAt(best.beneficiary)
  const titles = await titlesOf(connection)
  say(`the highest share went to the contributor of ${titles.get(best.contributionId)}, ${account.address}`)
  const l1Before = await openOnL1(connection, account.address)
  const claimed = await client.claim(account.address)
  say(`claimed ${open(claimed.amountWei)} in ${claimed.transactionHash}`)
  const l2Wei = await l2.getBalance({ address: account.address })
  // a little stays on L2 for gas
  const amountWei = (l2Wei * 9n) / 10n
  say(`withdrawing ${open(amountWei)} of ${open(l2Wei)} to L1`)
  await withdrawToL1(connection, account, amountWei, say)
  const l1After = await openOnL1(connection, account.address)
  if (l1After <= l1Before) throw new Error(`Expected more OPEN on L1 than ${l1Before} wei, got ${l1After}.`)
  say(
    green(
      `OPEN of the contributor on L1: ${open(l1Before)} before, ${open(l1After)} after (block ${await l1.getBlockNumber()}, chain ${network.deployment.l1ChainId})`,
    ),
  )
}

async function vote(connection: Connection, model: string): Promise<void> {
  const { l2, l2Wallet, network } = connection
  const { deployment } = network
  const voter = l2Wallet(DevelopmentKeys.account('voter'))
  const policy = { address: deployment.l2.feePolicy, abi: Abi.feePolicyAbi } as const
  const version = await l2.readContract({ ...policy, functionName: 'currentVersion' })
  const split = await l2.readContract({ ...policy, functionName: 'splitOf', args: [version] })
  say(`split ${version}: ${describe(split)}`)
  const votes = await l2.readContract({
    address: deployment.l2.gopen,
    abi: Abi.gOpenAbi,
    functionName: 'getVotes',
    args: [voter.account.address],
  })
  const wantedWei = await Governance.votesNeeded(l2, deployment)
  if (votes < wantedWei) await Governance.becomeVoter(l2, voter, deployment, wantedWei - votes)
  say(`the voter holds ${open(wantedWei > votes ? wantedWei : votes)} as gOPEN, delegated to itself`)
  // to and fro, so that every tour has something to decide
  const toContributors = split.platformBps >= 1_000 ? 500 : -500
  const proposed = {
    ...split,
    platformBps: split.platformBps - toContributors,
    contributorsBps: split.contributorsBps + toContributors,
  }
  const parts = [proposed.platformBps, proposed.ownerBps, proposed.stakersBps, proposed.contributorsBps]
  const call = Parameters.callOf(
    deployment,
    'split',
    parts.map((bps) => String(bps / 100)),
  )
  const description = `Fee split after version ${version}`
  const proposal = await Governance.propose(l2, voter, deployment, [call], description)
  say(`proposal ${proposal.id.toString().slice(0, 12)}…: ${describe(proposed)}`)
  await Governance.carryThrough(l2, voter, deployment, proposal, (state) => say(`the proposal is ${state}`))
  const secret = await openAccess(connection, DevelopmentKeys.account('caller'), Open.parse('5'))
  const { receipt } = await ask(connection, { model, prompt: PROMPT, maxTokens: 16, secret })
  say(
    green(
      `the next receipt (${receipt.sequence}) is split by version ${receipt.splitVersion}: of ${open(receipt.feeWei)} contributors get ${open(receipt.contributorsWei)}`,
    ),
  )
  const expected = FeeSplit.split(BigInt(receipt.feeWei), proposed)
  if (receipt.splitVersion !== version + 1 || BigInt(receipt.platformWei) !== expected.platformWei) {
    throw new Error(
      `Expected the receipt to be split by version ${version + 1}, got ${receipt.splitVersion}.`,
    )
  }
}

async function sendAgent(connection: Connection): Promise<void> {
  const { l2, network, url, client } = connection
  const sessionAccount = DevelopmentKeys.account('agentSession')
  const { timestamp } = await l2.getBlock()
  const session = {
    limitPerPaymentWei: Open.parse('0.2'),
    limitTotalWei: Open.parse('0.25'),
    expiresAt: timestamp + 3_600n,
  }
  const agent = await provisionAgent({
    publicClient: l2,
    owner: senderOf(connection, DevelopmentKeys.account('agentOwner')),
    deployment: network.deployment,
    name: 'reviewer',
    description: 'Reads Solidity and asks a model what comes next.',
    sessionKey: sessionAccount.address.toLowerCase() as Hex,
    session,
    fundWei: Open.parse('2'),
    serverUrl: url,
  })
  say(
    `agent ${agent.agentId} (ERC-8004) with wallet ${agent.wallet} holding ${open(await l2.getBalance({ address: agent.wallet }))}`,
  )
  say(`its key may pay ${open(session.limitPerPaymentWei)} at once and ${open(session.limitTotalWei)} in all`)
  const running = createAgent({
    wallet: agent.wallet,
    sessionAccount,
    chainId: network.deployment.l2ChainId,
    serverUrl: url,
  })
  const model = await running.findModel('solidity')
  say(`found ${model.name} through MCP`)
  let stopped: unknown
  for (let turn = 1; turn <= 20 && stopped === undefined; turn++) {
    try {
      const paid = await running.ask({ model: model.name, prompt: PROMPT, maxTokens: 96 })
      say(`answer ${turn}: receipt ${paid.receipt.sequence}, paid in ${paid.paymentTransaction}`)
    } catch (error) {
      stopped = error
    }
  }
  if (stopped === undefined)
    throw new Error('Expected the agent to be stopped at its limit, but it paid twenty times.')
  say(green(`then it was stopped: ${(stopped as Error).message}`))
  const { prepaidWei } = await client.account(agent.wallet)
  say(`what it paid and did not use is its own: ${open(prepaidWei)} prepaid`)
}

async function conclude(connection: Connection): Promise<void> {
  const { client, l2 } = connection
  const network = await client.network()
  const { lockedOnL1Wei, onL2Wei } = network.supply
  say(
    `block ${network.heads.unsafe}; safe on L1 up to ${network.heads.safe}, final up to ${network.heads.finalized}`,
  )
  const onL2 = onL2Wei === null ? 'L2 not counted' : `${Open.format(BigInt(onL2Wei))} OPEN on L2`
  say(`${Open.format(BigInt(lockedOnL1Wei))} OPEN locked on L1, ${onL2}`)
  if (onL2Wei !== null && lockedOnL1Wei !== onL2Wei)
    throw new Error('Expected the OPEN locked on L1 to equal the OPEN on L2.')
  const [lastSequence] = await l2.readContract({
    address: network.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'head',
  })
  const [ledgerSum, claimedTotal] = await l2.readContract({
    address: network.deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'ledger',
  })
  say(
    `${lastSequence} receipts settled; ${open(ledgerSum)} earned by contributors, ${open(claimedTotal)} of it claimed`,
  )
  console.log(green(bold('\nThe loop is closed.')))
}

async function titlesOf({ client }: Connection): Promise<Map<string, string>> {
  return new Map((await client.contributions()).map((contribution) => [contribution.id, contribution.title]))
}

async function openOnL1({ l1, network }: Connection, address: Hex): Promise<bigint> {
  return l1.readContract({
    address: network.deployment.l1.open,
    abi: Abi.openAbi,
    functionName: 'balanceOf',
    args: [address],
  })
}

/** Finds the development key behind an address: the tour plays every part itself. */
function contributorAt(address: string): LocalAccount {
  for (let index = 0; index < DevelopmentKeys.ACCOUNT_COUNT - DevelopmentKeys.CONTRIBUTOR_START; index++) {
    const account = DevelopmentKeys.contributor(index)
    if (account.address.toLowerCase() === address.toLowerCase()) return account
  }
  throw new Error(`Expected ${address} to be one of the development contributors.`)
}

const describe = (split: FeeSplit.FeeSplit): string =>
  `contributors ${split.contributorsBps / 100} %, owner ${split.ownerBps / 100} %, stakers ${split.stakersBps / 100} %, platform ${split.platformBps / 100} %`

const indent = (text: string): string => `      ${text.split('\n').join('\n      ')}`
