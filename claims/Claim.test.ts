import { describe, expect, test } from 'vitest'
import { closingLine, type Finding, isMet } from './Claim.ts'

const finding: Finding = { figure: 51.2345, unit: 'x', goal: 10, sense: 'at least', report: '' }

describe('a claim', () => {
  test('is met when the figure is on the side of the goal', () => {
    expect(isMet(finding)).toBe(true)
    expect(isMet({ ...finding, figure: 9.99 })).toBe(false)
    expect(isMet({ ...finding, sense: 'at most' })).toBe(false)
  })

  test('is short when anything beside the figure failed', () => {
    expect(isMet({ ...finding, failures: ['block 7'] })).toBe(false)
  })

  test('ends with one line that says the figure, the goal and the verdict', () => {
    expect(closingLine('chain', finding)).toBe('chain 51.23 x, goal at least 10: met')
  })
})
