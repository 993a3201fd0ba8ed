import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { queries } from '../api.ts'

/** Contributions by their id: what stands behind the ids of an attribution. */
export type Payees = ReadonlyMap<string, Http.Contribution>

/** Gives every contribution on this network by its id, for naming who is paid. */
export function usePayees(): Payees {
  const { data } = useQuery({ ...queries.contributions({}), refetchInterval: false })
  return useMemo(() => new Map(data?.map((contribution) => [contribution.id, contribution])), [data])
}

/** The name that people gave a contribution; the beginning of its id while that is not known. */
export const payeeName = (payees: Payees, contributionId: string): string =>
  payees.get(contributionId)?.title ?? contributionId.slice(0, 10)
