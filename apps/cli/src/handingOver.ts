import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Jwt } from '@openledger/node'
import { BaseError } from '@openledger/primitives'

/** Where a sequencer takes orders, and the file with the secret that they are signed with. */
export type AdminSettings = { readonly admin: string; readonly secret: string }

const POLL_MS = 500
/** Until L1 tells a block and another node has derived it: some minutes on a public L1. */
const WAIT_MAX_MS = 15 * 60_000
const MISMATCH = 'block hash does not match'

/**
 * Stops a sequencer, prints the hash of its last block, and waits until L1 tells that block if it is told where to ask.
 * @throws {AdminSecretMissingError | AdminRefusedError | HandOverTimeoutError}
 */
export async function stopSequencer({
  rpc,
  ...at
}: AdminSettings & { readonly rpc?: string }): Promise<void> {
  const hash = await ask(at, 'admin_stopSequencer', [])
  console.log(`stopped; the last block is\n${hash}`)
  if (rpc === undefined) return
  await until(`L1 to tell ${hash}`, async () => {
    const { safe_l2 } = (await call(rpc, 'optimism_syncStatus', [])) as { safe_l2: { hash: string } }
    return safe_l2.hash === hash
  })
  console.log('L1 tells it; the other sequencer can start')
}

/**
 * Starts a waiting sequencer on a block, as soon as it has derived that block from L1.
 * @throws {AdminSecretMissingError | AdminRefusedError | HandOverTimeoutError}
 */
export async function startSequencer(hash: string, at: AdminSettings): Promise<void> {
  await until(`${at.admin} to derive ${hash}`, async () => {
    try {
      await ask(at, 'admin_startSequencer', [hash])
      return true
    } catch (error) {
      if (error instanceof AdminRefusedError && error.message.includes(MISMATCH)) return false
      throw error
    }
  })
  console.log(`started on ${hash}`)
}

function ask({ admin, secret }: AdminSettings, method: string, params: readonly unknown[]): Promise<unknown> {
  if (!existsSync(secret)) throw new AdminSecretMissingError(secret)
  return call(admin, method, params, Jwt.sign(Jwt.readSecret(secret), Date.now() / 1_000))
}

async function call(
  url: string,
  method: string,
  params: readonly unknown[],
  token?: string,
): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  }).catch((cause: unknown) => {
    throw new AdminRefusedError(url, method, `no answer (${String((cause as Error).cause ?? cause)})`)
  })
  if (!response.ok) throw new AdminRefusedError(url, method, (await response.text()).trim())
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } }
  if (error !== undefined) throw new AdminRefusedError(url, method, error.message)
  return result
}

async function until(what: string, isDone: () => Promise<boolean>): Promise<void> {
  const begun = performance.now()
  while (!(await isDone())) {
    if (performance.now() - begun > WAIT_MAX_MS) throw new HandOverTimeoutError(what)
    await delay(POLL_MS)
  }
}

export class AdminSecretMissingError extends BaseError {
  constructor(path: string) {
    super({
      code: 'cli.admin_secret_missing',
      message: `Expected the sequencer's secret in ${path}, found no such file: name admin.hex in the folder of that sequencer. Nothing was sent.`,
      context: { path },
    })
  }
}

export class AdminRefusedError extends BaseError {
  constructor(url: string, method: string, reason: string) {
    super({
      code: 'cli.admin_refused',
      message: `Expected ${url} to carry out ${method}, got: ${reason}.`,
      context: { url, method, reason },
    })
  }
}

export class HandOverTimeoutError extends BaseError {
  constructor(what: string) {
    super({
      code: 'cli.hand_over_timeout',
      message: `Expected ${what} within ${WAIT_MAX_MS / 60_000} minutes, it did not: is a batcher running for the stopped sequencer, and does L1 make blocks? Run the command again.`,
      context: { what },
    })
  }
}
