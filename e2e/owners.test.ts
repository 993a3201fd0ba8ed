import { Open } from '@openledger/primitives'
import { Abi, Attribution, DevelopmentKeys } from '@openledger/protocol'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { begunContracts } from '../claims/attribution/BegunContracts.ts'
import { chromiumPath, connectWallet, launch, picture } from './Browser.ts'
import * as CommandLine from './CommandLine.ts'
import { waitFor } from './House.ts'
import { access, ask, caller, lower, settled, type Visit, visit } from './People.ts'

const heir = DevelopmentKeys.contributor(43)

const openledger = (role: string, ...words: string[]) =>
  CommandLine.openledger(['--as', role, ...words], { OPENLEDGER_URL: inject('houseUrl') })
const succeed = (role: string, ...words: string[]) =>
  CommandLine.succeed(['--as', role, ...words], { OPENLEDGER_URL: inject('houseUrl') })

describe('what owners decide by the command line', () => {
  let house: Visit
  let secret: string
  const question = { model: 'solidity-1', prompt: 'contract MyToken is ERC20 {', max_tokens: 24 }

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
    secret = await access(house, caller)
  })

  test('a new price shows at once, and the next answer costs it', async () => {
    const before = await house.client.model('solidity-1')
    await succeed('builder', 'prices', 'solidity-1', '0.0001', '0.0003')
    const model = await house.client.model('solidity-1')
    expect(model.inputPriceWei).toBe(Open.parse('0.0001').toString())
    const { receipt } = await ask(house, secret, question)
    expect(BigInt(receipt.feeWei)).toBe(
      BigInt(receipt.inputTokens) * Open.parse('0.0001') +
        BigInt(receipt.outputTokens) * Open.parse('0.0003'),
    )
    const [input, output] = [before.inputPriceWei, before.outputPriceWei].map((wei) =>
      Open.format(BigInt(wei)),
    )
    await succeed('builder', 'prices', 'solidity-1', input!, output!)
  })

  test('a price by who does not own the model is refused by the contract, and nothing changes', async () => {
    const before = await house.client.model('solidity-1')
    const { status, output } = await openledger('backer', 'prices', 'solidity-1', '1', '1')
    expect(status).toBe(1)
    expect(output).toContain('ModelsNotOwner')
    expect(await house.client.model('solidity-1')).toEqual(before)
  })

  test('rewards that were handed over pay the new address, and the page says so', async () => {
    const [contribution] = (await house.client.contributions()).filter(({ title }) => title === 'ERC20')
    const { id, contributor } = contribution!
    const index = Array.from({ length: 44 }, (_, i) => i).find(
      (i) => lower(DevelopmentKeys.contributor(i).address) === contributor,
    )!
    await succeed(`contributor-${index}`, 'beneficiary', id, heir.address)
    expect((await house.client.contribution(id)).beneficiary).toBe(lower(heir.address))
    // an answer that ERC20's contributor is paid for
    const [, prompt] = begunContracts[0]
    const { receipt } = await ask(house, secret, { model: 'solidity-1', prompt, max_tokens: 64 })
    await settled(house, receipt.sequence)
    const { payouts } = await house.client.earnings(heir.address)
    expect(payouts.map(({ receiptSequence }) => receiptSequence)).toContain(receipt.sequence)
    // the first receiver no longer decides; the new one does
    const refused = await openledger(`contributor-${index}`, 'beneficiary', id, contributor)
    expect(refused.status).toBe(1)
    expect(refused.output).toContain('DatanetsInvalidSignature')
    await succeed('contributor-43', 'beneficiary', id, contributor)
    expect((await house.client.contribution(id)).beneficiary).toBe(contributor)
  })

  test("the owner's part of answers is paid out", async () => {
    const builder = DevelopmentKeys.account('builder').address
    const { receipt } = await ask(house, secret, question)
    await settled(house, receipt.sequence)
    const before = await house.l2.getBalance({ address: builder })
    expect(await succeed('builder', 'withdraw-balance')).toContain('Paid out')
    expect(await house.l2.getBalance({ address: builder })).toBeGreaterThan(before)
  })

  test('memory for the model is paid for by size and time, and anyone can check the receipt', async () => {
    const said = await succeed('builder', 'keep', 'solidity-1', '--hours', '2')
    expect(said).toContain('is kept in memory until')
    const { priceWei, pins } = await house.client.pins()
    const kept = pins.find(({ modelName }) => modelName === 'solidity-1')!
    const receipt = await settled(house, kept.receiptSequence)
    const { sizeBytes } = kept
    expect(BigInt(receipt.feeWei)).toBe(Attribution.pinFeeWei({ sizeBytes, seconds: 7_200, priceWei }))
    expect(receipt.attribution.commons.sharePpm).toBe(1_000_000)
    expect(await succeed('caller', 'verify', String(receipt.sequence))).toContain('so many bytes for so long')
    expect(await succeed('builder', 'keep')).toContain('solidity-1')
    const refused = await openledger('backer', 'keep', 'solidity-1')
    expect(refused.output).toContain('owner of solidity-1')
  })

  // where no Chromium is installed this is reported as skipped; continuous integration installs one
  test.skipIf(chromiumPath() === undefined)('the same is shown and taken on the page', async () => {
    const { receipt } = await ask(house, secret, question)
    await settled(house, receipt.sequence)
    const settlement = { address: house.deployment.l2.settlement, abi: Abi.settlementAbi } as const
    const builder = DevelopmentKeys.account('builder').address
    const browser = await launch(chromiumPath()!)
    try {
      for (const [name, viewport, colorScheme] of [
        ['owner', { width: 1280, height: 900 }, 'light'],
        ['owner-dark', { width: 1280, height: 900 }, 'dark'],
        ['owner-phone', { width: 390, height: 844 }, 'light'],
        ['owner-phone-dark', { width: 390, height: 844 }, 'dark'],
      ] as const) {
        const page = await browser.newPage({ viewport, colorScheme })
        page.setDefaultTimeout(30_000)
        await page.goto(`${inject('houseUrl')}/models`)
        await connectWallet(page, 'Development: model builder')
        const model = page.getByRole('article', { name: 'solidity-1' })
        await model.getByRole('button', { name: 'Manage it' }).click()
        await model.getByText('Your part of the fees, not taken yet').waitFor()
        await picture(page, name)
        if (name === 'owner-phone-dark') {
          await model.getByRole('button', { name: 'Take it' }).click()
          const left = () =>
            house.l2.readContract({ ...settlement, functionName: 'balanceOf', args: [builder] })
          await expect.poll(left, { timeout: 30_000 }).toBe(0n)
        }
        await page.close()
      }
    } finally {
      await browser.close()
    }
  })

  test('stake goes behind a model, earns, and comes back', async () => {
    expect(await succeed('backer', 'stake', 'solidity-1', '2')).toContain('2 OPEN')
    const { receipt } = await ask(house, secret, question)
    await settled(house, receipt.sequence)
    await succeed('backer', 'claim-rewards', 'solidity-1')
    const unstaking = /withdraw-stake (\d+)/.exec(await succeed('backer', 'unstake', 'solidity-1', '2'))![1]!
    await expect
      .poll(async () => (await openledger('backer', 'withdraw-stake', unstaking)).status, {
        timeout: 60_000,
        interval: 2_000,
      })
      .toBe(0)
  })

  test("a Datanet's name is nobody else's", async () => {
    const name = `owned-${Date.now()}`
    await succeed('builder', 'create-datanet', name, '--summary', 'What owners decide')
    expect((await house.client.datanets()).map((datanet) => datanet.name)).toContain(name)
    const { status, output } = await openledger('voter', 'create-datanet', name, '--summary', 'The same name')
    expect(status).toBe(1)
    expect(output).toContain('DatanetsNameTaken')
  })

  test('prepaid money pays for a key’s answers, and what is left comes back to the wei', async () => {
    const backer = DevelopmentKeys.account('backer')
    const before = BigInt((await house.client.account(backer.address)).prepaidWei)
    await succeed('backer', 'prepay', '0.5')
    const made = await succeed('backer', 'create-key', 'by-hand', '--limit', '0.4')
    const [, id, key] = /key (\S+)\. [\s\S]*OPENLEDGER_API_KEY=(\S+)/.exec(made)!
    const words = ['solidity-1', question.prompt, '--tokens', '4']
    const quoted = await succeed('backer', 'quote', ...words)
    expect(quoted).toContain('together, at most')
    // merged with nothing else it is the same answer, at the same price
    expect(await succeed('backer', 'quote', ...words, '--merge', 'solidity-1=1')).toBe(quoted)
    const { receipt } = await ask(house, key!, { ...question, max_tokens: 4 })
    await settled(house, receipt.sequence)
    expect(await succeed('backer', 'account')).toMatch(/by-hand/)
    await succeed('backer', 'revoke-key', id!)
    await expect(ask(house, key!, question)).rejects.toThrow(/401/)

    const left = before + Open.parse('0.5') - BigInt(receipt.feeWei)
    // at once by the server, the rest by anyone who has the signature, without the server
    expect(await succeed('backer', 'refund', '0.1')).toContain('Paid back')
    const signed = (await succeed('backer', 'refund', '--print')).trim()
    expect(await succeed('caller', 'send-refund', signed)).toContain('Set aside')
    const setAside = () =>
      house.l2.readContract({
        address: house.deployment.l2.settlement,
        abi: Abi.settlementAbi,
        functionName: 'withdrawalOf',
        args: [backer.address],
      })
    expect((await setAside())[0]).toBe(left - Open.parse('0.1'))
    await waitFor('the refund to be paid', 60_000, async () =>
      (await succeed('caller', 'send-refund', signed)).includes('Paid back') ? true : undefined,
    )
    expect((await setAside())[0]).toBe(0n)
    expect((await house.client.account(backer.address)).prepaidWei).toBe('0')
  })
})
