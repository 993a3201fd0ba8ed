import type { Hex } from '@openledger/primitives'
import { Manifest } from '@openledger/protocol'
import { and, type Blobs, count, type Database, eq, ne, schema } from '@openledger/store'

const { contributions, datanetVersions, records } = schema

export type Withdrawals = {
  /** Datanets with contributions that were taken back and are not gone yet. */
  readonly waiting: () => Promise<bigint[]>
  /**
   * Takes away what is left of a Datanet's withdrawn contributions, once its newest version is without them: texts and bytes
   * where no version holds them, otherwise only their place in what comes.
   */
  readonly finish: (datanetId: bigint) => Promise<void>
}

/** Creates what carries withdrawals out after the chain has them. */
export function createWithdrawals({ orm, transaction }: Database, blobs: Blobs): Withdrawals {
  /** Contributions that some version of a Datanet holds: models were trained on it, and are checked against it. */
  const held = async (datanetId: bigint): Promise<Set<string>> => {
    const versions = await orm.select().from(datanetVersions).where(eq(datanetVersions.datanetId, datanetId))
    const manifests = await Promise.all(versions.map(async ({ manifestCid }) => blobs.get(manifestCid)))
    return new Set(
      manifests.flatMap((manifest) =>
        Manifest.decode(manifest).records.map(({ contributionId }) => contributionId as string),
      ),
    )
  }
  const isWithdrawing = eq(contributions.status, 'withdrawing')

  return {
    async waiting() {
      const rows = await orm
        .selectDistinct({ datanetId: contributions.datanetId })
        .from(contributions)
        .where(isWithdrawing)
      return rows.map(({ datanetId }) => datanetId)
    },
    async finish(datanetId) {
      const rows = await orm
        .select({ id: contributions.id, cid: contributions.cid })
        .from(contributions)
        .where(and(eq(contributions.datanetId, datanetId), isWithdrawing))
      if (rows.length === 0) return
      const kept = await held(datanetId)
      for (const { id, cid } of rows) {
        if (!kept.has(id)) {
          const [others] = await orm
            .select({ number: count() })
            .from(contributions)
            .where(
              and(
                eq(contributions.cid, cid),
                ne(contributions.id, id),
                ne(contributions.status, 'withdrawn'),
              ),
            )
          // the same bytes may have been contributed to another Datanet
          if (others!.number === 0) await blobs.remove(cid)
        }
        await transaction(async (inner) => {
          const ofThis = eq(records.contributionId, id as Hex)
          if (!kept.has(id)) await inner.update(records).set({ text: '' }).where(ofThis)
          await inner
            .update(records)
            .set({ verdict: 'withdrawn' })
            .where(and(ofThis, eq(records.verdict, 'accepted')))
          await inner.update(contributions).set({ status: 'withdrawn' }).where(eq(contributions.id, id))
        })
      }
    },
  }
}
