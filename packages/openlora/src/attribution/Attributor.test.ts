import { type BaseError, Share } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type AttributedModel,
  commons,
  createAttributedModel,
  FIXTURE_TIMEOUT_MS,
  hexOf,
  records,
} from '../../test/attributedModel.ts'
import { loadAttributionIndex } from './AttributionIndex.ts'

describe('createAttributor', () => {
  let { model, request, blobs, start } = {} as AttributedModel

  beforeAll(async () => {
    ;({ model, request, blobs, start } = await createAttributedModel())
  }, FIXTURE_TIMEOUT_MS)

  test('pays most to the contribution that the answer comes from, in shares that sum exactly', async () => {
    const { attribution } = await (await start()).attribute(request)
    const { shares, commons: rest } = attribution
    expect(shares.reduce((sum, { sharePpm }) => sum + sharePpm, rest.sharePpm)).toBe(Number(Share.SCALE))
    expect(attribution.liftMilliNats).toBeGreaterThan(0)
    expect(shares[0]).toMatchObject({ contributionId: hexOf(2) })
    expect(shares[0]!.sharePpm).toBeGreaterThan(400_000)
    for (const { sharePpm } of shares.slice(1)) expect(10 * sharePpm).toBeLessThan(shares[0]!.sharePpm)
    expect(shares[0]!.reasons.map(({ kind }) => kind)).toContain('span')
    expect(shares[0]!.reasons.map(({ kind }) => kind)).toContain('influence')
    for (const { sharePpm, reasons } of shares) {
      expect(reasons.reduce((sum, reason) => sum + reason.sharePpm, 0)).toBe(sharePpm)
    }
  })

  test('shows spans as ranges of the text that their records contain', async () => {
    const { attribution } = await (await start()).attribute(request)
    const reasons = attribution.shares.flatMap((share) => share.reasons)
    const spans = reasons.filter((reason) => reason.kind === 'span')
    expect(spans.length).toBeGreaterThan(0)
    for (const { recordId, start: from, end, occurrences } of spans) {
      const words = request.text.slice(from, end)
      expect(words.length).toBeGreaterThan(0)
      expect(records.find((record) => record.recordId === recordId)!.text).toContain(words)
      expect(occurrences).toBeGreaterThan(0)
    }
  })

  test('gives the same bytes again, after other answers, and on another number of threads', async () => {
    const attributor = await start()
    const first = await attributor.attribute(request)
    await attributor.attribute({ ...request, promptIds: request.promptIds.slice(0, 2) })
    expect(await attributor.attribute(request)).toEqual(first)
    expect(await (await start(2)).attribute(request)).toEqual(first)
    expect(attributor.decoder.length(0)).toBe(0)
  })

  test('pays nothing to excluded contributions, and their part to the commons', async () => {
    const attributor = await start()
    const all = await attributor.attribute(request)
    const without = await attributor.attribute({ ...request, excludedContributions: [hexOf(2)] })
    expect(without.attribution.shares.map(({ contributionId }) => contributionId)).not.toContain(hexOf(2))
    const gained = without.attribution.commons.sharePpm - all.attribution.commons.sharePpm
    expect(gained).toBeGreaterThanOrEqual(all.attribution.shares[0]!.sharePpm - 2)
    expect(without.attribution.commons.reason).toContain('whoever pays')
  })

  test('gives an empty answer to the commons whole', async () => {
    const { attribution } = await (await start()).attribute({ ...request, answerIds: [], text: '' })
    expect(attribution.shares).toEqual([])
    expect(attribution.commons).toEqual({
      sharePpm: 1_000_000,
      beneficiary: commons,
      reason: 'The answer is empty.',
    })
  })

  test('refuses indexes other than those that were published', async () => {
    const attributor = await start()
    const index = { ...model.index, attributionRoot: hexOf(5) }
    await expect(attributor.attribute({ ...request, model: { ...model, index } })).rejects.toMatchObject({
      code: 'engine.attribution_index',
    })
  })

  test('refuses index files that are cut short, swapped, of another version or of other records', async () => {
    const codeOf = (changes: Record<string, Uint8Array>): Promise<string> =>
      loadAttributionIndex(model.index, async (cid) => changes[cid] ?? blobs.get(cid)!).then(
        () => 'loaded',
        (error: BaseError) => error.code,
      )
    const influence = blobs.get('influence')!
    const another = influence.slice()
    another[8]! += 1
    const fewer = RecordTable.encode({
      records: RecordTable.decode(blobs.get('records')!).records.slice(1),
    })
    expect({
      untouched: await codeOf({}),
      cut: await codeOf({ influence: influence.subarray(0, influence.length - 4_096) }),
      empty: await codeOf({ spans: new Uint8Array() }),
      swapped: await codeOf({ influence: blobs.get('spans')!, spans: influence }),
      anotherVersion: await codeOf({ influence: another }),
      otherRecords: await codeOf({ records: fewer }),
    }).toEqual({
      untouched: 'loaded',
      cut: 'attribution.index_bytes',
      empty: 'attribution.index_bytes',
      swapped: 'attribution.index_bytes',
      anotherVersion: 'attribution.index_bytes',
      otherRecords: 'engine.attribution_index',
    })
  })
})
