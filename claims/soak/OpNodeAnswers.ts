import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Hex } from '@openledger/primitives'
import { vectorsFolder } from '../vectors/Vectors.ts'

/** One piece of what L1 told. */
export type Question = {
  readonly kind: 'frames' | 'channel' | 'deposit' | 'update' | 'transaction' | 'rlp'
  readonly data: Hex
  readonly address?: Hex
  readonly topics?: readonly Hex[]
}

/** op-node's own decoders, asked one question at a time. */
export type OpNode = AsyncDisposable & { readonly ask: (question: Question) => Promise<readonly string[]> }

/** Starts `op-node-derive`, built from `claims/rivals/op-node-derive`; `undefined` where it is not at hand. */
export function startOpNode(): OpNode | undefined {
  const folder = vectorsFolder('bin')
  const path = folder === undefined ? undefined : join(folder, 'op-node-derive')
  if (path === undefined || !existsSync(path)) return undefined
  const child = spawn(path, { stdio: ['pipe', 'pipe', 'ignore'] })
  const waiting: ((lines: readonly string[]) => void)[] = []
  createInterface({ input: child.stdout }).on('line', (line) =>
    waiting.shift()?.(JSON.parse(line) as readonly string[]),
  )
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    ask: (question) =>
      new Promise((resolve, reject) => {
        if (child.exitCode !== null) reject(new Error(`Expected op-node-derive to answer ${question.kind}.`))
        waiting.push(resolve)
        child.stdin.write(`${JSON.stringify(question)}\n`)
      }),
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}
