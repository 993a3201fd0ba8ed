import { asNewcomer, attackClaim, chance } from '../attribution/Attack.ts'

/** Registers noise. */
export const claim = attackClaim(
  'A contributor of random bytes gets less than a fiftieth of an average share.',
  0.02,
  async (scene) => {
    const random = chance(21)
    const bytes = () => String.fromCharCode(...Array.from({ length: 120 }, () => 33 + random.below(94)))
    return [await asNewcomer(scene, 'six records of random bytes', Array.from({ length: 6 }, bytes))]
  },
)
