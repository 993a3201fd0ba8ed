import { expect, inject, test } from 'vitest'
import { openledger } from './CommandLine.ts'

test('the tour goes once round the loop, to more OPEN on L1 than before', async () => {
  const { status, output } = await openledger(['--url', inject('houseUrl'), 'tour'])
  expect({ status, output }).toMatchObject({ status: 0 })
  expect(output).toMatch(/OPEN of the contributor on L1: .* before, .* after/)
  expect(output).toContain('then it was stopped')
  expect(output).toContain('The loop is closed.')
})
