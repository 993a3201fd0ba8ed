import type { Hex } from '@openledger/primitives'
import { Abi, createSender, DevelopmentKeys, type Http, type Sender } from '@openledger/protocol'
import { createTestClient, http, type LocalAccount, parseEther, parseEventLogs } from 'viem'
import { foundry } from 'viem/chains'
import { type DatanetHouse, inTenMinutes, startDatanetHouse } from './datanetHouse.ts'
import { connect, PANEL_STEP_SECONDS } from './registryChain.ts'

/** A house with three judges enlisted before the panel of validators, and someone who disputes. */
export type PanelHouse = DatanetHouse & {
  /** The third has a tenth of the others' stake. */
  readonly judges: readonly LocalAccount[]
  readonly panel: { readonly address: Hex; readonly abi: typeof Abi.validatorPanelAbi }
  /** Neither contributes nor judges. */
  readonly voter: Sender
  /** Puts Datanet 1 under the panel: three judges a case, a tenth of an OPEN each. */
  readonly usePanel: (options?: { isOnly?: boolean }) => Promise<void>
  /** @returns The case. */
  readonly dispute: (contributionId: Hex, records: bigint) => Promise<bigint>
  /** Each judge's vote, in their order. */
  readonly commit: (caseId: bigint, votes: readonly bigint[]) => Promise<void>
  readonly reveal: (caseId: bigint, votes: readonly bigint[], reasons?: readonly string[]) => Promise<void>
  readonly caseOf: (contributionId: Hex) => Promise<Http.PanelCase>
  readonly mine: (blocks: number) => Promise<void>
  /** Lets the time of one step go by. */
  readonly pass: () => Promise<void>
}

const SALT: Hex = `0x${'11'.repeat(32)}`

/** Starts a house of its own for one test file. */
export async function startPanelHouse(): Promise<PanelHouse> {
  const house = await startDatanetHouse()
  const { url, publicClient, deployment } = house.chain
  const { walletOf, senderOf } = connect(url)
  const panel = { address: deployment.l2.validatorPanel, abi: Abi.validatorPanelAbi } as const
  const anvil = createTestClient({ mode: 'anvil', chain: foundry, transport: http(url) })
  const judges = [1, 2, 3].map((index) => DevelopmentKeys.contributor(index))
  const senders = judges.map((judge) => createSender({ walletClient: walletOf(judge), publicClient }))
  for (const [place, judge] of judges.entries()) {
    await anvil.setBalance({ address: judge.address, value: parseEther('1000') })
    await senders[place]!.send({
      address: deployment.l2.securityStake,
      abi: Abi.securityStakeAbi,
      functionName: 'stake',
      args: [0, BigInt(judge.address)],
      valueWei: parseEther(place === 2 ? '10' : '100'),
    })
    await senders[place]!.send({ ...panel, functionName: 'enlist', args: [BigInt(place)] })
  }
  const voter = senderOf('voter')
  const builder = senderOf('builder')

  return {
    ...house,
    // steps that pass take the chain's time hours ahead
    contribute: (account, title, records, change) =>
      house.contribute(account, title, records, { deadline: inTenMinutes() + 86_400, ...change }),
    judges,
    panel,
    voter,
    async usePanel({ isOnly = false } = {}) {
      const registry = { address: deployment.l2.datanets, abi: Abi.datanetsAbi } as const
      await builder.send({ ...registry, functionName: 'setPanel', args: [1n, panel.address, isOnly] })
      await builder.send({ ...panel, functionName: 'setTerms', args: [1n, 3, parseEther('0.1')] })
    },
    async dispute(contributionId, records) {
      const args = [contributionId, 0, records] as const
      const valueWei = parseEther('0.3')
      const { logs } = await voter.send({ ...panel, functionName: 'dispute', args, valueWei })
      const [opened] = parseEventLogs({ abi: panel.abi, eventName: 'CaseOpened', logs })
      return opened!.args.caseId
    },
    async commit(caseId, votes) {
      for (const [i, judge] of judges.entries()) {
        const commitment = await publicClient.readContract({
          ...panel,
          functionName: 'commitmentOf',
          args: [caseId, judge.address, votes[i]!, SALT],
        })
        const args = [caseId, commitment, SALT] as const
        await senders[i]!.send({ ...panel, functionName: 'commitVote', args })
      }
    },
    async reveal(caseId, votes, reasons = []) {
      for (const [i, sender] of senders.entries()) {
        const args = [caseId, votes[i]!, SALT, reasons[i] ?? ''] as const
        await sender.send({ ...panel, functionName: 'revealVote', args })
      }
    },
    caseOf: async (contributionId) => (await house.datanets.panelCases(contributionId))[0]!,
    mine: (blocks) => anvil.mine({ blocks }),
    async pass() {
      const { timestamp } = await publicClient.getBlock()
      await anvil.setNextBlockTimestamp({ timestamp: timestamp + PANEL_STEP_SECONDS + 1n })
      await anvil.mine({ blocks: 1 })
    },
  }
}
