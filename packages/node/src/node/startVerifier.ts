import { join } from 'node:path'
import type { Crypto } from '@openledger/rollup'
import type { Hex } from 'viem'
import { z } from 'zod'
import type { RollupConfig } from '../deployment/RollupConfig.ts'
import type { ChainEngine } from '../engine/Engine.ts'
import { createBlobReader, type KzgService } from '../l1/Blobs.ts'
import type { L1 } from '../l1/L1.ts'
import { createL1Reader } from '../l1/L1Reader.ts'
import { defaultEip1559ParamsOf, derivationConfigOf } from '../verifier/derivationConfig.ts'
import { createVerifier, type Mark, type Verifier } from '../verifier/Verifier.ts'
import * as DurableFile from './DurableFile.ts'
import type { Exclusive } from './Exclusive.ts'
import type { Logger } from './Logger.ts'

export type StartVerifierOptions = {
  readonly engine: ChainEngine
  readonly l1: L1
  readonly beaconUrl?: string
  /** Where `derivation.json` is kept. */
  readonly directory: string
  readonly rollupConfig: RollupConfig
  /** What forks after genesis deploy; see {@link derivationConfigOf}. */
  readonly upgradesDirectory?: string
  readonly exclusively: Exclusive
  readonly crypto: Crypto
  readonly kzg: KzgService
  readonly logger: Logger
}

/** Starts the verifier of a chain on an L1 endpoint. */
export function startVerifier(options: StartVerifierOptions): Verifier {
  const { engine, l1, rollupConfig, exclusively, crypto, logger } = options
  const config = derivationConfigOf(rollupConfig, options.upgradesDirectory)
  return createVerifier({
    engine,
    l1: createL1Reader({
      l1,
      inbox: config.batchInbox,
      portal: config.portal,
      systemConfig: config.systemConfigAddress,
      crypto,
    }),
    config,
    defaultEip1559Params: defaultEip1559ParamsOf(rollupConfig),
    blobs: createBlobReader(options.beaconUrl ?? l1.rpcUrl, options.kzg),
    exclusively,
    crypto,
    memory: marksIn(join(options.directory, 'derivation.json')),
    logger,
  })
}

const marksSchema = z.array(
  z.object({
    l1: z.string().transform(BigInt),
    l2Hash: z.string().transform((hash) => hash as Hex),
  }),
)

const marksIn = (path: string) => ({
  read(): readonly Mark[] {
    const stored = DurableFile.readJson(path)
    return stored === undefined ? [] : marksSchema.parse(stored)
  },
  write: (marks: readonly Mark[]): void =>
    DurableFile.writeJson(
      path,
      marks.map(({ l1, l2Hash }) => ({ l1: l1.toString(), l2Hash })),
    ),
})
