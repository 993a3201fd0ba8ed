import { asNewcomer, attackClaim, chance } from '../attribution/Attack.ts'
import { withoutEchoes } from '../attribution/World.ts'

/**
 * Registers what the model already says, hoping that it says it again: answers as they were given, behind their questions,
 * with words changed, in pieces between other text, and answers that the attacker drew from a copy of the model itself.
 */
export const claim = attackClaim(
  'Whoever registers the model’s own answers, to be matched by the next ones, gains at most a tenth over an honest author.',
  1.1,
  async (scene) => {
    const { before, given, newcomers, honest } = scene
    const { decode } = before.tokenizer
    const random = chance(13)
    const taken = given.slice(-6)
    const said = taken.map(({ answerIds }) => decode(answerIds))
    const reworded = said.map((text) =>
      text.replace(/[A-Za-z]{4,}/g, (word) => (random.below(10) === 0 ? `${word}Value` : word)),
    )
    const woven = said.map((text, i) => {
      const third = Math.floor(text.length / 3)
      const [before, after] = [newcomers[i]!.slice(0, third), newcomers[i]!.slice(third, 2 * third)]
      return {
        whole: [before, text.slice(third, 2 * third), after].join('\n'),
        own: [before, after].join('\n'),
      }
    })
    const prompts = taken.map(({ promptIds }) => promptIds)
    const foreseen = await before.ask(prompts, taken[0]!.answerIds.length, 99)
    const answers = given.map(({ answerIds }) => decode(answerIds))
    const kept = withoutEchoes(newcomers, { earlier: honest.flatMap(({ texts }) => texts), answers })
    const lengthOf = (texts: readonly string[]) => texts.reduce((sum, { length }) => sum + length, 0)
    return [
      {
        ...(await asNewcomer(
          scene,
          'for comparison: six records of an honest newcomer',
          newcomers.slice(0, 6),
        )),
        isReference: true,
      },
      {
        ...(await asNewcomer(
          scene,
          'for comparison: the new text that thirds of answers are put between, alone',
          woven.map(({ own }) => own),
        )),
        isReference: true,
      },
      await asNewcomer(scene, 'six answers, as they were given', said),
      await asNewcomer(
        scene,
        'the same behind their questions',
        taken.map(({ promptIds, answerIds }) => decode([...promptIds.slice(1), ...answerIds])),
      ),
      await asNewcomer(scene, 'every tenth word changed', reworded),
      await asNewcomer(
        scene,
        'a third of each between new text',
        woven.map(({ whole }) => whole),
      ),
      await asNewcomer(
        scene,
        'six that a copy of the model gave to the same questions',
        foreseen.map(({ answerIds }) => decode(answerIds)),
      ),
      {
        what: `nobody: ${newcomers.length} records of honest newcomers`,
        naive: 0,
        gain: 0,
        honestLoss: 1 - lengthOf(kept) / lengthOf(newcomers),
      },
    ]
  },
)
