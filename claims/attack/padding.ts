import { asNewcomer, attackClaim, chance } from '../attribution/Attack.ts'

/** Hides copies in padding: random words, the commonest lines of everybody, and the ends of others' records. */
export const claim = attackClaim(
  'Whoever pads copies until they are no duplicates any more gains nothing over an honest author.',
  1.1,
  async (scene) => {
    const random = chance(5)
    const { honest } = scene
    const words = honest.flatMap(({ texts }) => texts.flatMap((text) => text.match(/[A-Za-z]+/g) ?? []))
    const noise = (count: number) =>
      Array.from({ length: count }, () => words[random.below(words.length)]).join(' ')
    const copied = [1, 4, 7].flatMap((author) => honest[author]!.texts.slice(0, 2))
    const half = (text: string) => text.slice(0, text.length >> 1)
    return [
      await asNewcomer(
        scene,
        'copies behind as many random words',
        copied.map((text) => `${noise(40)}\n${text}`),
      ),
      await asNewcomer(
        scene,
        'halves of two authors stitched together',
        copied.map((text, i) => half(text) + half(honest[8 + (i % 3)]!.texts[i % 6]!)),
      ),
      await asNewcomer(
        scene,
        'random words only',
        copied.map(() => noise(80)),
      ),
    ]
  },
)
