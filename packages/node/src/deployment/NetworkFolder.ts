import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { BaseError, type Hex, Open } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import type { Address, LocalAccount } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import * as DurableFile from '../node/DurableFile.ts'

/** Who signs what on a network. */
export const NETWORK_ROLES = {
  deployer: 'deploys and owns the contracts of L1, deploys those of L2',
  batcher: 'puts the L2 on L1',
  proposer: 'puts output roots on L1, with a bond when they are challenged',
  challenger: 'challenges wrong output roots on L1, with a bond',
  operator: 'sends what users signed, signs receipts, settles',
  validator: 'judges contributions, publishes versions',
} as const
export type NetworkRole = keyof typeof NETWORK_ROLES

/** Roles that pay gas on L1, which is bought with the L1's own currency. */
export const L1_ROLES: readonly NetworkRole[] = ['deployer', 'batcher', 'proposer', 'challenger']

const addressSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, '0x and 40 hexadecimal digits')
  .transform((value) => value.toLowerCase() as Address)
const privateKeySchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, '0x and 64 hexadecimal digits')
  .transform((value) => value as Hex)
const secondsSchema = z.number().int().nonnegative()

/** `network.json`: what everybody may know of a network of one's own. */
export const networkFileSchema = z.strictObject({
  name: z.string().min(1).max(60),
  l2ChainId: z
    .number()
    .int()
    .positive()
    .max(2 ** 32),
  treasury: addressSchema,
  /** Who receives OPEN at genesis and from the vesting vaults; the deployer's own part pays for the fundings. */
  beneficiaries: z.strictObject({
    community: addressSchema,
    ecosystem: addressSchema,
    investors: addressSchema,
    team: addressSchema,
  }),
  /** Whole OPEN that each role gets on L2, where OPEN buys gas. */
  fundings: z.record(z.enum(['deployer', 'operator', 'validator']), z.number().int().positive()),
  /** L1 blocks that an L2 block's origin stays behind L1's head: a shorter reorganisation leaves L2 as it is. */
  confirmationDepth: z.number().int().nonnegative(),
  /** An output root every so many L2 blocks. */
  submissionInterval: z.number().int().positive(),
  finalizationPeriodSeconds: secondsSchema,
})
export type NetworkFile = z.infer<typeof networkFileSchema>

/** `keys.json`: what nobody else may know. */
const keysFileSchema = z.strictObject({
  deployer: privateKeySchema,
  batcher: privateKeySchema,
  proposer: privateKeySchema,
  challenger: privateKeySchema,
  operator: privateKeySchema,
  validator: privateKeySchema,
})

/** A network that somebody runs on an L1 of their choice. */
export type OwnNetwork = NetworkFile & { readonly accounts: Readonly<Record<NetworkRole, LocalAccount>> }

const NETWORK_FILE = 'network.json'
const KEYS_FILE = 'keys.json'

/**
 * Makes the folder of a new network: fresh keys, and settings for an L1 that may be reorganised and whose users need time to
 * object.
 *
 * @param owner - Receives what genesis allocates, and the platform's part of fees.
 * @throws {NetworkFolderExistsError} when the folder holds one already: keys are never overwritten.
 */
export function createNetworkFolder(
  folder: string,
  { name, l2ChainId, owner }: { readonly name: string; readonly l2ChainId: number; readonly owner: Address },
): OwnNetwork {
  for (const file of [NETWORK_FILE, KEYS_FILE]) {
    if (existsSync(join(folder, file))) throw new NetworkFolderExistsError(join(folder, file))
  }
  const network = networkFileSchema.parse({
    name,
    l2ChainId,
    treasury: owner,
    beneficiaries: { community: owner, ecosystem: owner, investors: owner, team: owner },
    fundings: { deployer: 40_100, operator: 10_000, validator: 1_000 },
    confirmationDepth: 4,
    submissionInterval: 1_800,
    finalizationPeriodSeconds: 7 * 86_400,
  } satisfies z.input<typeof networkFileSchema>)
  const keys = Object.fromEntries(Object.keys(NETWORK_ROLES).map((role) => [role, generatePrivateKey()]))
  mkdirSync(folder, { recursive: true })
  DurableFile.writeJson(join(folder, KEYS_FILE), keys, 0o600)
  DurableFile.writeJson(join(folder, NETWORK_FILE), network)
  return readNetworkFolder(folder)
}

