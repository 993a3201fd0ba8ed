import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Hex, systemClock } from '@openledger/primitives'
import { Abi, type Http } from '@openledger/protocol'
import {
  type Blobs,
  createDatabase,
  createDiskBlobs,
  createJobs,
  type Database,
  schema,
} from '@openledger/store'
import type { LocalAccount } from 'viem'
import { expect, vi } from 'vitest'
import { createDatanets, type Datanets } from '../src/index.ts'
import { type RegistryChain, signContribution, startRegistryChain } from './registryChain.ts'

/** A chain with the registry, a database and a validator at work: all that contributing needs, with Datanet 1 on it. */
export type DatanetHouse = {
  readonly chain: RegistryChain
  readonly database: Database
  readonly blobs: Blobs
  readonly datanets: Datanets
  /** Told of what jobs could not do. */
  readonly onError: ReturnType<typeof vi.fn>
  /** Creates and lists another Datanet. @returns Its id. */
  readonly addDatanet: (name: string, options?: { isValidated?: boolean }) => Promise<string>
  /** Prepares, signs and contributes; what is changed after signing makes the signature wrong. */
  readonly contribute: (
    account: LocalAccount,
    title: string,
    records: string[],
    change?: Change,
  ) => Promise<Http.Contribution>
  readonly settled: (id: Hex, status?: Http.Contribution['status']) => Promise<void>
  readonly onChain: (id: Hex) => ReturnType<typeof readContribution>
  /** Everything that a refused request must leave as it was. */
  readonly everything: () => Promise<{
    contributions: number
    records: number
    versions: number
    onChain: number
  }>
  readonly close: () => Promise<void>
}

export type Change = {
  deadline?: number
  chainId?: number
  signer?: LocalAccount
  licence?: string
  datanetId?: string
}

export const SUMMARY = 'Solidity, well written'
export const answerKey = Uint8Array.of(1)
export const lower = (address: string) => address.toLowerCase() as Hex
export const inTenMinutes = () => Math.floor(Date.now() / 1_000) + 600

const readContribution = (chain: RegistryChain, id: Hex) =>
  chain.publicClient.readContract({
    address: chain.deployment.l2.datanets,
    abi: Abi.datanetsAbi,
    functionName: 'contributionOf',
    args: [id],
  })

/** Starts a house of its own for one test file. */
export async function startDatanetHouse(): Promise<DatanetHouse> {
  const directory = await mkdtemp(join(tmpdir(), 'openledger-datanet-'))
  const chain = await startRegistryChain()
  const database = await createDatabase({ memory: true })
  const blobs = createDiskBlobs(join(directory, 'blobs'))
  const onError = vi.fn()
  const jobs = await createJobs(database, { onError })
  const datanets = createDatanets({ ...chain, database, blobs, jobs, clock: systemClock, answerKey })
  await datanets.work()
  const addDatanet: DatanetHouse['addDatanet'] = async (name, options) => {
    const transactionHash = await chain.createDatanet(name, SUMMARY, options)
    return (await datanets.register({ transactionHash, summary: SUMMARY })).id
  }
  await addDatanet('solidity')
  return {
    chain,
    database,
    blobs,
    datanets,
    onError,
    addDatanet,
    async contribute(account, title, records, change = {}) {
      const input = { datanetId: change.datanetId ?? '1', licence: 'MIT', records }
      const prepared = await datanets.prepare(input)
      const deadline = change.deadline ?? inTenMinutes()
      const signature = await signContribution(
        change.signer ?? account,
        { ...input, ...prepared, deadline },
        { ...chain, ...(change.chainId && { chainId: change.chainId }) },
      )
      return datanets.contribute({
        ...input,
        licence: change.licence ?? input.licence,
        title,
        contributor: lower(account.address),
        deadline,
        signature,
      })
    },
    settled: (id, status = 'versioned') =>
      vi.waitFor(async () => expect((await datanets.contribution(id)).status).toBe(status), {
        timeout: 20_000,
        interval: 100,
      }),
    onChain: (id) => readContribution(chain, id),
    everything: async () => ({
      contributions: await database.orm.$count(schema.contributions),
      records: await database.orm.$count(schema.records),
      versions: await database.orm.$count(schema.datanetVersions),
      onChain: (
        await chain.publicClient.getContractEvents({
          address: chain.deployment.l2.datanets,
          abi: Abi.datanetsAbi,
          eventName: 'Contributed',
          fromBlock: 0n,
        })
      ).length,
    }),
    async close() {
      await jobs.stop()
      await database.close()
      chain.close()
      await rm(directory, { recursive: true })
    },
  }
}
