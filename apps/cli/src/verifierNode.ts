import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createVerifierNode, rollupConfigSchema, type VerifierNode } from '@openledger/node'
import { BaseError } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import { createPublicClient, formatEther, type Hex, http, parseEther } from 'viem'
import { type LocalAccount, privateKeyToAccount } from 'viem/accounts'

export type VerifierSettings = {
  readonly l1: string
  readonly beacon?: string
  readonly genesis: string
  readonly rollup: string
  readonly upgrades?: string
  readonly receiptBlocks?: string
  readonly directory: string
  readonly rpcPort: string
  readonly sequencer?: string
  readonly compare?: string
  /** Ends when everything that L1 tells is derived. */
  readonly once?: boolean
  /** Compares the outputs on L1 too, and removes wrong ones if it has an account. */
  readonly challenge?: { readonly signer: Signer; readonly bondMax: string }
  readonly propose?: { readonly signer: Signer; readonly bondMax: string }
  /** Publishes the blocks of `sequencer`. */
  readonly publish?: { readonly signer: Signer; readonly batchData: 'calldata' | 'blobs' | 'cheaper' }
  readonly sequence?: { readonly waits: boolean; readonly adminPort: number }
}

/** Whose key a role signs with. */
export type Signer = { readonly privateKey: string | undefined; readonly as: string | undefined }

const REPORT_MS = 2_000
const DEVELOPMENT_L1_CHAIN_ID = 31_337
const logger = {
  debug: () => {},
  info: () => {},
  warn: (fields: Readonly<Record<string, unknown>>, message: string) =>
    console.error(`${message} ${JSON.stringify(fields)}`),
  error: (fields: Readonly<Record<string, unknown>>, message: string) =>
    console.error(`${message} ${JSON.stringify(fields)}`),
}

/**
 * Runs a verifier until it is told to stop, and says how far it is.
 * @throws {SequencerMissingError} before anything is read, when there would be nothing to publish.
 * @throws {ForkedError} when another node has another block at some height.
 */
export async function runVerifier(settings: VerifierSettings): Promise<void> {
  const { beacon, sequencer, compare, challenge, propose, publish, sequence, upgrades } = settings
  if (publish !== undefined && sequence === undefined && sequencer === undefined)
    throw new SequencerMissingError()
  const rollupConfig = rollupConfigSchema.parse(JSON.parse(await readFile(settings.rollup, 'utf8')))
  const account =
    challenge === undefined ? undefined : signerAccount(challenge.signer, rollupConfig.l1_chain_id)
  await using node = await createVerifierNode({
    directory: settings.directory,
    l1: { rpcUrl: settings.l1, ...(beacon === undefined ? {} : { beaconUrl: beacon }) },
    genesis: JSON.parse(await readFile(settings.genesis, 'utf8')),
    rollupConfig,
    ...(upgrades === undefined ? {} : { upgradesDirectory: upgrades }),
    ...(settings.receiptBlocks === undefined ? {} : { receiptBlocks: BigInt(settings.receiptBlocks) }),
    rpc: { port: Number(settings.rpcPort) },
    ...(sequencer === undefined ? {} : { sequencerRpcUrl: sequencer }),
    ...(sequence === undefined
      ? {}
      : {
          sequencer: {
            starts: sequence.waits ? ('when told' as const) : ('now' as const),
            admin: { port: sequence.adminPort },
          },
        }),
    ...(publish === undefined
      ? {}
      : {
          batcher: {
            account: required(publish.signer, rollupConfig.l1_chain_id),
            batchData: publish.batchData,
            ...(sequencer === undefined ? {} : { sequencerRpcUrl: sequencer }),
          },
        }),
    ...(propose === undefined
      ? {}
      : {
          proposer: {
            account: required(propose.signer, rollupConfig.l1_chain_id),
            bondMaxWei: parseEther(propose.bondMax),
          },
        }),
    ...(challenge === undefined
      ? {}
      : {
          challenger: {
            bondMaxWei: parseEther(challenge.bondMax),
            ...(account === undefined ? {} : { account }),
          },
        }),
    logger,
  })
  if (challenge !== undefined) {
    console.log(
      account === undefined
        ? 'no key: wrong outputs are told, not removed'
        : `removes wrong outputs as ${account.address}, for at most ${formatEther(parseEther(challenge.bondMax))} ETH each`,
    )
  }
  console.log(`JSON-RPC at ${node.rpcUrl}`)
  if (node.adminUrl !== undefined)
    console.log(`admin_ methods at ${node.adminUrl}, their secret in ${settings.directory}/admin.hex`)
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())
  const comparison = compare === undefined ? undefined : createComparison(node, compare)
  while (!controller.signal.aborted) {
    const { l1Block, l2Block, isCaughtUp } = node.progress()
    const same = (await comparison?.(l2Block)) ?? ''
    const outputs = node.challenger?.status()
    const found = outputs && `, ${outputs.right} open outputs right, ${outputs.wrong.length} wrong met`
    console.log(`L1 ${l1Block} read, L2 ${l2Block} derived${same}${found ?? ''}`)
    for (const [part, problem] of Object.entries(node.problems())) console.error(`${part}: ${problem}`)
    if (settings.once === true && isCaughtUp) return
    await delay(REPORT_MS, undefined, { signal: controller.signal }).catch(() => {})
  }
}

