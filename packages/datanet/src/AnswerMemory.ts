import { createHmac } from 'node:crypto'
import { and, type Database, inArray, lt, type SQL, schema, sql } from '@openledger/store'
import { sequencesOf } from './Similarity.ts'

const { answerMarks } = schema

/** Remembers what models have answered, so that repeating it later is not taken for something new. */
export type AnswerMemory = {
  /**
   * Remembers an answer, durably, by a keyed mark of every five words in a row.
   *
   * What its prompt says already is the caller's own and left out: who has a model repeat a text must not make it look said.
   */
  readonly remember: (answer: GivenAnswer) => Promise<void>
  /**
   * Finds which sequences were answered.
   * @param before - Only answers that began before this count; left out, all.
   */
  readonly answered: (sequences: readonly string[], before?: Date) => Promise<ReadonlySet<string>>
}

export type GivenAnswer = {
  readonly promptText: string
  readonly text: string
  /** When the first of it could be read. */
  readonly startedAt: Date
}

export type AnswerMemoryOptions = {
  /** Makes marks that say nothing to whoever reads the database without it. */
  readonly key: Uint8Array
  /** The oldest marks go when there are more; about 100 bytes each. */
  readonly marksMax?: number
}

const MARKS_MAX = 2_000_000
/** Marks in one statement. */
const BATCH = 5_000
/** Answers between two looks at how many marks there are. */
const PRUNE_EVERY = 256

/** Creates the memory over one database; servers that share it share what they remember. */
export function createAnswerMemory(
  { orm }: Database,
  { key, marksMax = MARKS_MAX }: AnswerMemoryOptions,
): AnswerMemory {
  let sincePruning = PRUNE_EVERY

  const markOf = (sequence: string): bigint =>
    createHmac('sha256', key).update(sequence).digest().readBigInt64BE()

  /** Forgets the answers that began longest ago. */
  async function prune(): Promise<void> {
    const [oldest] = await orm
      .select({ answeredAt: answerMarks.answeredAt })
      .from(answerMarks)
      .orderBy(sql`${answerMarks.answeredAt} DESC`)
      .offset(marksMax)
      .limit(1)
    if (oldest !== undefined)
      await orm.delete(answerMarks).where(sql`${answerMarks.answeredAt} <= ${oldest.answeredAt}`)
  }

  return {
    async remember({ promptText, text, startedAt }) {
      const asked = new Set(sequencesOf(promptText))
      const said = [...new Set(sequencesOf(text))].filter((sequence) => !asked.has(sequence))
      for (let from = 0; from < said.length; from += BATCH) {
        const rows = said
          .slice(from, from + BATCH)
          .map((sequence) => ({ mark: markOf(sequence), answeredAt: startedAt }))
        // whoever heard it first knew it from then on
        await orm.insert(answerMarks).values(rows).onConflictDoNothing()
      }
      if (++sincePruning < PRUNE_EVERY) return
      sincePruning = 0
      await prune()
    },
    async answered(sequences, before) {
      const byMark = new Map(sequences.map((sequence) => [markOf(sequence), sequence]))
      const marks = [...byMark.keys()]
      const found = new Set<string>()
      for (let from = 0; from < marks.length; from += BATCH) {
        const isAsked: SQL = inArray(answerMarks.mark, marks.slice(from, from + BATCH))
        const rows = await orm
          .select({ mark: answerMarks.mark })
          .from(answerMarks)
          .where(before === undefined ? isAsked : and(isAsked, lt(answerMarks.answeredAt, before)))
        for (const { mark } of rows) found.add(byMark.get(mark)!)
      }
      return found
    },
  }
}
