import { fileURLToPath } from 'node:url'
import type { Hex } from '@openledger/primitives'
import { Open } from '@openledger/primitives'
import { courtAbi } from '@openledger/protocol/abi/court'
import { panelAbi } from '@openledger/protocol/abi/panel'
import type { Command } from 'commander'
import { green, open, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'

const BASE_FOLDER = fileURLToPath(new URL('../../../../assets/base', import.meta.url))

/** The court: recomputing batches, challenging what does not follow, and judging attributions. */
export function addCourtCommands(program: Command, session: Session): void {
  const actor = async () => {
    const { connection, account } = await session.acting()
    return { connection, sender: senderOf(connection, account) }
  }

  program
    .command('audit-batches')
    .description('recomputes every batch that can be challenged, and names what does not follow')
    .option('--challenge', 'file what proves it; the penalty is shared with whoever does')
    .action(async ({ challenge: isChallenging }: { challenge?: true }) => {
      const { auditOpenBatches, challenge, standingOf } = await import('../challenging.ts')
      const connection = await session.connect()
      const standing = await standingOf(connection)
      const rows: string[][] = [['batch', 'receipts', 'state', 'found']]
      let found = 0
      for await (const { batch, receiptCount, finalAt, isOpen, finding } of auditOpenBatches(connection)) {
        const state =
          standing.get(batch) ?? (isOpen ? `until ${new Date(finalAt * 1_000).toISOString()}` : 'final')
        if (isOpen || finding)
          rows.push([String(batch), String(receiptCount), state, finding?.says ?? 'all follows'])
        if (finding === undefined) continue
        found++
        if (!isChallenging) continue
        const { sender } = await actor()
        console.log(
          `${green('Challenged')} batch ${batch} in ${await challenge(connection, sender, finding)}`,
        )
      }
      table(rows)
      if (rows.length === 1) console.log('Every batch is final.')
      if (found > 0) process.exitCode = 1
    })

  program
    .command('contest')
    .description('has the attribution of a receipt recomputed by the panel; the loser pays the stake')
    .argument('<sequence>')
    .action(async (sequence: string) => {
      const { contest } = await import('../challenging.ts')
      const { connection, sender } = await actor()
      const { caseId, jurors, revealUntil } = await contest(connection, sender, Number(sequence))
      console.log(`${green('Filed')} case ${caseId} before ${jurors.join(', ')}`)
      console.log(
        `decide it after ${new Date(revealUntil * 1_000).toISOString()}: openledger decide ${caseId}`,
      )
    })

  program
    .command('vote-case')
    .description('recomputes the answer of a case, commits to the result and reveals it in time')
    .argument('<case>')
    .option('--answer <file>', 'question and answer, as ask --save kept them')
    .option('--base <folder>', 'the base model', BASE_FOLDER)
    .option('--result <root>', 'the shares root, computed elsewhere')
    .action(async (id: string, words: { answer?: string; base: string; result?: string }) => {
      const { NOT_REPRODUCED, vote } = await import('../challenging.ts')
      const { connection, sender } = await actor()
      const [, sequence] = await connection.l2.readContract({
        address: connection.network.deployment.l2.court,
        abi: courtAbi,
        functionName: 'caseOf',
        args: [BigInt(id)],
      })
      let result = words.result as Hex | undefined
      if (result === undefined && words.answer !== undefined) {
        const { judge } = await import('../judging.ts')
        const receipt = await connection.client.receipt(Number(sequence))
        const { root, difference } = await judge(connection, receipt, {
          baseDirectory: words.base,
          answerPath: words.answer,
        })
        console.log(difference === undefined ? 'the receipt pays whom it should' : `${difference} differs`)
        result = root
      }
      if (result === undefined) {
        const { auditReceipt } = await import('../auditing.ts')
        const receipt = await connection.client.receipt(Number(sequence))
        const line = await auditReceipt(connection, receipt, {
          baseDirectory: words.base,
          answerPath: words.answer,
        })
        console.log(line.holds ? line.claim : line.difference)
        result = line.holds ? (receipt.sharesRoot as Hex) : NOT_REPRODUCED
      }
      await vote(connection, sender, BigInt(id), result)
      console.log(`${green('Voted')} ${result} in case ${id}`)
    })

  program
    .command('recompute')
    .description('computes an answer here, and who should earn what of it')
    .argument('<sequence>')
    .requiredOption('--answer <file>', 'question and answer, as ask --save kept them')
    .option('--base <folder>', 'the base model', BASE_FOLDER)
    .option('--tell', 'tell the server the shares, once a panel found them: they are credited instead')
    .action(async (id: string, words: { answer: string; base: string; tell?: true }) => {
      const { judge } = await import('../judging.ts')
      const connection = await session.connect()
      const receipt = await connection.client.receipt(Number(id))
      const { root, shares, difference } = await judge(connection, receipt, {
        baseDirectory: words.base,
        answerPath: words.answer,
      })
      table([['account', 'earns'], ...shares.map(({ account, amountWei }) => [account, open(amountWei)])])
      console.log(
        `root ${root}: ${difference === undefined ? 'as the receipt says' : `${difference} differs`}`,
      )
      if (words.tell !== true) return
      await connection.client.correctShares(
        receipt.sequence,
        shares.map(({ account, amountWei }) => ({ account, amountWei: amountWei.toString() })),
      )
      console.log(`${green('Told')} the server`)
    })

  program
    .command('decide')
    .description('ends a case once its votes are revealed, and takes back the credits that lost')
    .argument('<case>')
    .action(async (id: string) => {
      const { decide } = await import('../challenging.ts')
      const { connection, sender } = await actor()
      console.log(`${green('Decided')} case ${id}: ${await decide(connection, sender, BigInt(id))}`)
    })

  program
    .command('join-panel')
    .description('takes a seat on the panel, with its bond')
    .action(async () => {
      const { connection, sender } = await actor()
      const panel = { address: connection.network.deployment.l2.panel, abi: panelAbi } as const
      const seatWei = await connection.l2.readContract({ ...panel, functionName: 'SEAT_WEI' })
      await sender.send({ ...panel, functionName: 'join', args: [], valueWei: seatWei })
      console.log(`${green('Seated')} ${sender.account} with ${open(seatWei)}`)
    })

  program
    .command('leave-panel')
    .description('gives the seat up and takes its bond back')
    .action(async () => {
      const { connection, sender } = await actor()
      const panel = { address: connection.network.deployment.l2.panel, abi: panelAbi } as const
      await sender.send({ ...panel, functionName: 'stepDown', args: [] })
      console.log(`${green('Left')} the panel`)
    })

  program
    .command('bond')
    .description("shows the operator's bond and what it covers, or adds to it")
    .argument('[amount]', 'OPEN')
    .action(async (amount?: string) => {
      const connection = await session.connect()
      const { l2, operator } = {
        l2: connection.network.deployment.l2,
        operator: connection.network.operator as Hex,
      }
      const court = { address: l2.court, abi: courtAbi } as const
      if (amount !== undefined) {
        const { sender } = await actor()
        await sender.send({
          ...court,
          functionName: 'bondFor',
          args: [operator],
          valueWei: Open.parse(amount),
        })
      }
      const [wei, reserve, suspendedUntil] = await connection.l2.readContract({
        ...court,
        functionName: 'bondOf',
        args: [operator],
      })
      console.log(
        `${operator} has bonded ${open(wei)}, which covers ${open(wei / 4n)} of fees in a challenge window`,
      )
      if (suspendedUntil !== 0n)
        console.log(
          `convicted: ${open(reserve)} are kept for payers until ${new Date(Number(suspendedUntil) * 1_000).toISOString()}`,
        )
    })
}
