import { asNewcomer, attackClaim } from '../attribution/Attack.ts'

/** Registers what the model already says, hoping that it says it again: answers as they were given, and with a twist. */
export const claim = attackClaim(
  'Whoever registers the model’s own answers, to be matched by the next ones, gains at most a tenth over an honest author.',
  1.1,
  async (scene) => {
    const { answers, before } = scene
    const given = answers.slice(-6).map(({ answerIds }) => before.tokenizer.decode(answerIds))
    const prompted = answers
      .slice(-6)
      .map(({ promptIds, answerIds }) => before.tokenizer.decode([...promptIds.slice(1), ...answerIds]))
    return [
      await asNewcomer(scene, 'six answers, as they were given', given),
      await asNewcomer(scene, 'the same behind their questions', prompted),
    ]
  },
)
