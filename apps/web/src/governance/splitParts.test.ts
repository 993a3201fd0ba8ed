import { describe, expect, test } from 'vitest'
import { splitProblem } from './splitParts.ts'

const today = { contributorsBps: 5_000, ownerBps: 2_000, stakersBps: 2_000, platformBps: 1_000 }

describe('splitProblem', () => {
  test('finds nothing wrong with the split that networks start with', () => {
    expect(splitProblem(today)).toBeUndefined()
  })

  test('names what the contract would refuse', () => {
    expect(splitProblem({ ...today, ownerBps: 1_900 })).toBe('The parts sum to 99 %; they must sum to 100 %.')
    expect(splitProblem({ ...today, contributorsBps: 2_900 })).toContain('Contributors must get between 30 %')
    expect(splitProblem({ ...today, platformBps: 2_001 })).toContain('Platform must get between 0 % and 20 %')
    expect(splitProblem({ ...today, stakersBps: 3_001 })).toContain('Stakers')
    expect(splitProblem({ ...today, ownerBps: 4_001 })).toContain('Model owner')
    expect(splitProblem({ ...today, ownerBps: 2_000.5 })).toBe('Model owner: at most two decimals.')
  })
})
