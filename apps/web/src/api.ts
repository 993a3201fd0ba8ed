import { createClient, ProblemError } from '@openledger/sdk'
import { queryOptions } from '@tanstack/react-query'

/** The page speaks to the server that served it. */
export const client = createClient({ url: '' })

/** A block is two seconds; nothing on the page needs to be fresher than that. */
const LIVE_MS = 2_000
const CALM_MS = 10_000

/** Whether the server has said no, which stays so however often it is asked; a busy server has not. */
export const isRefusal = (error: Error | null): boolean =>
  error instanceof ProblemError && error.problem.status < 500

/** Asks again after a while, unless the server has said no. */
const every =
  (ms: number) =>
  ({ state }: { state: { error: Error | null } }): number | false =>
    isRefusal(state.error) ? false : ms

export const queries = {
  network: queryOptions({ queryKey: ['network'], queryFn: client.network, refetchInterval: every(CALM_MS) }),
  seed: queryOptions({
    queryKey: ['seed'],
    queryFn: client.seed,
    refetchInterval: ({ state }) => (state.data?.done ? false : LIVE_MS),
  }),
  pins: queryOptions({ queryKey: ['pins'], queryFn: client.pins, refetchInterval: every(CALM_MS) }),
  datanets: queryOptions({
    queryKey: ['datanets'],
    queryFn: client.datanets,
    refetchInterval: every(CALM_MS),
  }),
  datanet: (id: string) =>
    queryOptions({
      queryKey: ['datanet', id],
      queryFn: () => client.datanet(id),
      refetchInterval: every(LIVE_MS),
    }),
  versions: (id: string) =>
    queryOptions({
      queryKey: ['versions', id],
      queryFn: () => client.datanetVersions(id),
      refetchInterval: every(LIVE_MS),
    }),
  licence: (datanetId: string, holder: string | undefined) =>
    queryOptions({
      queryKey: ['licence', datanetId, holder],
      queryFn: () => client.datanetLicence(datanetId, holder),
      refetchInterval: every(CALM_MS),
    }),
  contributions: (filter: { datanetId?: string; contributor?: string }) =>
    queryOptions({
      queryKey: ['contributions', filter],
      queryFn: () => client.contributions(filter),
      refetchInterval: every(LIVE_MS),
    }),
  contribution: (id: string) =>
    queryOptions({
      queryKey: ['contribution', id],
      queryFn: () => client.contribution(id),
      // records are checked within seconds; after that only earnings move
      refetchInterval: ({ state }) =>
        every(state.data?.status === 'versioned' ? CALM_MS : LIVE_MS)({ state }),
    }),
  panelCases: (contributionId: string) =>
    queryOptions({
      queryKey: ['panel-cases', contributionId],
      queryFn: () => client.panelCases(contributionId),
      refetchInterval: every(LIVE_MS),
    }),
  datanetPanel: (datanetId: string) =>
    queryOptions({
      queryKey: ['datanet-panel', datanetId],
      queryFn: () => client.datanetPanel(datanetId),
      refetchInterval: every(CALM_MS),
    }),
  contributionAnswers: (id: string) =>
    queryOptions({
      queryKey: ['contribution-answers', id],
      queryFn: () => client.contributionAnswers(id, { limit: 20 }),
      refetchInterval: every(CALM_MS),
    }),
  trainingEstimate: (of: Parameters<typeof client.trainingEstimate>[0]) =>
    queryOptions({
      queryKey: ['training-estimate', of],
      queryFn: () => client.trainingEstimate(of),
      // what was said of the last settings stays until there is an answer for these
      placeholderData: (previous) => previous,
    }),
  trainingRuns: queryOptions({
    queryKey: ['training-runs'],
    queryFn: client.trainingRuns,
    refetchInterval: every(LIVE_MS),
  }),
  trainingRun: (id: string) =>
    queryOptions({
      queryKey: ['training-run', id],
      queryFn: () => client.trainingRun(id),
      refetchInterval: every(LIVE_MS),
    }),
  trainingMetrics: (id: string) =>
    queryOptions({
      queryKey: ['training-metrics', id],
      queryFn: () => client.trainingMetrics(id),
      refetchInterval: every(LIVE_MS),
    }),
  models: queryOptions({ queryKey: ['models'], queryFn: client.models, refetchInterval: every(CALM_MS) }),
  account: (address: string) =>
    queryOptions({
      queryKey: ['account', address],
      queryFn: () => client.account(address),
      refetchInterval: every(LIVE_MS),
    }),
  apiKeys: (address: string) =>
    queryOptions({
      queryKey: ['api-keys', address],
      queryFn: () => client.apiKeys(address),
      refetchInterval: every(CALM_MS),
    }),
  receipts: (filter: { limit: number; before?: number }) =>
    queryOptions({
      queryKey: ['receipts', filter],
      queryFn: () => client.receipts(filter),
      refetchInterval: every(LIVE_MS),
    }),
  batches: (filter: { limit: number }) =>
    queryOptions({
      queryKey: ['batches', filter],
      queryFn: () => client.batches(filter),
      refetchInterval: every(LIVE_MS),
    }),
  receipt: (sequence: number) =>
    queryOptions({
      queryKey: ['receipt', sequence],
      queryFn: () => client.receipt(sequence),
      refetchInterval: ({ state }) => (state.data?.settlementTransaction ? false : every(LIVE_MS)({ state })),
    }),
  earnings: (address: string) =>
    queryOptions({
      queryKey: ['earnings', address],
      queryFn: () => client.earnings(address),
      refetchInterval: every(LIVE_MS),
    }),
  blocks: (filter: { limit: number; before?: number }) =>
    queryOptions({
      queryKey: ['blocks', filter],
      queryFn: () => client.blocks(filter),
      refetchInterval: filter.before === undefined ? every(LIVE_MS) : false,
    }),
  block: (number: string) =>
    queryOptions({
      queryKey: ['block', number],
      queryFn: () => client.block(number),
      refetchInterval: ({ state }) =>
        state.data?.status === 'finalized' ? false : every(CALM_MS)({ state }),
    }),
  transaction: (hash: string) =>
    queryOptions({
      queryKey: ['transaction', hash],
      queryFn: () => client.transaction(hash),
      // one that was just sent is not in a block yet
      retry: 3,
    }),
  agents: queryOptions({ queryKey: ['agents'], queryFn: client.agents, refetchInterval: every(CALM_MS) }),
}
