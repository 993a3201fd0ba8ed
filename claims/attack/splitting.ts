import { attackClaim, type Row, sumOf } from '../attribution/Attack.ts'
import { createWorld } from '../attribution/World.ts'

/** Registers own records under several names; the model is the same, so only the payout can differ. */
export const claim = attackClaim(
  'Whoever divides own records among many names is paid what one name would be.',
  1.1,
  async ({ honest, before, answers, payBefore, naiveBefore, say }) => {
    const rows: Row[] = []
    const order = honest.map(({ name }, i) => ({ name, i }))
    const [richest] = order.sort((a, b) => payBefore.get(b.name)! - payBefore.get(a.name)!)
    for (const names of [2, 6]) {
      const splitter = honest[richest!.i]!
      const aliases = Array.from({ length: names }, (_, k) => ({
        name: `${splitter.name} ${k}`,
        texts: splitter.texts.filter((_, i) => Math.floor((i * names) / splitter.texts.length) === k),
      }))
      const authors = honest.flatMap((author, i) => (i === richest!.i ? aliases : [author]))
      const after = await createWorld(authors, { say, trainedAs: before.authors })
      const pay = await after.pay(answers)
      const naive = await after.naivePay(answers)
      const of = (map: typeof pay) => aliases.reduce((sum, { name }) => sum + map.get(name)!, 0)
      rows.push({
        what: `${names} names`,
        naive: of(naive) / naiveBefore.get(splitter.name)!,
        gain: of(pay) / payBefore.get(splitter.name)!,
        honestLoss: 1 - (sumOf(pay) - of(pay)) / (sumOf(payBefore) - payBefore.get(splitter.name)!),
      })
    }
    return rows
  },
)
