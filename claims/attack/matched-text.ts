import { asNewcomer, attackClaim, chance, textsOf } from '../attribution/Attack.ts'
import { admit } from '../attribution/World.ts'

const PROMPT_TOKENS = 12

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
    const said = textsOf(scene, taken)
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
    const earlier = honest.flatMap(({ texts }) => texts)
    // callers had asked how texts go on that begin as the newcomers' own
    const { encode, bosId } = before.tokenizer
    const begun = newcomers.map((text) => [bosId, ...encode(text).slice(0, PROMPT_TOKENS)])
    const heard = [...given, ...(await before.ask(begun, taken[0]!.answerIds.length, 17))]
    const { texts, echoes } = admit('newcomers', newcomers, { earlier, answers: textsOf(scene, heard) })
    const markedOf = (i: number) => echoes[i]!.reduce((sum, [start, end]) => sum + end - start, 0)
    const marked = texts.reduce((sum, _, i) => sum + markedOf(i), 0) / texts.join('').length
    // whoever repeats most has most to lose
    const repeating = texts
      .map((text, i) => ({ text, share: markedOf(i) / text.length }))
      .sort((a, b) => b.share - a.share)
      .slice(0, 6)
      .map(({ text }) => text)
    const counted = await asNewcomer(
      scene,
      'for comparison: the six records of honest newcomers that repeat most of what was answered',
      repeating,
      { given: heard },
    )
    const whole = await asNewcomer(scene, 'the same, had nothing been answered', repeating, { given: [] })
    return [
      { ...counted, isReference: true },
      { ...whole, isReference: true },
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
        what: `nobody: what newcomers lose, of whose ${newcomers.length} records ${newcomers.length - texts.length} were refused and ${(100 * marked).toFixed(1)} % of the text marked`,
        naive: 0,
        gain: 0,
        honestLoss: texts.length < newcomers.length ? 1 : 1 - counted.gain / whole.gain,
      },
    ]
  },
)
