import { asNewcomer, attackClaim, chance } from '../attribution/Attack.ts'

/**
 * Makes records for the estimator instead of the model: with gradients as large as can be, and those that a shadow model
 * rates highest for the answers that are asked for.
 * @see Xu et al. 2025, "Adversarial attacks on data attribution": without defences up to 6.4 times.
 */
export const claim = attackClaim(
  'Whoever makes records loud, or picks those that a shadow model rates highest, gains at most a tenth over an honest author.',
  1.1,
  async (scene) => {
    const { honest, before, answers } = scene
    const random = chance(9)
    const words = honest.flatMap(({ texts }) => texts.flatMap((text) => text.match(/\S+/g) ?? []))
    const loud = Array.from({ length: 6 }, () => `${words[random.below(words.length)]} `.repeat(24))
    // the attacker knows the model itself and half of the questions, which is more than a shadow would tell it
    const known = answers.filter((_, i) => i % 2 === 0)
    const lines = honest
      .flatMap(({ texts }) => texts.flatMap((text) => text.split('\n')))
      .filter((line) => line.length > 12)
    const candidates = Array.from({ length: 48 }, () =>
      Array.from({ length: 5 }, () => lines[random.below(lines.length)]).join('\n'),
    )
    const ratings = await before.rate(candidates, known)
    const best = candidates
      .map((text, i) => ({ text, rating: ratings[i]! }))
      .sort((a, b) => b.rating - a.rating)
      .slice(0, 6)
      .map(({ text }) => text)
    return [
      await asNewcomer(scene, 'one word, over and over', loud),
      await asNewcomer(scene, 'the 6 of 48 splices that the model itself rates highest', best),
    ]
  },
)
