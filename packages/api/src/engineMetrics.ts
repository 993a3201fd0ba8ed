import type { OpenLoraMetrics } from '@openledger/openlora'
import { HISTOGRAM_BOUNDS, type HistogramState } from '@openledger/openlora/engine/Histogram'

/**
 * Writes the engine's numbers under the names that vLLM gives them, so that its dashboards show this server too.
 *
 * @see vLLM, "Production metrics". What vLLM counts and this engine does not have is left out.
 */
export function engineMetricsText(metrics: OpenLoraMetrics, model: string): string {
  const label = `model_name=${JSON.stringify(model)}`
  const lines: string[] = []
  const one = (type: 'gauge' | 'counter', name: string, help: string, value: number, more = ''): void => {
    lines.push(`# HELP vllm:${name} ${help}`, `# TYPE vllm:${name} ${type}`)
    lines.push(`vllm:${name}{${label}${more}} ${value}`)
  }
  const histogram = (name: string, help: string, { counts, sum, count }: HistogramState): void => {
    lines.push(`# HELP vllm:${name} ${help}`, `# TYPE vllm:${name} histogram`)
    let below = 0
    for (const [i, bound] of HISTOGRAM_BOUNDS.entries()) {
      below += counts[i]!
      lines.push(`vllm:${name}_bucket{${label},le="${bound}"} ${below}`)
    }
    lines.push(`vllm:${name}_bucket{${label},le="+Inf"} ${count}`)
    lines.push(`vllm:${name}_sum{${label}} ${sum}`, `vllm:${name}_count{${label}} ${count}`)
  }
  const { running, waiting, rows, prefix, adapters } = metrics
  one('gauge', 'num_requests_running', 'Requests that hold a row.', running)
  one('gauge', 'num_requests_waiting', 'Requests that wait for a row.', waiting)
  one('counter', 'num_preemptions_total', 'Answers that gave their row to others.', metrics.parkings)
  one('gauge', 'num_requests_swapped', 'Of the waiting, answers begun and parked.', metrics.parked)
  one('gauge', 'kv_cache_usage_perc', 'Rows in use, 1 is all.', rows === 0 ? 0 : running / rows)
  one('counter', 'prompt_tokens_total', 'Prompt tokens read.', metrics.inputTokens)
  one('counter', 'generation_tokens_total', 'Tokens answered.', metrics.outputTokens)
  one('counter', 'request_success_total', 'Requests that ended.', metrics.finished, ',finished_reason="stop"')
  lines.push(`vllm:request_success_total{${label},finished_reason="abort"} ${metrics.cancelled}`)
  lines.push(`vllm:request_success_total{${label},finished_reason="error"} ${metrics.failed}`)
  one('counter', 'prefix_cache_queries_total', 'Prompt tokens looked up.', prefix.queriedTokens)
  one('counter', 'prefix_cache_hits_total', 'Prompt tokens that were known.', prefix.hitTokens)
  one('counter', 'spec_decode_num_draft_tokens_total', 'Tokens guessed.', metrics.guessedTokens)
  one(
    'counter',
    'spec_decode_num_accepted_tokens_total',
    'Guesses that were right.',
    metrics.guessedRightTokens,
  )
  one('gauge', 'lora_adapters_resident', 'Adapters in memory.', adapters.entryCount)
  one('gauge', 'lora_adapters_resident_bytes', 'Bytes of the adapters in memory.', adapters.heldBytes)
  one('counter', 'lora_adapter_loads_total', 'Adapters loaded into memory.', adapters.misses)
  one('counter', 'lora_adapter_hits_total', 'Requests whose adapter was in memory.', adapters.hits)
  one('counter', 'lora_adapter_evictions_total', 'Adapters that left memory.', adapters.evictions)
  histogram('time_to_first_token_seconds', 'From arrival to the first token.', metrics.timeToFirstToken)
  histogram('time_per_output_token_seconds', 'Between tokens, mean of a request.', metrics.timePerOutputToken)
  histogram('e2e_request_latency_seconds', 'From arrival to the end.', metrics.requestSeconds)
  histogram('request_queue_time_seconds', 'From arrival to a row.', metrics.queueSeconds)
  return `${lines.join('\n')}\n`
}
