import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CanonicalJson } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { auditReceipt, keep } from '../apps/cli/src/auditing.ts'
import { connect } from '../apps/cli/src/Connection.ts'
import { judge } from '../apps/cli/src/judging.ts'
import { verifyReceipt } from '../apps/cli/src/verifying.ts'
import { begunContracts } from '../claims/attribution/BegunContracts.ts'
import { access, ask, caller, settled, type Visit, visit } from './People.ts'

/**
 * The first of the begun contracts are asserted one by one. The others are asked as well and the count is printed: with a base
 * model this small, an answer itself sometimes wanders off into another module, and then it is that module it pays.
 */
const ASSERTED = 5
const BASE = join(import.meta.dirname, '..', 'assets', 'base')

describe('who an answer pays', () => {
  let house: Visit
  let secret: string
  let titles: Map<string, string>

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
    secret = await access(house, caller, '20')
    titles = new Map((await house.client.contributions()).map(({ id, title }) => [id, title]))
  })

  /** Asks and gives the titles of the contributions paid, highest share first. */
  async function paidBy(prompt: string): Promise<(string | undefined)[]> {
    const { receipt } = await ask(house, secret, { model: 'solidity-1', prompt, max_tokens: 64 })
    const ranked = [...receipt.attribution.shares].sort((a, b) => b.sharePpm - a.sharePpm)
    return ranked.map(({ contributionId }) => titles.get(contributionId))
  }

  test.each(begunContracts.slice(0, ASSERTED))(
    '%s: its contributor more than any other',
    async (module, prompt) => {
      expect((await paidBy(prompt))[0]).toBe(module)
    },
  )

  test('the expected contributor most for more than half of all the pairs', async () => {
    const ranks: number[] = []
    for (const [module, prompt] of begunContracts) ranks.push((await paidBy(prompt)).indexOf(module))
    const first = ranks.filter((rank) => rank === 0).length
    const among = ranks.filter((rank) => rank >= 0 && rank < 5).length
    console.log(
      `attribution: ${first} of ${begunContracts.length} answers pay the expected module most, ${among} among the first five`,
    )
    expect(first).toBeGreaterThan(begunContracts.length / 2)
    expect(among).toBeGreaterThan(begunContracts.length / 2)
  })

  test('says why in numbers that add up', async () => {
    const [receipt] = await house.client.receipts({ limit: 1 })
    const { shares, commons } = receipt!.attribution
    expect(shares.reduce((sum, { sharePpm }) => sum + sharePpm, commons.sharePpm)).toBe(1_000_000)
    for (const share of shares) {
      expect(share.reasons.reduce((sum, { sharePpm }) => sum + sharePpm, 0)).toBe(share.sharePpm)
    }
  })

  test('is recomputed by an auditor from published files, and whatever was altered is named', async () => {
    const [, prompt] = begunContracts[1]
    const extension = await ask(house, secret, { model: 'solidity-1', prompt, max_tokens: 48 })
    const connection = await connect(house.url)
    const { receipt } = extension
    const folder = await mkdtemp(join(tmpdir(), 'openledger-audit-'))
    const answerPath = join(folder, 'answer.json')
    await keep(answerPath, prompt, extension)
    const audit = (claimed: Http.SignedReceipt, path?: string) =>
      auditReceipt(connection, claimed, { baseDirectory: BASE, answerPath: path })
    expect(await audit(receipt, answerPath)).toMatchObject({ holds: true })
    expect(await audit(receipt)).toMatchObject({ holds: true })
    const { attribution } = receipt
    const altered = (changes: object): Http.SignedReceipt => {
      const forged = { ...attribution, ...changes }
      return { ...receipt, attribution: forged, attributionHash: CanonicalJson.hash(forged) }
    }
    const [first, ...others] = attribution.shares
    const payee = {
      ...first!,
      contributionId: attribution.shares.at(-1)!.contributionId,
      sharePpm: first!.sharePpm - 1,
    }
    expect((await audit(altered({ shares: [payee, ...others] }), answerPath)).difference).toContain(
      'shares[0]',
    )
    expect((await audit(altered({ liftMilliNats: 1 }))).difference).toContain('liftMilliNats')
    const more = attribution.shares.map((share) => ({
      ...share,
      reasons: share.reasons.map((reason) =>
        reason.kind === 'span' ? { ...reason, occurrences: reason.occurrences + 1 } : reason,
      ),
    }))
    expect(attribution.shares.some(({ reasons }) => reasons.some(({ kind }) => kind === 'span'))).toBe(true)
    expect((await audit(altered({ shares: more }))).difference).toContain('shares[')
    expect((await audit({ ...receipt, answerHash: receipt.promptHash }, answerPath)).difference).toContain(
      'answerHash',
    )
    // a juror comes to the root that the receipt should have had, whatever it says
    const from = { baseDirectory: BASE, answerPath }
    expect(await judge(connection, receipt, from)).toMatchObject({
      root: receipt.sharesRoot,
      difference: undefined,
    })
    expect(await judge(connection, altered({ shares: [payee, ...others] }), from)).toMatchObject({
      root: receipt.sharesRoot,
      difference: 'attribution.shares[0]',
    })
    await expect(
      judge(connection, { ...receipt, answerHash: receipt.promptHash }, from),
    ).rejects.toMatchObject({
      code: 'cli.other_answer',
    })
    await rm(folder, { recursive: true })
  })

  test('with records in the prompt, those that made it likelier are paid, and an auditor measures the same', async () => {
    const found = (await house.client.contributions()).find(({ title }) => title === 'Ownable')!
    const { records } = await house.client.contribution(found.id)
    const passages = records
      .filter(({ verdict, characterCount }) => verdict === 'accepted' && characterCount < 500)
      .slice(0, 2)
      .map(({ id }) => id)
    const [, prompt] = begunContracts[5]
    const started = performance.now()
    const extension = await ask(house, secret, { model: 'solidity-1', prompt, max_tokens: 48, passages })
    const { receipt } = extension
    console.log(
      `attribution: an answer with ${passages.length} passages took ${Math.round(performance.now() - started)} ms; they lift it by ${receipt.attribution.context?.liftMilliNats} thousandths of a nat, the adapter without them by ${receipt.attribution.liftMilliNats}`,
    )
    expect(receipt.attribution.context?.passages).toEqual(passages)
    const given = receipt.attribution.shares.flatMap(({ reasons }) =>
      reasons.filter(({ kind }) => kind === 'context'),
    )
    if (receipt.attribution.context!.liftMilliNats > 100) expect(given.length).toBeGreaterThan(0)
    for (const { recordId } of given) expect(passages).toContain(recordId)
    const folder = await mkdtemp(join(tmpdir(), 'openledger-audit-'))
    const answerPath = join(folder, 'answer.json')
    await keep(answerPath, prompt, extension)
    const connection = await connect(house.url)
    for (const path of [answerPath, undefined]) {
      expect(
        await auditReceipt(connection, receipt, { baseDirectory: BASE, answerPath: path }),
      ).toMatchObject({
        holds: true,
      })
    }
    await rm(folder, { recursive: true })
  })

  test('of a model at half its strength costs half, and an auditor measures the same', async () => {
    const [, prompt] = begunContracts[0]
    const question = { model: 'solidity-1', prompt, max_tokens: 32 }
    const whole = await ask(house, secret, question)
    const extension = await ask(house, secret, {
      ...question,
      adapters: [{ name: 'solidity-1', weight: 0.5 }],
    })
    const { receipt } = extension
    expect(receipt.inferenceCommitment).not.toBe(whole.receipt.inferenceCommitment)
    expect(receipt.attribution.merge).toMatchObject({
      models: [{ modelId: receipt.modelId, weightPpm: 500_000 }],
      inputTokens: whole.receipt.inputTokens,
    })
    expect(receipt.inputTokens).toBe(Math.ceil(whole.receipt.inputTokens / 2))
    const folder = await mkdtemp(join(tmpdir(), 'openledger-audit-'))
    const answerPath = join(folder, 'answer.json')
    await keep(answerPath, prompt, extension)
    const connection = await connect(house.url)
    const from = { baseDirectory: BASE, answerPath }
    expect(await auditReceipt(connection, receipt, from)).toMatchObject({ holds: true })
    const lines = await verifyReceipt(connection, await settled(house, receipt.sequence))
    expect(lines.filter(({ holds }) => !holds)).toEqual([])
    expect(lines.map(({ claim }) => claim).join('; ')).toContain('its weight’s part')
    await rm(folder, { recursive: true })
  })

  test('of a text that was made elsewhere is the answer’s own, and is found again from the records', async () => {
    const [, prompt] = begunContracts[0]
    const asked = await ask(house, secret, { model: 'solidity-1', prompt, max_tokens: 32 })
    const { receipt } = await house.client.attribute(
      { model: 'solidity-1', prompt, text: asked.answer },
      secret,
    )
    expect(receipt.attribution.textFrom).toBe('caller')
    expect(receipt.feeWei).toBe(asked.receipt.feeWei)
    const [first] = receipt.attribution.shares
    expect(first?.contributionId).toBe(asked.receipt.attribution.shares[0]?.contributionId)
    const [newest] = await house.client.contributionAnswers(first!.contributionId, { limit: 1 })
    expect(newest).toMatchObject({ receiptSequence: receipt.sequence, reasons: expect.any(Array) })
    const { recordId } = first!.reasons[0]!
    const [line] = await house.client.recordAnswers(recordId, { limit: 1 })
    expect(line).toMatchObject({ receiptSequence: receipt.sequence, contributionId: first!.contributionId })
    expect(line!.reasons.every((reason) => reason.recordId === recordId)).toBe(true)
  })

  test('is the same when asked again', async () => {
    const [, prompt] = begunContracts[0]
    const question = { model: 'solidity-1', prompt, max_tokens: 32 }
    const [first, second] = [await ask(house, secret, question), await ask(house, secret, question)]
    expect(second.answer).toBe(first.answer)
    expect(second.receipt.attributionHash).toBe(first.receipt.attributionHash)
  })
})
