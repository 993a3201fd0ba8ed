import { createClient } from '@openledger/sdk'
import { queryOptions } from '@tanstack/react-query'

/** The page speaks to the server that served it. */
export const client = createClient({ url: '' })

/** A block is two seconds; nothing on the page needs to be fresher than that. */
const LIVE_MS = 2_000
const CALM_MS = 10_000

export const queries = {
  network: queryOptions({ queryKey: ['network'], queryFn: client.network, refetchInterval: CALM_MS }),
  seed: queryOptions({
    queryKey: ['seed'],
    queryFn: client.seed,
    refetchInterval: ({ state }) => (state.data?.done ? false : LIVE_MS),
  }),
  datanets: queryOptions({ queryKey: ['datanets'], queryFn: client.datanets, refetchInterval: CALM_MS }),
  datanet: (id: string) =>
    queryOptions({ queryKey: ['datanet', id], queryFn: () => client.datanet(id), refetchInterval: LIVE_MS }),
  versions: (id: string) =>
    queryOptions({
      queryKey: ['versions', id],
      queryFn: () => client.datanetVersions(id),
      refetchInterval: LIVE_MS,
    }),
  contributions: (filter: { datanetId?: string; contributor?: string }) =>
    queryOptions({
      queryKey: ['contributions', filter],
      queryFn: () => client.contributions(filter),
      refetchInterval: LIVE_MS,
    }),
  contribution: (id: string) =>
    queryOptions({
      queryKey: ['contribution', id],
      queryFn: () => client.contribution(id),
      refetchInterval: CALM_MS,
    }),
  trainingRuns: queryOptions({
    queryKey: ['training-runs'],
    queryFn: client.trainingRuns,
    refetchInterval: LIVE_MS,
  }),
  trainingRun: (id: string) =>
    queryOptions({
      queryKey: ['training-run', id],
      queryFn: () => client.trainingRun(id),
      refetchInterval: LIVE_MS,
    }),
  trainingMetrics: (id: string) =>
    queryOptions({
      queryKey: ['training-metrics', id],
      queryFn: () => client.trainingMetrics(id),
      refetchInterval: LIVE_MS,
    }),
  models: queryOptions({ queryKey: ['models'], queryFn: client.models, refetchInterval: CALM_MS }),
  account: (address: string) =>
    queryOptions({
      queryKey: ['account', address],
      queryFn: () => client.account(address),
      refetchInterval: LIVE_MS,
    }),
  receipts: (filter: { payer?: string; limit?: number }) =>
    queryOptions({
      queryKey: ['receipts', filter],
      queryFn: () => client.receipts(filter),
      refetchInterval: LIVE_MS,
    }),
  receipt: (sequence: number) =>
    queryOptions({
      queryKey: ['receipt', sequence],
      queryFn: () => client.receipt(sequence),
      refetchInterval: ({ state }) => (state.data?.settlementTransaction ? false : LIVE_MS),
    }),
  earnings: (address: string) =>
    queryOptions({
      queryKey: ['earnings', address],
      queryFn: () => client.earnings(address),
      refetchInterval: LIVE_MS,
    }),
  blocks: queryOptions({
    queryKey: ['blocks'],
    queryFn: () => client.blocks({ limit: 20 }),
    refetchInterval: LIVE_MS,
  }),
  block: (number: string) =>
    queryOptions({ queryKey: ['block', number], queryFn: () => client.block(number) }),
  transaction: (hash: string) =>
    queryOptions({ queryKey: ['transaction', hash], queryFn: () => client.transaction(hash), retry: 5 }),
  agents: queryOptions({ queryKey: ['agents'], queryFn: client.agents, refetchInterval: CALM_MS }),
}