/**
 * Reads a network's folder.
 * @throws {NetworkFileError} naming file, field and what was expected.
 * @throws {KeysReadableError} when others on this machine can read the keys.
 * @throws {KeyKnownError} when a key is one that everybody knows, or stands for two roles.
 */
export function readNetworkFolder(folder: string): OwnNetwork {
  const network = read(join(folder, NETWORK_FILE), networkFileSchema)
  const keysPath = join(folder, KEYS_FILE)
  const keys = read(keysPath, keysFileSchema)
  if (process.platform !== 'win32' && (statSync(keysPath).mode & 0o007) !== 0) {
    throw new KeysReadableError(keysPath)
  }
  const accounts = Object.fromEntries(
    Object.entries(keys).map(([role, key]) => [role, privateKeyToAccount(key)]),
  ) as Record<NetworkRole, LocalAccount>
  const known = knownAddresses()
  const seen = new Map<string, string>()
  for (const [role, { address }] of Object.entries(accounts)) {
    const other = seen.get(address)
    if (known.has(address)) throw new KeyKnownError(role, 'a development key, which everybody knows')
    if (other !== undefined) throw new KeyKnownError(role, `the key of ${other} too`)
    seen.set(address, role)
  }
  return { ...network, accounts }
}

/** Gives what {@link createNode} wants to know of a network of one's own. */
export function nodeKeysOf({ accounts, treasury, beneficiaries, fundings }: OwnNetwork) {
  const addressOf = (role: NetworkRole): Address => accounts[role].address.toLowerCase() as Address
  return {
    deployer: accounts.deployer,
    batcher: accounts.batcher,
    proposer: accounts.proposer,
    challenger: accounts.challenger,
    operator: addressOf('operator'),
    treasury,
    beneficiaries: { ...beneficiaries, liquidity: addressOf('deployer') },
    fundings: Object.entries(fundings).map(([role, open]) => ({
      account: addressOf(role as NetworkRole),
      amountWei: Open.parse(String(open)),
    })),
  }
}

function read<S extends z.ZodType>(path: string, schema: S): z.output<S> {
  let stored: unknown
  try {
    stored = DurableFile.readJson(path)
  } catch (cause) {
    throw new NetworkFileError(path, `is not JSON: ${(cause as Error).message}`)
  }
  if (stored === undefined) throw new NetworkFileError(path, 'is not there')
  const result = schema.safeParse(stored)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new NetworkFileError(path, `${issue!.path.join('.') || 'it'}: ${issue!.message}`)
}

function knownAddresses(): ReadonlySet<string> {
  const roles = Object.keys(DevelopmentKeys.ROLES) as DevelopmentKeys.Role[]
  return new Set(roles.map((role) => DevelopmentKeys.account(role).address))
}

export class NetworkFolderExistsError extends BaseError {
  constructor(path: string) {
    super({
      code: 'network.exists',
      message: `Expected a folder without a network, but ${path} is there: name another one. Keys are never overwritten.`,
      context: { path },
    })
  }
}

export class NetworkFileError extends BaseError {
  constructor(path: string, problem: string) {
    super({
      code: 'network.file',
      message: `Expected ${path} as \`openledger create-network\` writes it, but ${problem}. Nothing was started.`,
      context: { path },
    })
  }
}

export class KeysReadableError extends BaseError {
  constructor(path: string) {
    super({
      code: 'network.keys_readable',
      message: `Expected ${path} to be closed to other users of this machine, but they may open it: chmod 600 ${path}`,
      context: { path },
    })
  }
}

export class KeyKnownError extends BaseError {
  constructor(role: string, problem: string) {
    super({
      code: 'network.key_known',
      message: `Expected a key of its own for the ${role}, got ${problem}. Make a folder with \`openledger create-network\`.`,
      context: { role },
    })
  }
}
