import type { PanelKeeper } from '@openledger/datanet'
import type { OpenLoraMetrics } from '@openledger/openlora'
import type { Settlement } from '@openledger/settlement'
import type { MiddlewareHandler } from 'hono'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { AnswerEvent } from './completions/Answering.ts'
import { engineMetricsText } from './engineMetrics.ts'

/** What a server tells about itself in Prometheus' text format. */
export type Metrics = {
  readonly middleware: MiddlewareHandler
  /** Counts one event of an answer. */
  readonly count: (event: AnswerEvent) => void
  readonly text: () => Promise<string>
  readonly contentType: string
}

/** Creates the metrics of one server. */
export function createMetrics(deps: {
  readonly settlement: Pick<Settlement, 'settler'>
  readonly panelKeeper: Pick<PanelKeeper, 'status'>
  readonly engine: () => Promise<OpenLoraMetrics>
  /** Name of the base, under which vLLM's dashboards know the engine. */
  readonly model: string
}): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'openledger_' })
  const requests = new Histogram({
    name: 'openledger_http_request_seconds',
    help: 'Time from a request to the start of its answer, by route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers,
  })
  const answers = new Counter({ name: 'openledger_answers_total', help: 'Answers sold.', registers })
  const tokens = new Counter({
    name: 'openledger_tokens_total',
    help: 'Tokens of sold answers, by side.',
    labelNames: ['side'],
    registers,
  })
  const fees = new Counter({
    name: 'openledger_fees_open_total',
    help: 'Fees of sold answers in OPEN.',
    registers,
  })
  const settled = new Gauge({
    name: 'openledger_settled_sequence',
    help: 'Last receipt on chain that this process settled.',
    registers,
  })
  const blocked = new Gauge({
    name: 'openledger_settlement_blocked',
    help: '1 while the chain refuses the prepared batch.',
    registers,
  })
  const openCases = new Gauge({
    name: 'openledger_panel_cases',
    help: 'Open cases before the panel of validators that this server carries forward.',
    registers,
  })
  const refusedCases = new Gauge({
    name: 'openledger_panel_cases_refused',
    help: 'Of them those whose next step the chain refuses.',
    registers,
  })
  const caseSteps = new Gauge({
    name: 'openledger_panel_steps',
    help: 'Steps of cases that this process took, by kind.',
    labelNames: ['step'],
    registers,
  })
  const engine = new Gauge({
    name: 'openledger_engine',
    help: 'Numbers of the serving engine, by name.',
    labelNames: ['name'],
    registers,
  })

  return {
    contentType: registry.contentType,
    async middleware(context, next) {
      const stop = requests.startTimer()
      await next()
      // the pattern, not the path: paths are as many as callers like
      stop({ method: context.req.method, route: context.req.routePath, status: context.res.status })
    },
    count(event) {
      if (event.kind !== 'done') return
      const { result, receipt } = event
      answers.inc()
      tokens.inc({ side: 'input' }, result.inputTokens)
      tokens.inc({ side: 'output' }, result.outputTokens)
      fees.inc(Number(receipt.feeWei) / 1e18)
    },
    async text() {
      const { lastSequence, state } = deps.settlement.settler.status()
      settled.set(lastSequence)
      blocked.set(state === 'blocked' ? 1 : 0)
      const { openCount, refusedCount, steps } = deps.panelKeeper.status()
      openCases.set(openCount)
      refusedCases.set(refusedCount)
      for (const [step, count] of Object.entries(steps)) caseSteps.set({ step }, count)
      const numbers = await deps.engine()
      for (const [name, value] of Object.entries(numbers)) {
        if (typeof value === 'number') engine.set({ name }, value)
      }
      return (await registry.metrics()) + engineMetricsText(numbers, deps.model)
    },
  }
}
