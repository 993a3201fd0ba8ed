import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys, RecordForm } from '@openledger/protocol'
import { eq, schema } from '@openledger/store'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DatanetHouse, inTenMinutes, lower, SUMMARY, startDatanetHouse } from '../test/datanetHouse.ts'
import { signContribution } from '../test/registryChain.ts'
import { openZeppelinModules } from './index.ts'

const ben = DevelopmentKeys.contributor(1)

let house: DatanetHouse
beforeAll(async () => {
  house = await startDatanetHouse()
})
afterAll(() => house.close())

test('the first modules are accepted whole, though they share a style and boilerplate', async () => {
  const transactionHash = await house.chain.createDatanet('modules', SUMMARY)
  const { id: datanetId } = await house.datanets.register({ transactionHash, summary: SUMMARY })
  const ids: Hex[] = []
  for (const [i, { name, files }] of openZeppelinModules().slice(0, 6).entries()) {
    const account = DevelopmentKeys.contributor(i)
    const input = { datanetId, licence: 'MIT', files: files.map(({ path, text }) => ({ name: path, text })) }
    const prepared = await house.datanets.prepare(input)
    const deadline = inTenMinutes()
    const signature = await signContribution(account, { ...input, ...prepared, deadline }, house.chain)
    const contributor = lower(account.address)
    ids.push(
      (await house.datanets.contribute({ ...input, title: name, contributor, deadline, signature })).id,
    )
  }
  await house.settled(ids.at(-1)!)
  for (const id of ids) {
    const { acceptedCount, recordCount, records } = await house.datanets.contribution(id)
    expect(records.filter(({ verdict }) => verdict === 'rejected').map(({ reason }) => reason)).toEqual([])
    expect(acceptedCount).toBe(recordCount)
  }
})

test('what a model answered before is neither accepted as new nor learned or paid, whoever contributes it', async () => {
  const answer =
    'A harbour pilot boards every arriving vessel beyond the outer buoy and hands the tide tables to her captain before turning north.'
  const own =
    'Our museum keeps seven brass sextants from old whaling ships, and each of them still finds noon within half a minute.'
  const startedAt = new Date(Date.now() - 1_000)
  await house.datanets.rememberAnswer({ promptText: 'Who boards a ship?', text: answer, startedAt })
  const paraphrase = answer.replace('outer', 'second').replace('captain', 'master')
  const titled = await house.contribute(ben, 'said before', [
    answer,
    paraphrase,
    `${own} ${own.replaceAll('seven', 'nine')} ${answer.slice(0, 66)}`,
    own.toUpperCase().replace('BRASS', 'COPPER').replace('HALF', 'A QUARTER OF'),
    JSON.stringify({ prompt: 'Who boards a ship, and where?', completion: answer }),
    JSON.stringify({ prompt: 'What is in the museum?', completion: `${own} ${answer.slice(0, 28)}` }),
  ])
  await house.settled(titled.id)
  const { records } = await house.datanets.contribution(titled.id)
  expect(records.map(({ verdict }) => verdict)).toEqual([
    'rejected',
    'rejected',
    'accepted',
    'accepted',
    'rejected',
    'accepted',
  ])
  expect(records[1]!.reason).toMatch(/^\d+ % of its words repeat what models here had answered/)
  const rows = await house.database.orm
    .select()
    .from(schema.records)
    .where(eq(schema.records.contributionId, titled.id))
    .orderBy(schema.records.index)
  const echoed = rows.map(({ text, echoes }) =>
    echoes.map(([start, end]) => RecordForm.plainText(text).slice(start, end)),
  )
  const whole = answer.slice(0, -1)
  // of what was rejected too: a person who accepts it later does not make it new
  expect([...echoed.slice(0, 1), ...echoed.slice(2)]).toEqual([
    [whole],
    [answer.slice(0, 66)],
    [],
    [whole],
    [answer.slice(0, 28)],
  ])
  expect(echoed[1]!.join(' ')).not.toMatch(/second|master/)
  expect(records.map((record) => record.echoes)).toEqual(rows.map((row) => row.echoes))
})

test('what was contributed before it was answered, and what the prompt said itself, repeats nothing', async () => {
  const early =
    'Lichens on the northern granite grow a millimetre in a year, so a hand wide patch is older than the oldest parish book.'
  const prompted =
    'Repeat after me that copper roofs turn green because rain, salt and soot leave a patina which then protects the metal.'
  const contributed = await house.contribute(ben, 'said first', [early])
  await house.datanets.rememberAnswer({
    promptText: '',
    text: early,
    startedAt: new Date(Date.now() + 60_000),
  })
  await house.datanets.rememberAnswer({
    promptText: prompted,
    text: prompted.slice(16),
    startedAt: new Date(0),
  })
  await house.settled(contributed.id)
  expect((await house.datanets.contribution(contributed.id)).acceptedCount).toBe(1)
  const { warnings } = await house.datanets.prepare({ datanetId: '1', licence: 'MIT', records: [prompted] })
  expect(warnings).toEqual([])
})
