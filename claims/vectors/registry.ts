import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import type { Hex } from '@openledger/primitives'
import {
  bytesToHex,
  type Crypto,
  createStateTrie,
  type Genesis,
  genesisChanges,
  Header,
  hexToBytes,
  loadCrypto,
  Predeploys,
  Rlp,
} from '@openledger/rollup'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { absent, digestOf, filesOf, vectorsFolder } from './Vectors.ts'

const FOLDER = 'superchain-registry'
const FROM =
  'the folder `superchain` of ethereum-optimism/superchain-registry at 8336d2aedd19b87a57b01ae36ba4afef8ea377d0'
const DIGEST = 'b85996b72c725ef1efacdce4a59176ea67eb1c346df40f4b59dd7a6222b420aa'
/** As many as an independent program reproduced from the same files. */
const GOAL = 48
const OUTPUT_BYTES_MAX = 512 * 2 ** 20

type RegistryGenesis = Genesis & {
  readonly parentHash?: Hex
  readonly stateHash?: Hex
  readonly number?: string
}

/** Hashes block 0 by the forks that are active in it. */
function genesisHash(genesis: RegistryGenesis, toml: string, crypto: Crypto): Hex {
  const trie = createStateTrie(crypto)
  const { state } = trie.apply(undefined, genesisChanges(genesis, crypto).changes)
  const timestamp = Number(genesis.timestamp)
  const isActive = (fork: string): boolean => {
    const time = new RegExp(`^\\s*${fork}_time = (\\d+)`, 'm').exec(toml)?.[1]
    return time !== undefined && Number(time) <= timestamp
  }
  const bytes = (value: Hex | undefined, size: number): Uint8Array =>
    value === undefined ? new Uint8Array(size) : hexToBytes(value)
  const fields: Rlp.RlpInput[] = [
    bytes(genesis.parentHash, 32),
    hexToBytes(Header.EMPTY_UNCLES_HASH),
    bytes(genesis.coinbase, 20),
    hexToBytes(trie.root(state)),
    hexToBytes(Header.EMPTY_ROOT),
    hexToBytes(Header.EMPTY_ROOT),
    new Uint8Array(256),
    BigInt(genesis.difficulty ?? 0),
    BigInt(genesis.number ?? 0),
    BigInt(genesis.gasLimit),
    0n,
    BigInt(genesis.timestamp),
    bytes(genesis.extraData, 0),
    bytes(genesis.mixHash, 32),
    hexToBytes(
      `0x${BigInt(genesis.nonce ?? 0)
        .toString(16)
        .padStart(16, '0')}`,
    ),
    BigInt(genesis.baseFeePerGas ?? 1_000_000_000),
  ]
  if (isActive('canyon')) {
    const passer = trie.account(state, Predeploys.L2_TO_L1_MESSAGE_PASSER)
    fields.push(hexToBytes(isActive('isthmus') ? trie.storageRoot(passer) : Header.EMPTY_ROOT))
  }
  if (isActive('ecotone')) fields.push(0n, 0n, new Uint8Array(32))
  if (isActive('isthmus')) fields.push(hexToBytes(Header.EMPTY_REQUESTS_HASH))
  return bytesToHex(crypto.keccak256(Rlp.encode(fields)))
}

/** The L2 genesis hash that the chain's configuration names. */
function expectedHash(toml: string): Hex | undefined {
  const section = toml.slice(toml.indexOf('[genesis.l2]'))
  return /hash = "(0x[0-9a-f]{64})"/.exec(section)?.[1] as Hex | undefined
}

async function run({ isQuick, say }: ClaimOptions): Promise<Finding> {
  const folder = vectorsFolder(FOLDER)
  if (folder === undefined) return absent(FOLDER, FROM)
  const crypto = await loadCrypto()
  const digest = digestOf(folder, filesOf(folder, 'superchain/extra/genesis/**/*.json.zst'))
  const failures = digest === DIGEST ? [] : [`${FOLDER} holds unknown vectors: ${digest}`]
  const dictionary = readFileSync(join(folder, 'superchain/extra/dictionary'))
  const others: (string | number)[][] = [['not reproduced', 'why']]
  let passed = 0
  const files = filesOf(folder, 'superchain/extra/genesis/**/*.json.zst')
  for (const file of isQuick ? files.filter((_, i) => i % 4 === 0) : files) {
    const name = file.slice('superchain/extra/genesis/'.length, -'.json.zst'.length)
    const genesis = JSON.parse(
      zstdDecompressSync(readFileSync(join(folder, file)), {
        dictionary,
        maxOutputLength: OUTPUT_BYTES_MAX,
      }).toString(),
    ) as RegistryGenesis
    const toml = readFileSync(join(folder, `superchain/configs/${name}.toml`), 'utf8')
    const expected = expectedHash(toml)
    if (genesis.gasLimit === undefined || Object.keys(genesis.alloc ?? {}).length === 0) {
      others.push([name, 'the chain was migrated: its file holds no whole block 0'])
      continue
    }
    const got = genesisHash(genesis, toml, crypto)
    if (got === expected) passed++
    else others.push([name, `expected ${expected}, got ${got}`])
    say(`${name}: ${got === expected ? 'equal' : 'other'}`)
  }
  return {
    figure: passed,
    unit: `of ${files.length} published genesis hashes`,
    goal: isQuick ? Math.floor(GOAL / 5) : GOAL,
    sense: 'at least',
    failures,
    report: [`From ${FROM}.`, others.length > 1 ? table(others) : 'All were reproduced.'].join('\n\n'),
  }
}

export const claim: Claim = {
  says: "The genesis blocks of the superchain registry's chains hash to what is published: accounts, storage and codes through our own trie.",
  run,
}
