import { BaseError, type Hex, Open } from '@openledger/primitives'
import { type Http, PanelRecords } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { securityStakeAbi } from '@openledger/protocol/abi/securityStake'
import { validatorPanelAbi } from '@openledger/protocol/abi/validatorPanel'
import { SecurityStake, signerOf, ValidatorPanel } from '@openledger/sdk'
import type { Command } from 'commander'
import { parseEventLogs } from 'viem'
import { dim, green, open, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'

/** Disputed verdicts: putting them before validators drawn by stake, judging, appealing. */
export function addPanelCommands(program: Command, session: Session): void {
  const acting = async () => {
    const { connection, account } = await session.acting()
    const { deployment } = connection.network
    return {
      connection,
      deployment,
      account,
      panel: { address: deployment.l2.validatorPanel, abi: validatorPanelAbi } as const,
      sender: senderOf(connection, account),
    }
  }

  program
    .command('use-panel')
    .description('puts your Datanet under the panel of validators, before which anyone may dispute verdicts')
    .argument('<datanet>', 'id of the Datanet')
    .option('--judges <count>', 'an odd number, at most 9; an appeal draws twice as many', '3')
    .option('--fee <open>', 'OPEN for each judge, paid by who disputes', '0.1')
    .option('--only', 'nothing is accepted but by judges: every record has to be put before them')
    .option('--none', 'takes it from under the panel; what was referred to it stays there')
    .action(async (id: string, words: { judges: string; fee: string; only?: true; none?: true }) => {
      const { deployment, panel, sender } = await acting()
      const datanetId = BigInt(id)
      const registry = { address: deployment.l2.datanets, abi: datanetsAbi } as const
      const named: Hex = words.none ? `0x${'00'.repeat(20)}` : panel.address
      await sender.send({
        ...registry,
        functionName: 'setPanel',
        args: [datanetId, named, words.only === true],
      })
      if (words.none) return console.log(`${green('Done')}: verdicts on ${id} cannot be disputed any more`)
      await sender.send({
        ...panel,
        functionName: 'setTerms',
        args: [datanetId, Number(words.judges), Open.parse(words.fee)],
      })
      console.log(
        `${green('Under the panel')}: ${words.judges === '1' ? 'one judge' : `${words.judges} judges`} a case, ${open(Open.parse(words.fee))} each`,
      )
    })

  program
    .command('enlist')
    .description('offers you as a judge of disputed verdicts, with the stake behind you as your lot')
    .argument('[amount]', 'OPEN to stake first')
    .action(async (amount?: string) => {
      const { connection, deployment, account, panel, sender } = await acting()
      if (amount !== undefined) {
        await sender.send({
          address: deployment.l2.securityStake,
          abi: securityStakeAbi,
          functionName: 'stake',
          args: SecurityStake.argumentsOf(SecurityStake.parse('validator', account.address)),
          valueWei: Open.parse(amount),
        })
      }
      const places = () => connection.l2.readContract({ ...panel, functionName: 'places' })
      const placeIn = (holders: readonly Hex[]) =>
        holders.findIndex((holder) => holder.toLowerCase() === account.address.toLowerCase())
      const isEnlisted = placeIn((await places())[0]) !== -1
      if (isEnlisted) await sender.send({ ...panel, functionName: 'refresh', args: [[account.address]] })
      else {
        const place = await ValidatorPanel.freePlace(connection.l2, deployment)
        await sender.send({ ...panel, functionName: 'enlist', args: [place] })
      }
      const [holders, weights] = await places()
      const total = weights.reduce((sum, weight) => sum + weight, 0n)
      const count = weights.filter((weight) => weight > 0n).length
      console.log(
        `${green('Enlisted')}: your lot is ${open(weights[placeIn(holders)]!)} of ${open(total)} among ${count} validators`,
      )
    })

  program
    .command('delist')
    .description('takes you out of later draws; your stake stays until you take it out with leave-pool')
    .action(async () => {
      const { panel, sender } = await acting()
      await sender.send({ ...panel, functionName: 'retire', args: [] })
      console.log(`${green('Delisted')}`)
    })

  program
    .command('dispute')
    .description('puts the verdict on records of a contribution before validators drawn by stake')
    .argument('<contribution>')
    .argument('<records>', 'places of records, from 0, with commas between')
    .action(async (contributionId: string, list: string) => {
      const { connection, panel, sender } = await acting()
      const { datanetId } = await connection.client.contribution(contributionId)
      const { judges, feeWei } = await connection.client.datanetPanel(datanetId)
      const { part, word } = ValidatorPanel.recordsOf(placesOf(list))
      const { logs } = await sender.send({
        ...panel,
        functionName: 'dispute',
        args: [contributionId as Hex, part, word],
        valueWei: BigInt(judges) * BigInt(feeWei),
      })
      const [opened] = parseEventLogs({ abi: validatorPanelAbi, logs, eventName: 'CaseOpened' })
      const { caseId } = opened!.args
      console.log(
        `${green('Disputed')}: case ${caseId}, for ${open(BigInt(judges) * BigInt(feeWei))}; openledger proceed ${caseId} ${contributionId}`,
      )
    })

  program
    .command('cases')
    .description('shows the cases about a contribution with every vote, or those that you are drawn for')
    .argument('[contribution]')
    .action(async (contributionId?: string) => {
      const { connection, account } = await acting()
      const cases =
        contributionId === undefined
          ? await connection.client.panelDuties(account.address)
          : await connection.client.panelCases(contributionId)
      if (cases.length === 0) return console.log('There is none.')
      table([
        ['case', 'contribution', 'records', 'outcome', 'next', 'until'],
        ...cases.map(({ id, contributionId: of, disputed, outcome, stage, until }) => [
          String(id),
          of,
          disputed.join(','),
          outcome,
          stage,
          until === null ? '' : new Date(until * 1_000).toISOString(),
        ]),
      ])
      if (contributionId !== undefined) for (const each of cases) showVotes(each)
    })

  program
    .command('commit-verdict')
    .description('commits you to a vote in a case; it is sealed on chain, and nothing is kept here')
    .argument('<case>')
    .argument('<contribution>')
    .requiredOption('--accept <records>', 'disputed records that you accept, or none; the others you reject')
    .action(async (id: string, contributionId: string, { accept }: { accept: string }) => {
      const { connection, deployment, account, panel, sender } = await acting()
      const { disputed } = await caseOf(connection.client, contributionId, id)
      const accepted = accept === 'none' ? [] : placesOf(accept)
      const other = accepted.find((index) => !disputed.includes(index))
      if (other !== undefined) throw new NotDisputedError(other, disputed)
      const { commitment, sealedVote } = await ValidatorPanel.seal(
        signerOf(account),
        deployment,
        Number(id),
        accepted,
      )
      const args = [BigInt(id), commitment, sealedVote] as const
      await sender.send({ ...panel, functionName: 'commitVote', args })
      console.log(
        `${green('Committed')}: reveal it in time with openledger reveal-verdict ${id} --reason "..."`,
      )
    })

  program
    .command('reveal-verdict')
    .description('reveals the vote that you committed to, from the chain and your key alone')
    .argument('<case>')
    .option('--reason <text>', 'why, in a sentence; it goes on record', '')
    .action(async (id: string, { reason }: { reason: string }) => {
      const { connection, deployment, account, panel, sender } = await acting()
      const { word, salt } = await ValidatorPanel.open(
        connection.l2,
        signerOf(account),
        deployment,
        Number(id),
      )
      await sender.send({ ...panel, functionName: 'revealVote', args: [BigInt(id), word, salt, reason] })
      console.log(`${green('Revealed')} in case ${id}`)
    })

  program
    .command('appeal')
    .description('takes a case before twice as many other validators, once; half the price is a bond')
    .argument('<case>')
    .action(async (id: string) => {
      const { connection, panel, sender } = await acting()
      const args = [BigInt(id)] as const
      const costWei = await connection.l2.readContract({ ...panel, functionName: 'appealCostOf', args })
      await sender.send({ ...panel, functionName: 'appeal', args, valueWei: costWei })
      console.log(
        `${green('Appealed')} for ${open(costWei)}; ${open(costWei / 2n)} come back if the verdict changes`,
      )
    })

  program
    .command('proceed')
    .description(
      'takes a case as far as it goes now: draws its judges, counts their votes, records the verdict',
    )
    .argument('<case>')
    .argument('<contribution>')
    .action(async (id: string, contributionId: string) => {
      const { connection, panel, sender } = await acting()
      const { client } = connection
      const args = [BigInt(id)] as const
      let now = await caseOf(client, contributionId, id)
      if (now.isDrawable) await sender.send({ ...panel, functionName: 'draw', args })
      if (now.stage === 'conclude') {
        await sender.send({ ...panel, functionName: 'conclude', args })
        now = await caseOf(client, contributionId, id)
      }
      if (now.stage === 'carryOut') {
        const detail = await client.followContribution(contributionId)
        await sender.send({
          ...panel,
          functionName: 'carryOut',
          args: PanelRecords.carryOutArguments(now.id, detail),
        })
        await client.followContribution(contributionId)
      }
      showVotes(await caseOf(client, contributionId, id))
    })

  program
    .command('withdraw-fees')
    .description('pays out what you earned as a judge, or got back of a case')
    .action(async () => {
      const { connection, account, panel, sender } = await acting()
      const owedWei = await connection.l2.readContract({
        ...panel,
        functionName: 'owedTo',
        args: [account.address],
      })
      await sender.send({ ...panel, functionName: 'withdraw', args: [] })
      console.log(`${green('Paid out')} ${open(owedWei)}`)
    })
}

async function caseOf(
  client: { readonly panelCases: (contributionId: string) => Promise<Http.PanelCase[]> },
  contributionId: string,
  id: string,
): Promise<Http.PanelCase> {
  const cases = await client.panelCases(contributionId)
  const found = cases.find((each) => each.id === Number(id))
  if (found === undefined) throw new CaseUnknownError(id, cases)
  return found
}

function showVotes({ id, outcome, stage, until, accepted, rejected, votes }: Http.PanelCase): void {
  const next = stage === 'over' ? '' : `, next: ${stage}`
  const time = until === null ? '' : ` until ${new Date(until * 1_000).toISOString()}`
  console.log(`${green(`case ${id}`)} ${outcome}${next}${time}`)
  if (outcome === 'decided')
    console.log(`accepted: ${accepted.join(', ') || 'none'}; rejected: ${rejected.join(', ') || 'none'}`)
  for (const vote of votes) {
    const said = vote.accepted === null ? vote.state : `accepts ${vote.accepted.join(', ') || 'none'}`
    const lost = vote.slashedWei === '0' ? '' : `, slashed ${open(BigInt(vote.slashedWei))}`
    const paid = vote.paidWei === '0' ? '' : `, paid ${open(BigInt(vote.paidWei))}`
    console.log(
      `  ${vote.round === 1 ? 'appeal ' : ''}${vote.judge} with ${open(BigInt(vote.weightWei))}: ${said}${lost}${paid} ${dim(vote.reason)}`,
    )
  }
}

/** @throws {PlacesInvalidError} */
function placesOf(list: string): number[] {
  const words = list.split(',').map((word) => word.trim())
  if (!words.every((word) => /^\d{1,6}$/.test(word))) throw new PlacesInvalidError(list)
  return words.map(Number)
}

export class PlacesInvalidError extends BaseError {
  constructor(list: string) {
    super({
      code: 'cli.places_invalid',
      message: `Expected places of records with commas between, such as 0,4,5, got ${list.slice(0, 60)}. Nothing was sent.`,
      context: { list: list.slice(0, 60) },
    })
  }
}

export class NotDisputedError extends BaseError {
  constructor(index: number, disputed: readonly number[]) {
    super({
      code: 'cli.not_disputed',
      message: `Expected records that the case is about (${disputed.join(', ')}), got ${index}. Nothing was sent.`,
      context: { index, disputed },
    })
  }
}

export class CaseUnknownError extends BaseError {
  constructor(id: string, cases: readonly Http.PanelCase[]) {
    super({
      code: 'cli.case_unknown',
      message: `Expected a case about this contribution (${cases.map((each) => each.id).join(', ') || 'there is none'}), got ${id}. See them with openledger cases CONTRIBUTION.`,
      context: { id },
    })
  }
}