/** Holds every block against another node's of the same number, from where it stopped before. */
function createComparison(node: VerifierNode, url: string): (to: bigint) => Promise<string> {
  const client = createPublicClient({ transport: http(url), cacheTime: 0 })
  let next = 0n
  return async (to) => {
    for (; next <= to; next++) {
      const theirs = await client.getBlock({ blockNumber: next })
      const ours = node.engine.block(next)
      if (ours?.hash !== theirs.hash) throw new ForkedError(next, ours?.hash ?? 'none', theirs.hash, url)
    }
    return `, blocks 0 to ${to} equal ${url}`
  }
}

/**
 * The account that a role signs with: a key from the environment, or a development role by name.
 * @returns `undefined` when neither is there.
 * @throws {SignerError} when a development role is asked for on another L1, or the key is none.
 */
export function signerAccount({ privateKey, as }: Signer, l1ChainId: number): LocalAccount | undefined {
  if (as !== undefined) {
    if (l1ChainId === DEVELOPMENT_L1_CHAIN_ID && as in DevelopmentKeys.ROLES) {
      return DevelopmentKeys.account(as as DevelopmentKeys.Role)
    }
    throw new SignerError(`--as ${as} on L1 chain ${l1ChainId}`)
  }
  if (privateKey === undefined) return undefined
  if (!/^0x[0-9a-fA-F]{64}$/.test(privateKey)) throw new SignerError('a key of another form')
  return privateKeyToAccount(privateKey as Hex)
}

function required(signer: Signer, l1ChainId: number): LocalAccount {
  const account = signerAccount(signer, l1ChainId)
  if (account === undefined) throw new SignerError('neither')
  return account
}

export class SignerError extends BaseError {
  constructor(got: string) {
    super({
      code: 'cli.signer',
      message: `Expected OPENLEDGER_PRIVATE_KEY to be 0x and 64 hexadecimal digits, or --as to name a development role (${Object.keys(DevelopmentKeys.ROLES).join(', ')}) on L1 chain ${DEVELOPMENT_L1_CHAIN_ID}; got ${got}.`,
      context: {},
    })
  }
}

export class SequencerMissingError extends BaseError {
  constructor() {
    super({
      code: 'cli.sequencer_missing',
      message:
        'Expected --sequencer with the JSON-RPC of the sequencer whose blocks are to be published, got none. What L1 tells is published already. Nothing was sent.',
    })
  }
}

export class ForkedError extends BaseError {
  constructor(number: bigint, ours: string, theirs: string, url: string) {
    super({
      code: 'cli.forked',
      message: `Expected ${url} to have block ${number} as L1 tells it (${ours}), it has ${theirs}.`,
      context: { number: number.toString(), ours, theirs },
    })
  }
}
