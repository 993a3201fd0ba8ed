import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { opNodeOverGeth } from './Followers.ts'
import { describeProgram, findPrograms, nothingRun, PROGRAMS, until } from './OpStack.ts'
import { load, sequenceAlone } from './Profiles.ts'

const says =
  'A wallet, an indexer or a debugger gets the same JSON-RPC answers from our node as from op-geth, asked about the same chain.'
const GOAL_PERCENT = 100

type Question = { readonly method: string; readonly params: readonly unknown[] }
type Answer = { readonly result?: unknown; readonly error?: { readonly code: number } }

async function ask(url: string, questions: readonly Question[]): Promise<Answer[]> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(questions.map((question, id) => ({ jsonrpc: '2.0', id, ...question }))),
  })
  const answers = (await response.json()) as (Answer & { readonly id: number })[]
  return answers.sort((a, b) => a.id - b.id).map(({ result, error }) => (error ? { error } : { result }))
}

/** What a client asks about one block and what is in it. */
function questionsOf(block: Block, receipts: readonly Receipt[]): Question[] {
  const { number, hash, transactions } = block
  const parent = `0x${(BigInt(number) - 1n).toString(16)}`
  const questions: Question[] = [
    { method: 'eth_getBlockByNumber', params: [number, true] },
    { method: 'eth_getBlockByHash', params: [hash, false] },
    { method: 'eth_getBlockReceipts', params: [number] },
    { method: 'eth_getBlockTransactionCountByHash', params: [hash] },
    { method: 'eth_getUncleCountByBlockHash', params: [hash] },
    { method: 'eth_getLogs', params: [{ blockHash: hash }] },
    { method: 'eth_getLogs', params: [{ fromBlock: parent, toBlock: number }] },
    { method: 'eth_feeHistory', params: ['0x4', number, [10, 50, 90]] },
    { method: 'debug_getRawHeader', params: [number] },
    { method: 'debug_getRawBlock', params: [number] },
    { method: 'debug_getRawReceipts', params: [number] },
    { method: 'debug_traceBlockByNumber', params: [number, { tracer: 'callTracer' }] },
  ]
  const accounts = new Set([MESSAGE_PASSER, block.miner, UNUSED])
  for (const [index, { hash: transaction, from, to, input, value, gas }] of transactions.entries()) {
    const place = `0x${index.toString(16)}`
    const touched = [from, to ?? receipts[index]?.contractAddress].filter((account) => account != null)
    for (const account of touched) accounts.add(account)
    questions.push(
      { method: 'eth_getTransactionByHash', params: [transaction] },
      { method: 'eth_getTransactionByBlockNumberAndIndex', params: [number, place] },
      { method: 'eth_getRawTransactionByHash', params: [transaction] },
      { method: 'eth_getTransactionReceipt', params: [transaction] },
      { method: 'debug_traceTransaction', params: [transaction, { tracer: 'callTracer' }] },
      { method: 'debug_traceTransaction', params: [transaction, { tracer: 'prestateTracer' }] },
      {
        method: 'debug_traceTransaction',
        params: [transaction, { tracer: 'prestateTracer', tracerConfig: { diffMode: true } }],
      },
    )
    const call = { from, ...(to === null ? {} : { to }), input, value, gas }
    questions.push({ method: 'eth_call', params: [call, parent] })
  }
  for (const account of accounts) {
    questions.push(
      { method: 'eth_getBalance', params: [account, number] },
      { method: 'eth_getTransactionCount', params: [account, number] },
      { method: 'eth_getCode', params: [account, number] },
      { method: 'eth_getStorageAt', params: [account, '0x0', number] },
      { method: 'eth_getProof', params: [account, ['0x0', '0x1'], number] },
    )
  }
  return questions
}

const MESSAGE_PASSER = '0x4200000000000000000000000000000000000016'
const UNUSED = '0x00000000000000000000000000000000000dead0'

type Block = {
  readonly number: string
  readonly hash: string
  readonly miner: string
  readonly transactions: readonly {
    readonly hash: string
    readonly from: string
    readonly to: string | null
    readonly input: string
    readonly value: string
    readonly gas: string
  }[]
}
type Receipt = { readonly contractAddress: string | null }

