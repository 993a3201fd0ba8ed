import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { DevelopmentKeys } from '@openledger/protocol'
import { Blob, loadCrypto } from '@openledger/rollup'
import { afterAll, afterEach, expect, test } from 'vitest'
import { silentLogger } from '../node/Logger.ts'
import { findAnvil, freePort } from './Anvil.ts'
import { createBlobReader, createKzgService, type Sidecar } from './Blobs.ts'
import { connectL1, type L1 } from './L1.ts'
import { createL1Reader } from './L1Reader.ts'
import { createL1Sender } from './L1Sender.ts'

const INBOX = '0x00000000000000000000000000000000000000b0'
const kzg = createKzgService()
let child: ChildProcess | undefined
afterEach(() => void child?.kill())
afterAll(kzg.close)

async function startL1(fork: string): Promise<L1> {
  const port = await freePort()
  child = spawn(findAnvil(), ['--port', `${port}`, '--hardfork', fork, '--block-time', '1', '--silent'])
  for (;;) {
    try {
      return await connectL1({ rpcUrl: `http://127.0.0.1:${port}` })
    } catch {
      await delay(100)
    }
  }
}

test.each([
  ['prague', 'blob', 2],
  ['osaka', 'cells', 256],
] as const)(
  'at %s blobs are sent proven by %s, and read back',
  async (fork, provenBy, proofs) => {
    await using l1 = await startL1(fork)
    const account = DevelopmentKeys.account('batcher')
    const sender = createL1Sender({ l1, account, signal: AbortSignal.timeout(30_000), logger: silentLogger })
    const pieces = [Uint8Array.of(1, 2, 3), new Uint8Array(130_000).fill(7)]
    let sent: Sidecar | undefined
    const sidecar = async (wanted: Sidecar['provenBy']) => {
      sent = await kzg.sidecarOf(pieces, wanted)
      return sent
    }
    const [receipt] = await sender.send([{ to: INBOX, data: '0x', sidecar }])
    expect([sent!.provenBy, sent!.proofs.length]).toEqual([provenBy, proofs])

    const reader = createL1Reader({
      l1,
      inbox: INBOX,
      portal: INBOX,
      systemConfig: INBOX,
      crypto: await loadCrypto(),
    })
    const contents = (await reader.read(receipt!.blockNumber))!
    const hashes = contents.transactions.flatMap(({ blobHashes = [] }) => blobHashes)
    const blobs = await createBlobReader(l1.rpcUrl, kzg)(contents, hashes)
    expect(hashes.map((hash) => Blob.decode(blobs.get(hash)!))).toEqual(pieces)
  },
  60_000,
)
