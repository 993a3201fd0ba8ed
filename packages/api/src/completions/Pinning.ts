import type { OpenLora } from '@openledger/openlora'
import { BaseError, Bytes, type Clock, type Hex } from '@openledger/primitives'
import { Attribution, type Http } from '@openledger/protocol'
import { ModelRetiredError, type Settlement } from '@openledger/settlement'
import type { Blobs, Database } from '@openledger/store'
import {
  type AnsweringModel,
  type Payer,
  PublishedModelNotFoundError,
  policyOf,
  type Serving,
} from './Answering.ts'
import { ownContributions } from './ownContributions.ts'

/** Adapters that stay in memory because somebody paid for it. */
export type Pinning = {
  /**
   * Keeps a published model's adapter in memory for a time, and charges for it; what is kept already stays for that much
   * longer.
   * @throws {PublishedModelNotFoundError} {ModelRetiredError} {PinTooLongError}, `openlora.pins_full` and what a hold throws: nothing is charged.
   */
  readonly pin: (
    name: string,
    seconds: number,
    payer: Payer,
  ) => Promise<{ readonly pin: Http.Pin; readonly receipt: Http.SignedReceipt }>
  /** Lets an adapter leave memory before its time. @returns False when it was not kept. */
  readonly unpin: (name: string) => boolean
  readonly list: () => Http.Pins
  /** Lets adapters leave memory whose time is over; done every few seconds anyway. */
  readonly letGo: () => void
  /** Keeps again what was paid for before this process began. */
  readonly restore: () => Promise<void>
  readonly close: () => void
}

/** How often it is looked whose time is over. */
const CHECK_MS = 5_000
/** No adapter is paid for further ahead. */
export const PIN_SECONDS_MAX = 30 * 86_400

/**
 * Creates the sale of memory for adapters. Who paid for how long stands in receipts and nowhere else.
 * @param priceWei - Of a MiB for an hour.
 */
export function createPinning(deps: {
  readonly database: Database
  readonly followBeneficiaries: () => Promise<void>
  readonly settlement: Pick<Settlement, 'accounts' | 'contract' | 'receipts'>
  readonly serving: Pick<Serving, 'attribute'> & Pick<OpenLora, 'pin' | 'unpin'>
  readonly blobs: Pick<Blobs, 'put'>
  readonly findModel: (name: string) => Promise<AnsweringModel | undefined>
  readonly priceWei: bigint
  readonly clock: Clock
  /** Told what could not be kept again after a restart. */
  readonly onError: (error: unknown, name: string) => void
}): Pinning {
  const { settlement, serving, blobs, findModel, priceWei, clock, onError } = deps
  const pins = new Map<string, Http.Pin>()
  const nowSeconds = (): number => Math.floor(clock.nowMs() / 1000)
  const letGo = (): void => {
    for (const { modelName, untilSeconds } of [...pins.values()]) {
      if (untilSeconds <= nowSeconds()) unpin(modelName)
    }
  }
  // one at a time: whoever pays again while another payment is under way adds to it
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
  const checking = setInterval(() => inTurn(async () => letGo()), CHECK_MS)
  checking.unref()

  function unpin(name: string): boolean {
    pins.delete(name)
    return serving.unpin(name)
  }

  async function charge(name: string, seconds: number, sizeBytes: number, payer: Payer) {
    const model = await findModel(name)
    if (model === undefined) throw new PublishedModelNotFoundError(name)
    const terms = await settlement.contract.modelTerms(model.modelId)
    if (terms.isRetired) throw new ModelRetiredError(model.modelId)
    const fromSeconds = Math.max(nowSeconds(), pins.get(name)?.untilSeconds ?? 0)
    const untilSeconds = fromSeconds + seconds
    const latest = nowSeconds() + PIN_SECONDS_MAX
    if (untilSeconds > latest) throw new PinTooLongError(name, latest - fromSeconds)
    const pin: Attribution.Pin = { untilSeconds, seconds, sizeBytes, priceWei: priceWei.toString() }
    const feeWei = Attribution.pinFeeWei(pin)
    const hold = await settlement.accounts.hold({ ...payer, amountWei: feeWei })
    try {
      const { adapterCid, adapterHash, influenceCid, spansCid, recordsCid } = model
      // no answer, so no record is paid for one: the contributors' part goes to the commons
      const { attribution, evidence, inferenceCommitment } = await serving.attribute({
        model: {
          adapter: { cid: adapterCid, hash: adapterHash },
          index: { influenceCid, spansCid, recordsCid, attributionRoot: terms.attributionRoot },
          policy: policyOf(model),
          commons: terms.commons,
        },
        promptIds: [],
        answerIds: [],
        text: '',
        excludedContributions: await ownContributions(deps, payer.account),
      })
      await blobs.put(evidence)
      const receipt = await settlement.receipts.nextReceipt({
        hold,
        modelId: model.modelId,
        attribution: { ...attribution, pin },
        inferenceCommitment,
        promptHash: NOTHING,
        answerHash: NOTHING,
        inputTokens: 0,
        outputTokens: 0,
        feeWei,
      })
      return { pin: { modelName: name, untilSeconds, sizeBytes, receiptSequence: receipt.sequence }, receipt }
    } finally {
      // does nothing once it is charged
      await settlement.accounts.release(hold.id)
    }
  }

  return {
    pin: (name, seconds, payer) =>
      inTurn(async () => {
        // room first: nobody pays for what does not fit
        const { isNew, sizeBytes } = await serving.pin(name)
        try {
          const charged = await charge(name, seconds, sizeBytes, payer)
          pins.set(name, charged.pin)
          return charged
        } catch (error) {
          if (isNew) serving.unpin(name)
          throw error
        }
      }),
    unpin,
    letGo,
    list: () => ({ priceWei: priceWei.toString(), pins: [...pins.values()] }),
    async restore() {
      const paid = await settlement.receipts.pins(nowSeconds(), PIN_SECONDS_MAX)
      // the latest receipt of a model says until when
      const latest = new Map(paid.map((one) => [one.modelName, one]))
      for (const { modelName, sequence, pin } of latest.values()) {
        try {
          const { sizeBytes } = await serving.pin(modelName)
          const { untilSeconds } = pin
          pins.set(modelName, { modelName, untilSeconds, sizeBytes, receiptSequence: sequence })
        } catch (error) {
          onError(error, modelName)
        }
      }
    },
    close: () => clearInterval(checking),
  }
}

/** Of no text. */
const NOTHING: Hex = Bytes.toHex(Bytes.keccak256(new Uint8Array()))

export class PinTooLongError extends BaseError {
  constructor(name: string, leftSeconds: number) {
    super({
      code: 'model.pin_too_long',
      message: `Expected ${name.slice(0, 80)} to be kept for at most ${PIN_SECONDS_MAX / 86_400} days from now, of which ${Math.floor(leftSeconds / 3600)} hours are left. Nothing was charged; pay for fewer.`,
      context: { name: name.slice(0, 80), leftSeconds, param: 'hours' },
    })
  }
}
