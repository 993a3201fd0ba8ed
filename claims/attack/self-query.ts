import { attackClaim } from '../attribution/Attack.ts'

/** Asks the model for own data, to get the fee back as pay. */
export const claim = attackClaim(
  'Whoever asks for own data gets none of the fee back through it.',
  0,
  async ({ honest, before, answers, payBefore, naiveBefore }) => {
    const [richest] = [...honest].sort((a, b) => payBefore.get(b.name)! - payBefore.get(a.name)!)
    const { name } = richest!
    const pay = await before.pay(answers, [name])
    const others = (map: typeof pay) =>
      [...map].reduce((sum, [each, value]) => sum + (each === name ? 0 : value), 0)
    return [
      {
        what: 'the best paid author asks everything itself',
        naive: naiveBefore.get(name)! / naiveBefore.get(name)!,
        gain: pay.get(name)! / payBefore.get(name)!,
        honestLoss: 1 - others(pay) / others(payBefore),
      },
    ]
  },
)
