import { rmSync } from 'node:fs'
import { stopDevelopmentL1 } from '@openledger/node'
import { type House, newDirectory, startHouse, waitFor } from '../../e2e/House.ts'
import { access, ask, caller, settled, visit } from '../../e2e/People.ts'
import { type Claim, table } from '../Claim.ts'

/** Something the house has acknowledged, and how to see afterwards that it is still there, the same. */
type Promised = { readonly what: string; readonly holds: (house: House) => Promise<boolean> }

/** The head of the chain and every contribution listed right now. */
async function acknowledged({ client, url }: House): Promise<Promised[]> {
  const { l2 } = await visit(url)
  const block = await l2.getBlock()
  const contributions = await client.contributions()
  return [
    {
      what: `block ${block.number}`,
      holds: async (after) => {
        const seen = await visit(after.url)
        return (await seen.l2.getBlock({ blockNumber: block.number })).hash === block.hash
      },
    },
    ...contributions.map(({ id }) => ({
      what: `contribution ${id}`,
      holds: async (after: House) => (await after.client.contributions()).some((one) => one.id === id),
    })),
    {
      what: 'OPEN locked on L1 = OPEN on L2',
      holds: async (after) => {
        const { supply } = await after.client.network()
        return supply.lockedOnL1Wei === supply.onL2Wei
      },
    },
  ]
}

/** Asks for an answer; its receipt must outlive the house, and the next one must follow it without a gap. */
async function paidAnswer(house: House): Promise<Promised[]> {
  const visitor = await visit(house.url)
  const secret = await access(visitor, caller)
  const question = { model: 'solidity-1', prompt: 'contract Crash is ERC20 {', max_tokens: 16 }
  const { receipt } = await ask(visitor, secret, question)
  return [
    {
      what: `receipt ${receipt.sequence}, its signature and its settlement`,
      holds: async (after) => {
        const kept = await settled(await visit(after.url), receipt.sequence)
        return kept.hash === receipt.hash && kept.signature === receipt.signature
      },
    },
    {
      what: 'the API key, and the next receipt without a gap',
      holds: async (after) => {
        const next = await ask(await visit(after.url), secret, { ...question, max_tokens: 4 })
        return next.receipt.sequence === receipt.sequence + 1 && next.receipt.previousHash === receipt.hash
      },
    },
  ]
}

/** The moments at which the power goes, in the order of a first start. */
const MOMENTS: readonly {
  readonly when: string
  readonly reach: (house: House) => Promise<Promised[]>
}[] = [
  {
    when: 'while contributions come in',
    reach: async ({ client }) => {
      await waitFor('a few contributions', 300_000, async () =>
        (await client.contributions()).length >= 4 ? true : undefined,
      )
      return []
    },
  },
  {
    when: 'in the middle of training',
    reach: async ({ client }) => {
      await waitFor('training to be under way', 600_000, async () =>
        (await client.trainingRuns()).some(({ step }) => step > 45) ? true : undefined,
      )
      return []
    },
  },
  {
    when: 'right after an answer',
    reach: async (house) => {
      await house.seeded()
      return paidAnswer(house)
    },
  },
]

export const claim: Claim = {
  says: 'kill -9 at any moment loses nothing that was acknowledged: no block, contribution, key, receipt or wei.',
  run: async ({ isQuick, say }) => {
    const directory = newDirectory()
    const failures: string[] = []
    const rows: (string | number)[][] = [['killed', 'acknowledged before', 'lost', 'back after']]
    let house = await startHouse(directory)
    try {
      for (const { when, reach } of isQuick ? MOMENTS.slice(0, 1) : MOMENTS) {
        const promised = [...(await reach(house)), ...(await acknowledged(house))]
        await house.kill()
        const killedAt = performance.now()
        house = await startHouse(directory)
        const backAfter = `${((performance.now() - killedAt) / 1000).toFixed(1)} s`
        const lost: string[] = []
        for (const { what, holds } of promised) if (!(await holds(house))) lost.push(what)
        failures.push(...lost.map((what) => `${what}, killed ${when}`))
        rows.push([when, promised.length, lost.length, backAfter])
        say(`killed ${when}: ${promised.length} acknowledged, ${lost.length} lost, back after ${backAfter}`)
      }
      await house.stop()
      await stopDevelopmentL1(`${directory}/chain`)
      rmSync(directory, { recursive: true, force: true })
    } catch (error) {
      say(`The house and its log stay in ${directory} to be looked at.`)
      await house.kill()
      await stopDevelopmentL1(`${directory}/chain`)
      throw error
    }
    return {
      figure: failures.length,
      unit: 'lost',
      goal: 0,
      sense: 'at most',
      failures,
      report: table(rows),
    }
  },
}
