import { createRandom } from '@openledger/model'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { type Corpus, readCorpus } from './Corpus.ts'
import { type Answer, type Author, admit, createWorld, openBase, type Pay, type World } from './World.ts'

/** Honest authors over the modules of OpenZeppelin Contracts, answers to pay for, and the world before the attack. */
export type Scene = {
  readonly honest: readonly Author[]
  readonly before: World
  readonly answers: readonly Answer[]
  /** Those of them that the model itself gave, before the attacker comes. */
  readonly given: readonly Answer[]
  /** Records of authors who come later and have never asked the model anything. */
  readonly newcomers: readonly string[]
  /** What the answers pay before the attack. */
  readonly payBefore: Pay
  readonly naiveBefore: Pay
  readonly say: (line: string) => void
}

/** One way of carrying the attack out, and what it brings. */
export type Row = {
  readonly what: string
  /** The attacker's pay, or that of all its names, relative to what it would get honestly: without defences and with them. */
  readonly naive: number
  readonly gain: number
  /** What all honest authors together lose of what the same model would pay them without the attacker's records. */
  readonly honestLoss?: number
  /** Nobody attacks: what an honest author would earn and cost the others in the attacker's place; held to no goal. */
  readonly isReference?: boolean
}

const RECORD_TOKENS = 64
const PROMPT_TOKENS = 12

const scenes = new Map<boolean, Promise<Scene>>()

/** All attacks of one run happen in one scene; `isQuick` takes half the authors and answers. */
function sceneOf(options: ClaimOptions): Promise<Scene> {
  const known = scenes.get(options.isQuick) ?? setScene(options)
  scenes.set(options.isQuick, known)
  return known
}

async function setScene({ isQuick, say }: ClaimOptions): Promise<Scene> {
  const { checkpoint, tokenizer } = await openBase()
  const count = isQuick ? 12 : 20
  const size = { contributors: count, recordsEach: 6, tokens: RECORD_TOKENS }
  const corpus = readCorpus('code', tokenizer, size)
  const piecesOf = ({ records }: Corpus, contributor: number) =>
    records.filter((piece) => piece.contributor === contributor).map(({ tokens }) => tokenizer.decode(tokens))
  const honest = corpus.contributors.map((name, contributor) => ({
    name,
    texts: piecesOf(corpus, contributor),
  }))
  const later = readCorpus('code', tokenizer, { ...size, contributors: 2 * count })
  const newcomers = later.contributors.flatMap((_, i) => (i < count ? [] : piecesOf(later, i)))
  const before = await createWorld(honest, { say })
  const { bosId } = checkpoint.config
  const held = corpus.heldOut.map(({ tokens }) => ({
    promptIds: [bosId, ...tokens.slice(0, PROMPT_TOKENS)],
    answerIds: tokens.slice(PROMPT_TOKENS),
  }))
  // half of what is asked continues records, as the callers of such a model do
  const prompts = corpus.records
    .filter((_, i) => i % (isQuick ? 6 : 5) === 2)
    .map(({ tokens }) => [bosId, ...tokens.slice(0, PROMPT_TOKENS)])
  const given = await before.ask(prompts, RECORD_TOKENS - PROMPT_TOKENS)
  const answers = [...held, ...given]
  say(`${answers.length} answers of ${RECORD_TOKENS - PROMPT_TOKENS} tokens`)
  const payBefore = await before.pay(answers)
  const naiveBefore = await before.naivePay(answers)
  return { honest, before, answers, given, newcomers, payBefore, naiveBefore, say }
}

/**
 * Has an attacker register after everybody else, trains again, and compares its pay with an average author's.
 *
 * What it earns without defences is measured with all that it sent; with them, with what validation leaves of it.
 *
 * @param given - Answers that are remembered when its records come; default all that the model gave.
 */
export async function asNewcomer(
  scene: Scene,
  what: string,
  texts: readonly string[],
  { given = scene.given }: { readonly given?: readonly Answer[] } = {},
): Promise<Row> {
  const { honest, answers, say } = scene
  const everybody = [...honest, { name: 'attacker', texts }]
  const admitted = admit('attacker', texts, {
    earlier: honest.flatMap((author) => author.texts),
    answers: textsOf(scene, given),
  })
  const open = await createWorld(everybody, { say })
  const naive = await open.naivePay(answers)
  const honestPay = (map: Pay) => sumOf(map) - (map.get('attacker') ?? 0)
  const row = { what, naive: naive.get('attacker')! / (honestPay(naive) / honest.length) }
  if (admitted.texts.length === 0) return { ...row, gain: 0, honestLoss: 0 }
  const isWhole =
    admitted.texts.length === texts.length && admitted.echoes.every(({ length }) => length === 0)
  const guarded = [...honest, admitted]
  const after = isWhole ? open : await createWorld(guarded, { say })
  // the same model as if it had not registered: what training on its records did to the model is no matter of paying
  const control = await createWorld(honest, { say, trainedAs: guarded })
  const pay = await after.pay(answers)
  const fair = honestPay(await control.pay(answers))
  return {
    ...row,
    gain: pay.get('attacker')! / (fair / honest.length),
    honestLoss: 1 - honestPay(pay) / fair,
  }
}

/** The texts of answers. */
export const textsOf = ({ before }: Scene, answers: readonly Answer[]): string[] =>
  answers.map(({ answerIds }) => before.tokenizer.decode(answerIds))

export const sumOf = (pay: Pay): number => [...pay.values()].reduce((sum, value) => sum + value, 0)

/** A stream of choices that is the same in every run. */
export const chance = (seed: number) => createRandom(seed)

/**
 * Makes a claim of an attack whose rows must all stay under a goal.
 * @param carryOut - Given the words after the claim's name, which may choose rows.
 */
export const attackClaim = (
  says: string,
  goal: number,
  carryOut: (scene: Scene, words: readonly string[]) => Promise<readonly Row[]>,
  { lossMax = 0.02 }: { readonly lossMax?: number } = {},
): Claim => ({
  says,
  async run(options): Promise<Finding> {
    const scene = await sceneOf(options)
    const rows = await carryOut(scene, options.words)
    const attacks = rows.filter(({ isReference }) => isReference !== true)
    const losers = attacks.filter(({ honestLoss = 0 }) => honestLoss > lossMax)
    return {
      figure: Math.max(...attacks.map(({ gain }) => gain)),
      unit: 'times the honest pay',
      goal,
      sense: 'at most',
      failures: losers.map(
        ({ what, honestLoss = 0 }) => `${what}: honest authors lose ${(100 * honestLoss).toFixed(1)} %`,
      ),
      report: `${table([
        ['attack', 'gain without defences', 'gain', 'honest authors lose'],
        ...rows.map(({ what, naive, gain, honestLoss }) => [
          what,
          naive.toFixed(2),
          gain.toFixed(3),
          honestLoss === undefined ? '' : `${(100 * honestLoss).toFixed(1)} %`,
        ]),
      ])}

${scene.honest.length} honest authors of ${scene.honest[0]!.texts.length} records, ${scene.answers.length} answers; an adapter over the shipped base is trained anew for each row. Without defences: products of raw gradients, clipped at zero, every record for itself. Of all that the answers pay contributors, honest authors got ${(100 * sumOf(scene.payBefore)).toFixed(0)} % before the attack, the commons the rest.`,
    }
  },
})