/** Where two answers part: the path of the first field that differs, and what it holds. */
function pathOf(ours: unknown, theirs: unknown, path = ''): readonly [string, string, string] {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null
  if (!isObject(ours) || !isObject(theirs)) return [path, show(ours), show(theirs)]
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
  const name = names.find((key) => !isDeepStrictEqual(ours[key], theirs[key]))
  if (name === undefined) return [path, '', '']
  const step = /^0x[0-9a-f]{40,}$/.test(name) ? '{}' : /^\d+$/.test(name) ? '[]' : `.${name}`
  return pathOf(ours[name], theirs[name], `${path}${step}`)
}

const show = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 120)

async function run(options: ClaimOptions): Promise<Finding> {
  const programs = findPrograms(PROGRAMS)
  if ('absent' in programs) {
    return {
      figure: 0,
      unit: '% of answers equal',
      goal: GOAL_PERCENT,
      sense: 'at least',
      ...nothingRun(programs),
    }
  }
  const blocks = options.isQuick ? 25 : 90
  const folder = mkdtempSync(join(tmpdir(), 'openledger-interop-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const chain = await sequenceAlone(stack, folder)
  const follower = await opNodeOverGeth(stack, folder, chain, programs)
  await load(chain, blocks)
  await until(`op-geth to have block ${blocks}`, 120_000, async () =>
    (await follower.safe()) >= blocks ? true : undefined,
  )

  const counts = new Map<string, Count>()
  for (let number = 1; number <= blocks; number++) {
    const at = `0x${number.toString(16)}`
    const [block, receipts] = await ask(follower.rpcUrl, [
      { method: 'eth_getBlockByNumber', params: [at, true] },
      { method: 'eth_getBlockReceipts', params: [at] },
    ])
    const questions = questionsOf(block!.result as Block, receipts!.result as Receipt[])
    const [ours, theirs] = await Promise.all([ask(chain.rpcUrl, questions), ask(follower.rpcUrl, questions)])
    for (const [i, { method, params }] of questions.entries()) {
      const count = counts.get(method) ?? { asked: 0, equal: 0, paths: new Map<string, string>() }
      counts.set(method, count)
      count.asked += 1
      const [own, other] = [comparable(ours[i]!), comparable(theirs[i]!)]
      if (isDeepStrictEqual(own, other)) count.equal += 1
      else {
        const [path, left, right] = pathOf(own, other)
        const seen = count.paths.get(path)
        count.paths.set(path, seen ?? `${JSON.stringify(params)}: ours ${left}, op-geth ${right}`)
      }
    }
  }
  const rows = [...counts].sort(([a], [b]) => a.localeCompare(b))
  const asked = rows.reduce((sum, [, count]) => sum + count.asked, 0)
  const equal = rows.reduce((sum, [, count]) => sum + count.equal, 0)
  for (const [method, { paths }] of rows)
    for (const [path, params] of paths) options.say(`${method} ${path}: ${params.slice(0, 500)}`)
  return {
    figure: (100 * equal) / asked,
    unit: '% of answers equal',
    goal: GOAL_PERCENT,
    sense: 'at least',
    report: `${describeEqual(rows)}\n\nAsked of both about each of ${blocks} blocks, every transaction in them and every account that one touched. Of an error only its code is compared. ${describeProgram('op-geth', programs['op-geth'])}.`,
  }
}

/** How often a method was asked, how often both answered the same, and where they did not, with the first such request. */
type Count = { asked: number; equal: number; readonly paths: Map<string, string> }

/** Methods whose answers are all equal share a sentence; the others have a row each. */
function describeEqual(rows: readonly (readonly [string, Count])[]): string {
  const parted = rows.filter(([, { asked, equal }]) => equal < asked)
  const whole = rows.filter(([, { asked, equal }]) => equal === asked)
  const sentence = `All answers of ${whole.length} methods are equal: ${whole.map(([method, { asked }]) => `\`${method}\` ${asked}`).join(', ')}.`
  if (parted.length === 0) return sentence
  const differences = parted.map(([method, { asked, equal, paths }]) => [
    `\`${method}\``,
    asked,
    equal,
    [...paths.keys()].map((path) => `\`${path}\``).join(', '),
  ])
  return `${sentence}\n\n${table([['method', 'asked', 'equal', 'where they part'], ...differences])}`
}

/** Errors are worded by each client; their codes are not. */
const comparable = ({ result, error }: Answer): unknown =>
  error === undefined ? { result } : { error: { code: error.code } }

export const claim: Claim = { says, run }
