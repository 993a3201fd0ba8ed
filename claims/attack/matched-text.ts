import { asNewcomer, attackClaim, chance, type Row, type Scene, textsOf } from '../attribution/Attack.ts'
import { admit } from '../attribution/World.ts'

const PROMPT_TOKENS = 12
const RECORDS = 6

/**
 * Registers what the model already says, hoping that it says it again: answers as they were given, behind their questions,
 * with words changed, in pieces between other text, and answers that the attacker drew from a copy of the model itself.
 *
 * Words choose rows: `woven`, `foreseen`, `newcomers` and so on, as `textsFor` names them.
 */
export const claim = attackClaim(
  'Whoever registers the model’s own answers, to be matched by the next ones, gains at most a tenth over an honest author.',
  1.1,
  async (scene, words) => {
    const isWanted = (name: string): boolean => words.length === 0 || words.includes(name)
    const rows: Row[] = []
    for (const [name, { what, texts, isReference = false }] of Object.entries(await textsFor(scene))) {
      if (isWanted(name)) rows.push({ ...(await asNewcomer(scene, what, texts)), isReference })
    }
    return isWanted('newcomers') ? [...rows, ...(await newcomersLose(scene))] : rows
  },
)

type Attempt = { readonly what: string; readonly texts: readonly string[]; readonly isReference?: boolean }

async function textsFor({ before, given, newcomers }: Scene): Promise<Readonly<Record<string, Attempt>>> {
  const { decode } = before.tokenizer
  const random = chance(13)
  const taken = given.slice(-RECORDS)
  const said = taken.map(({ answerIds }) => decode(answerIds))
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
  return {
    said: { what: 'six answers, as they were given', texts: said },
    asked: {
      what: 'the same behind their questions',
      texts: taken.map(({ promptIds, answerIds }) => decode([...promptIds.slice(1), ...answerIds])),
    },
    reworded: {
      what: 'every tenth word changed',
      texts: said.map((text) =>
        text.replace(/[A-Za-z]{4,}/g, (word) => (random.below(10) === 0 ? `${word}Value` : word)),
      ),
    },
    woven: { what: 'a third of each between new text', texts: woven.map(({ whole }) => whole) },
    own: {
      what: 'for comparison: that new text alone',
      texts: woven.map(({ own }) => own),
      isReference: true,
    },
    foreseen: {
      what: 'six that a copy of the model gave to the same questions',
      texts: foreseen.map(({ answerIds }) => decode(answerIds)),
    },
  }
}

/** What marking repetitions takes from people who came later and never asked, those who repeat most of what was answered. */
async function newcomersLose(scene: Scene): Promise<Row[]> {
  const { before, given, newcomers, honest } = scene
  const { encode, bosId } = before.tokenizer
  // callers had asked how texts go on that begin as the newcomers' own
  const begun = newcomers.map((text) => [bosId, ...encode(text).slice(0, PROMPT_TOKENS)])
  const heard = [...given, ...(await before.ask(begun, given[0]!.answerIds.length, 17))]
  const { texts, echoes } = admit('newcomers', newcomers, {
    earlier: honest.flatMap((author) => author.texts),
    answers: textsOf(scene, heard),
  })
  const markedOf = (i: number) => echoes[i]!.reduce((sum, [start, end]) => sum + end - start, 0)
  const marked = texts.reduce((sum, _, i) => sum + markedOf(i), 0) / texts.join('').length
  const repeating = texts
    .map((text, i) => ({ text, share: markedOf(i) / text.length }))
    .sort((a, b) => b.share - a.share)
    .slice(0, RECORDS)
    .map(({ text }) => text)
  const what = 'for comparison: the six records of honest newcomers that repeat most of what was answered'
  const counted = await asNewcomer(scene, what, repeating, { given: heard })
  const whole = await asNewcomer(scene, 'the same, had nothing been answered', repeating, { given: [] })
  const refused = newcomers.length - texts.length
  return [
    { ...counted, isReference: true },
    { ...whole, isReference: true },
    {
      what: `nobody: what newcomers lose, of whose ${newcomers.length} records ${refused} were refused and ${(100 * marked).toFixed(1)} % of the text marked`,
      naive: 0,
      gain: 0,
      honestLoss: refused > 0 ? 1 : 1 - counted.gain / whole.gain,
    },
  ]
}
