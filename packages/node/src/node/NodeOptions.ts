import type { Clock } from '@openledger/primitives'
import type { Address, LocalAccount } from 'viem'
import type { BatchData } from '../batcher/createBatcher.ts'
import type { Beneficiaries } from '../deployment/deployL1.ts'
import type { Funding } from '../deployment/fundL2.ts'
import type { L2Parameters } from '../deployment/L2Parameters.ts'
import type { LaterForks } from '../deployment/RollupConfig.ts'
import type { HistoryBlocks } from '../engine/WorldHistory.ts'
import type { RateLimit } from '../rpc/RateLimit.ts'
import type { Logger } from './Logger.ts'
import type { AdminOptions } from './serveAdmin.ts'

export const L2_BLOCK_TIME_SECONDS = 2
/** For one address elsewhere: a wallet's page loads in one burst, and a busy indexer keeps within the rate. */
export const RATE_LIMIT: RateLimit = { unitsPerSecond: 500, burstUnits: 5_000 }

/** The accounts that a node signs with, and those it names in contracts. */
export type NodeKeys = {
  /** Owns the L1 configuration and pays for both deployments. */
  readonly deployer: LocalAccount
  readonly batcher: LocalAccount
  readonly proposer: LocalAccount
  /** Pays bonds and gas against wrong outputs. */
  readonly challenger: LocalAccount
  readonly operator: Address
  readonly treasury: Address
  readonly beneficiaries: Beneficiaries
  /** First deposits of OPEN to L2, out of what the deployer holds on L1. */
  readonly fundings: readonly Funding[]
}

/** Where an execution client's authenticated endpoint is, and the secret that both sides have. */
export type RemoteExecution = { readonly url: string; readonly secret: Uint8Array }

export type NodeOptions = {
  /** Everything that must survive lies here. */
  readonly directory: string
  /** An endpoint that somebody runs, or a development chain that the node runs itself. */
  readonly l1?:
    | {
        readonly rpcUrl: string
        /** For batches in blobs; by default the same address. */
        readonly beaconUrl?: string
        readonly chainId?: number
        readonly confirmationDepth?: bigint
      }
    | { readonly port?: number; readonly blockTimeSeconds?: number }
  readonly l2?: {
    readonly chainId?: number
    /** 0 takes a free one. */
    readonly rpcPort?: number
    readonly rpcHost?: string
    readonly blockTimeSeconds?: number
    /** Threads that answer what takes long, each with what it uses of the state in its own memory; 1 by default, 0 for none. */
    readonly readThreads?: number
    /**
     * Another process that executes and keeps the blocks, by the Engine API, in place of the embedded engine: op-geth, op-reth
     * or another of ours, made from the `genesis.json` that the first start writes.
     */
    readonly engine?: RemoteExecution
    /** How many blocks back states can be asked for; by default a week of blocks of two seconds. */
    readonly historyBlocks?: HistoryBlocks
    /** How much one address may ask of JSON-RPC; by default callers elsewhere get {@link RATE_LIMIT}. */
    readonly rateLimit?: RateLimit
    /** Serves op-node's `admin_` methods on loopback to who has the token's secret. */
    readonly admin?: AdminOptions
    /** An output root every so many blocks. */
    readonly submissionInterval?: number
    readonly finalizationPeriodSeconds?: number
    /** What the first challenge of an output takes, in wei of L1's currency. */
    readonly challengeBondWei?: bigint
    /** Services that run elsewhere, or not at all. */
    readonly without?: readonly ('batcher' | 'proposer' | 'challenger')[]
    /** Time between two batches. */
    readonly batchIntervalSeconds?: number
    /** How blocks are put into batches; `span` by default. */
    readonly batches?: 'span' | 'singular'
    /** When Jovian and Karst begin: 0 for genesis, or a time that lies ahead at any start. Karst comes after Jovian. */
    readonly forks?: LaterForks
    /** Where the files lie that forks after genesis deploy; needed from the start on that names such a time. */
    readonly upgradesDirectory?: string
    /** Where batches go on L1; `calldata` by default. The development L1 forgets blobs when it is started again. */
    readonly batchData?: BatchData
  }
  /** Required on every L1 but the development chain. */
  readonly keys?: NodeKeys
  readonly parameters?: L2Parameters
  readonly clock?: Clock
  readonly logger?: Logger
}
