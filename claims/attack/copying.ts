import { asNewcomer, attackClaim, chance } from '../attribution/Attack.ts'

/** Registers another's records again: as they are, with every tenth word changed, and with other line breaks and a sentence more. */
export const claim = attackClaim(
  'Whoever registers copies of others’ records, exact or edited, gains at most a tenth of an honest author’s pay over it, and nobody honest loses.',
  1.1,
  async (scene) => {
    const victims = [scene.honest[0]!, scene.honest[5]!]
    const texts = victims.flatMap((victim) => victim.texts.slice(0, 3))
    const random = chance(3)
    const edited = texts.map((text) =>
      text.replace(/[A-Za-z]{4,}/g, (word) => (random.below(10) === 0 ? `${word}Value` : word)),
    )
    const reflowed = texts.map((text) => `// a helper\n${text.replaceAll('\n', '\n\n')}`)
    return [
      await asNewcomer(scene, 'exact copies', texts),
      await asNewcomer(scene, 'every tenth word changed', edited),
      await asNewcomer(scene, 'reflowed, with a comment', reflowed),
    ]
  },
)
