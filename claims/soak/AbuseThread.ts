import { randomBytes, randomInt } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'

export type AbuseReport = {
  readonly callers: number
  readonly kinds: Record<string, { sent: number; answered: number; refused: number }>
  /** What must never come back: answers that are no JSON-RPC, and faults of the node. */
  readonly broken: Record<string, number>
}

/** Floods an endpoint with what is dear and with what is wrong, from callers that never pause. */
const { url, seconds } = workerData as { readonly url: string; readonly seconds: number }
const CALLERS_OF_EACH = 3
const ADDRESS = `0x${'c0'.repeat(20)}`
/** Jumps to its own beginning until the gas is gone. */
const LOOP = { [ADDRESS]: { code: '0x5b600056' } }
const body = (method: string, ...params: unknown[]): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })

const KINDS: Readonly<Record<string, () => string | Uint8Array>> = {
  'eth_call, an endless loop': () => body('eth_call', { to: ADDRESS, gas: '0x2faf080' }, 'latest', LOOP),
  'eth_estimateGas, an endless loop': () => body('eth_estimateGas', { to: ADDRESS }, 'latest', LOOP),
  'eth_simulateV1, 256 blocks': () =>
    body(
      'eth_simulateV1',
      { blockStateCalls: Array.from({ length: 256 }, () => ({ calls: [{ from: ADDRESS, to: ADDRESS }] })) },
      'latest',
    ),
  debug_traceBlockByNumber: () => body('debug_traceBlockByNumber', `0x${randomInt(1, 20).toString(16)}`),
  'debug_traceCall, every opcode of a loop': () =>
    body('debug_traceCall', { to: ADDRESS, gas: '0x1c9c380' }, 'latest', {
      stateOverrides: LOOP,
      limit: 100_000,
    }),
  'eth_getLogs of everything': () => body('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest' }),
  'eth_getProof, 1,024 slots of an old block': () =>
    body(
      'eth_getProof',
      '0x4200000000000000000000000000000000000016',
      Array.from({ length: 1_024 }, () => `0x${randomBytes(32).toString('hex')}`),
      '0x1',
    ),
  'batches of 1,000 reads': () =>
    JSON.stringify(
      Array.from({ length: 1_000 }, (_, id) => ({
        jsonrpc: '2.0',
        id,
        method: 'eth_getBlockByNumber',
        params: ['latest', true],
      })),
    ),
  'plain reads': () => body(...plainRead()),
  'batches of 20 plain reads': () =>
    JSON.stringify(
      Array.from({ length: 20 }, (_, id) => {
        const [method, ...params] = plainRead()
        return { jsonrpc: '2.0', id, method, params }
      }),
    ),
  garbage: garbage,
}

/** What wallets and indexers ask all day, each of it cheap. */
function plainRead(): readonly [method: string, ...params: unknown[]] {
  const reads = [
    ['eth_getBlockByNumber', 'latest', true],
    ['eth_getBlockByNumber', `0x${randomInt(1, 20).toString(16)}`, true],
    ['eth_getBalance', ADDRESS, 'latest'],
    ['eth_getTransactionCount', ADDRESS, 'latest'],
    ['eth_getTransactionReceipt', `0x${randomBytes(32).toString('hex')}`],
    ['eth_getCode', '0x4200000000000000000000000000000000000016', 'latest'],
    ['eth_blockNumber'],
    ['eth_gasPrice'],
  ] as const
  return reads[randomInt(reads.length)]!
}

/** Bodies that are no requests, nearly are, or ask for what is not there. */
function garbage(): string | Uint8Array {
  const methods = [
    'eth_call',
    'eth_getLogs',
    'eth_simulateV1',
    'debug_traceCall',
    'eth_getProof',
    '__proto__',
  ]
  const values: unknown[] = [
    null,
    -1,
    1e308,
    '0x',
    `0x${'f'.repeat(2_000)}`,
    { toString: 1 },
    [[[[]]]],
    'latest',
    { blockHash: 7 },
    Number.MAX_SAFE_INTEGER,
    { to: ADDRESS, gas: '0xffffffffffffffffffffffff', data: '0x1' },
    { blockStateCalls: [{ stateOverrides: { [ADDRESS]: { state: { '0x': '0x' } } } }] },
  ]
  const any = <T>(list: readonly T[]): T => list[randomInt(list.length)]!
  switch (randomInt(6)) {
    case 0:
      return randomBytes(randomInt(1, 5_000))
    case 1:
      return '['.repeat(randomInt(1, 100_000))
    case 2:
      return JSON.stringify({ jsonrpc: '2.0', id: any(values), method: any(values), params: any(values) })
    case 3:
      return body(any(methods), any(values), any(values), any(values)).slice(0, randomInt(10, 400))
    case 4:
      return JSON.stringify(Array.from({ length: randomInt(1, 50) }, () => any(values)))
    default:
      return body(any(methods), any(values), any(values), any(values))
  }
}

const report: AbuseReport = { callers: Object.keys(KINDS).length * CALLERS_OF_EACH, kinds: {}, broken: {} }
const broke = (what: string): void => {
  report.broken[what] = (report.broken[what] ?? 0) + 1
}
const end = performance.now() + seconds * 1_000

async function call(kind: string, make: () => string | Uint8Array): Promise<void> {
  const tally = report.kinds[kind] ?? { sent: 0, answered: 0, refused: 0 }
  report.kinds[kind] = tally
  while (performance.now() < end) {
    tally.sent++
    let status = 0
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: make(),
        signal: AbortSignal.timeout(40_000),
      })
      ;({ status } = response)
      const text = await response.text()
      if (status >= 500) broke(`status ${status} (${kind})`)
      else if (status === 204) tally.answered++
      else {
        const answers = [JSON.parse(text) as Answer | Answer[]].flat()
        for (const { error } of answers) {
          if (error?.code === -32_603) broke(`an internal error (${kind})`)
        }
        if (answers.every(({ error }) => error === undefined)) tally.answered++
        else tally.refused++
      }
    } catch (error) {
      broke(`${error instanceof Error ? error.name : 'an error'} (${kind}, status ${status})`)
    }
  }
}

type Answer = { readonly error?: { readonly code: number } }

await Promise.all(
  Object.entries(KINDS).flatMap(([kind, make]) =>
    Array.from({ length: CALLERS_OF_EACH }, () => call(kind, make)),
  ),
)
parentPort!.postMessage(report)
