import type { Clock } from '@openledger/primitives'
import type { Deployment, Sender } from '@openledger/protocol'
import type { Database } from '@openledger/store'
import type { LocalAccount, PublicClient } from 'viem'
import { type Accounts, createAccounts } from './Accounts.ts'
import { type ApiKeys, createApiKeys } from './ApiKeys.ts'
import { type BatchStates, createBatchStates } from './BatchStates.ts'
import { type Contract, createContract } from './Contract.ts'
import { type Countersign, createCountersign } from './Countersign.ts'
import { createDefence, type Defence } from './Defence.ts'
import { createEarnings, type Earnings } from './Earnings.ts'
import { createLedger, type Ledger } from './Ledger.ts'
import { createPaidAnswers, type PaidAnswers } from './PaidAnswers.ts'
import { createPayments, type Payments } from './Payments.ts'
import { createReceipts, type Receipts } from './Receipts.ts'
import { type CorrectShares, createCorrectShares } from './Recovery.ts'
import { createRefunds, type Refunds } from './Refunds.ts'
import { createSettler, type Settler, type SettlerOptions } from './Settler.ts'
import { createUptoPayments, type UptoPayments } from './UptoPayments.ts'

export type SettlementDependencies = {
  readonly database: Database
  /** Of the L2. */
  readonly publicClient: PublicClient
  /** Sends as the operator; shared with every other part of the process that does. */
  readonly sender: Sender
  /** The operator's key, which signs receipts. */
  readonly operator: LocalAccount
  readonly deployment: Deployment
  readonly clock: Clock
}

/** All that a serving node does with money. */
export type Settlement = {
  readonly contract: Contract
  readonly accounts: Accounts
  readonly apiKeys: ApiKeys
  readonly receipts: Receipts
  readonly settler: Settler
  readonly ledger: Ledger
  readonly earnings: Earnings
  readonly paidAnswers: PaidAnswers
  readonly batchStates: BatchStates
  readonly payments: Payments
  readonly uptoPayments: UptoPayments
  readonly refunds: Refunds
  readonly defence: Defence
  readonly correctShares: CorrectShares
  readonly countersign: Countersign
}

/** Creates the parts over one database and one deployment; nothing runs until `settler.start`. */
export function createSettlement(
  dependencies: SettlementDependencies,
  options: SettlerOptions = {},
): Settlement {
  const { database, publicClient, operator, deployment } = dependencies
  const contract = createContract(publicClient, deployment.l2, (options.gatherMs ?? 0) / 1_000)
  const deps = { ...dependencies, contract }
  const sign = (parameters: Parameters<NonNullable<LocalAccount['sign']>>[0]) => operator.sign!(parameters)
  const settler = createSettler({ ...deps, operator: { sign } }, options)
  const ledger = createLedger(deps)
  const batchStates = createBatchStates(deps)
  const accounts = createAccounts(deps)
  const receipts = createReceipts({ ...deps, operator: { sign }, onReceipt: settler.notify })
  return {
    contract,
    accounts,
    apiKeys: createApiKeys(database),
    receipts,
    settler,
    ledger,
    paidAnswers: createPaidAnswers(database),
    earnings: createEarnings({ database, contract, ledger, batchStates }),
    batchStates,
    payments: createPayments(deps),
    uptoPayments: createUptoPayments(deps),
    refunds: createRefunds({ ...deps, accounts }),
    defence: createDefence(deps, { onError: options.onError ?? (() => {}) }),
    correctShares: createCorrectShares({ ...deps, onCorrected: settler.notify }),
    countersign: createCountersign({ ...deps, receipts }),
  }
}
