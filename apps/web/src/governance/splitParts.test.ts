import { describe, expect, test } from 'vitest'
import { splitProblem } from './splitParts.ts'

const bounds = { platformBpsMax: 2_000, ownerBpsMax: 4_000, stakersBpsMax: 3_000, contributorsBpsMin: 3_000 }
const today = { contributorsBps: 5_000, ownerBps: 2_000, stakersBps: 2_000, platformBps: 1_000 }

describe('splitProblem', () => {
  test('finds nothing wrong with the split that networks start with', () => {
    expect(splitProblem(today, bounds)).toBeUndefined()
  })

  test('names what the contract would refuse', () => {
    expect(splitProblem({ ...today, ownerBps: 1_900 }, bounds)).toBe(
      'The parts sum to 99 %; they must sum to 100 %.',
    )
    expect(splitProblem({ ...today, contributorsBps: 2_900 }, bounds)).toContain(
      'Contributors must get between 30 %',
    )
    expect(splitProblem({ ...today, platformBps: 2_001 }, bounds)).toContain(
      'Platform must get between 0 % and 20 %',
    )
    expect(splitProblem({ ...today, stakersBps: 3_001 }, bounds)).toContain('Stakers')
    expect(splitProblem({ ...today, ownerBps: 4_001 }, bounds)).toContain('Model owner')
    expect(splitProblem({ ...today, ownerBps: 2_000.5 }, bounds)).toBe('Model owner: at most two decimals.')
  })

  test('goes by what a vote decided of the bounds', () => {
    expect(splitProblem(today, { ...bounds, platformBpsMax: 900 })).toContain(
      'Platform must get between 0 % and 9 %',
    )
    expect(splitProblem(today, { ...bounds, contributorsBpsMin: 5_100 })).toContain('Contributors')
  })
})
