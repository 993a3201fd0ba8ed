import { createDatabase, type Database, schema } from '@openledger/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAnswerMemory } from './AnswerMemory.ts'
import { sequencesOf } from './Similarity.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase({ memory: true })
})
afterAll(() => database.close())

const answer = Array.from({ length: 40 }, (_, i) => `word${i}`).join(' ')
const [sequence] = sequencesOf(answer) as [string]

test('knows what was said, by whichever server, and since when', async () => {
  const memory = createAnswerMemory(database, { key: Uint8Array.of(1) })
  const other = createAnswerMemory(database, { key: Uint8Array.of(1) })
  await memory.remember({ promptText: '', text: answer, startedAt: new Date(1_000) })
  await other.remember({ promptText: '', text: answer, startedAt: new Date(9_000) })
  expect(await other.answered([sequence, 'never said this to anybody'])).toEqual(new Set([sequence]))
  expect(await other.answered([sequence], new Date(1_000))).toEqual(new Set())
  expect(await other.answered([sequence], new Date(1_001))).toEqual(new Set([sequence]))
})

test('holds nothing that can be read without its key', async () => {
  const stranger = createAnswerMemory(database, { key: Uint8Array.of(2) })
  expect(await stranger.answered(sequencesOf(answer))).toEqual(new Set())
})

test('forgets the oldest first when it is full', async () => {
  const memory = createAnswerMemory(database, { key: Uint8Array.of(1), marksMax: 50 })
  for (let round = 0; round < 4; round++) {
    const text = answer.replaceAll('word', `round${round}`)
    await memory.remember({ promptText: '', text, startedAt: new Date(20_000 + round) })
  }
  const fresh = createAnswerMemory(database, { key: Uint8Array.of(1), marksMax: 50 })
  await fresh.remember({ promptText: '', text: 'too short', startedAt: new Date(30_000) })
  expect(await database.orm.$count(schema.answerMarks)).toBeLessThanOrEqual(50)
  const newest = sequencesOf(answer.replaceAll('word', 'round3'))
  expect(await memory.answered(newest)).toEqual(new Set(newest))
  expect(await memory.answered([sequence])).toEqual(new Set())
})
