import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchmarksIndex } from '../claims/Pages.ts'

/**
 * Builds the contracts and writes their ABIs and bytecode as typed modules into `packages/protocol/src/abi`, and where
 * each keeps its state into `contracts/layouts`; then the index of what was measured. With `--check` nothing is written: the command fails when what is committed
 * is not what the sources give.
 */

type Source = {
  readonly contract: string
  /** Base name of the generated file and of its exports. */
  readonly module: string
  /** Predeploys are placed at genesis, so their run-time code is wanted too. */
  readonly isPredeploy?: true
}

const SOURCES: readonly Source[] = [
  { contract: 'Open', module: 'open' },
  { contract: 'VestingVault', module: 'vestingVault' },
  { contract: 'OutputChallenges', module: 'outputChallenges' },
  { contract: 'GenesisAllocation', module: 'genesisAllocation' },
  { contract: 'BridgeGuardian', module: 'bridgeGuardian' },
  { contract: 'L1Block', module: 'l1Block', isPredeploy: true },
  { contract: 'GasPriceOracle', module: 'gasPriceOracle', isPredeploy: true },
  { contract: 'UptoPermit2Proxy', module: 'uptoPermit2Proxy', isPredeploy: true },
  { contract: 'Datanets', module: 'datanets' },
  { contract: 'ValidatorPanel', module: 'validatorPanel' },
  { contract: 'Models', module: 'models' },
  { contract: 'FeePolicy', module: 'feePolicy' },
  { contract: 'Settlement', module: 'settlement' },
  { contract: 'UptoPayments', module: 'uptoPayments' },
  { contract: 'Staking', module: 'staking' },
  { contract: 'SecurityStake', module: 'securityStake' },
  { contract: 'Court', module: 'court' },
  { contract: 'Audit', module: 'audit' },
  { contract: 'Panel', module: 'panel' },
  { contract: 'WOPEN', module: 'wopen' },
  { contract: 'GOpen', module: 'gOpen' },
  { contract: 'OpenGovernor', module: 'openGovernor' },
  { contract: 'TimelockController', module: 'timelockController' },
  { contract: 'AgentGuarantees', module: 'agentGuarantees' },
  { contract: 'AgentIdentity', module: 'agentIdentity' },
  { contract: 'AgentReputation', module: 'agentReputation' },
  { contract: 'AgentValidation', module: 'agentValidation' },
  { contract: 'AgentWallet', module: 'agentWallet' },
  { contract: 'AgentWalletFactory', module: 'agentWalletFactory' },
]

const root = fileURLToPath(new URL('..', import.meta.url))
const ABI_FOLDER = join('packages', 'protocol', 'src', 'abi')
const LAYOUT_FOLDER = join('contracts', 'layouts')

/** Finds forge's own program: its npm wrapper adds a process and a second. */
export function forgePath(): string {
  const contracts = createRequire(join(root, 'contracts', 'package.json'))
  const wrapper = contracts.resolve('@foundry-rs/forge/package.json')
  const name = `@foundry-rs/forge-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  const platformPackage = createRequire(wrapper).resolve(`${name}/package.json`)
  return join(dirname(platformPackage), 'bin', process.platform === 'win32' ? 'forge.exe' : 'forge')
}

/** @param isForced - Compiles everything anew instead of what changed. */
function build({ isForced }: { isForced: boolean }): void {
  const args = ['build', '--skip', 'test', '--quiet', ...(isForced ? ['--force'] : [])]
  const forge = spawnSync(forgePath(), args, { cwd: root, encoding: 'utf8' })
  if (forge.status === 0) return
  console.error(forge.stdout, forge.stderr || (forge.error?.message ?? ''))
  console.error('forge could not build the contracts; the lines above say why.')
  process.exit(1)
}

type Artifact = {
  readonly abi: readonly object[]
  readonly bytecode: { readonly object: string }
  readonly deployedBytecode: { readonly object: string; readonly immutableReferences?: object }
  readonly storageLayout: StorageLayout
}

type StorageLayout = {
  readonly storage: readonly {
    readonly label: string
    readonly slot: string
    readonly offset: number
    readonly type: string
  }[]
  readonly types: Readonly<
    Record<
      string,
      { readonly label: string; readonly numberOfBytes: string; readonly members?: StorageLayout['storage'] }
    >
  > | null
}

function readArtifact(contract: string): Artifact | undefined {
  const path = join(root, 'contracts', 'out', `${contract}.sol`, `${contract}.json`)
  if (!existsSync(path)) return undefined
  const artifact = JSON.parse(readFileSync(path, 'utf8')) as Partial<Artifact>
  // what an earlier version of this script had built has no layouts yet
  return artifact.bytecode === undefined || artifact.storageLayout === undefined
    ? undefined
    : (artifact as Artifact)
}

function render({ contract, module, isPredeploy }: Source): string {
  const artifact = readArtifact(contract)
  if (artifact === undefined) throw new Error(`Expected forge to have compiled ${contract}.`)
  const lines = [
    '// Generated from contracts/ by `npm run generate`; changes made here are overwritten.',
    `export const ${module}Abi = [`,
    ...artifact.abi.map((entry) => `  ${JSON.stringify(entry)},`),
    '] as const',
    '',
    `export const ${module}Bytecode: \`0x\${string}\` =`,
    `  '${artifact.bytecode.object}'`,
  ]
  if (isPredeploy) {
    if (Object.keys(artifact.deployedBytecode.immutableReferences ?? {}).length > 0) {
      throw new Error(
        `Expected the predeploy ${contract} to have no immutables: genesis places its code as it is.`,
      )
    }
    lines.push(
      '',
      `export const ${module}DeployedBytecode: \`0x\${string}\` =`,
      `  '${artifact.deployedBytecode.object}'`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** Where a contract keeps what: one line for each variable, then one for each field of a struct that it uses. */
function renderLayout({ contract }: Source): string {
  const { storage, types } = readArtifact(contract)!.storageLayout
  // ids of types name the compiler's run: the same source must give the same text
  const labelOf = (type: string): string => types![type]!.label.replace('contract ', '')
  const lineOf = (entry: StorageLayout['storage'][number]): string =>
    [
      entry.slot.padStart(4),
      String(entry.offset).padStart(4),
      types![entry.type]!.numberOfBytes.padStart(4),
      ` ${entry.label}: ${labelOf(entry.type)}`,
    ].join('')
  const structs = Object.values(types ?? {}).filter(({ members }) => members !== undefined)
  return [
    'slot  at size variable',
    ...storage.map(lineOf),
    ...structs
      .sort((a, b) => (a.label < b.label ? -1 : 1))
      .flatMap(({ label, members }) => ['', label, ...members!.map(lineOf)]),
    '',
  ].join('\n')
}

function renderAll(): Map<string, string> {
  const files = new Map(SOURCES.map((source) => [join(ABI_FOLDER, `${source.module}.ts`), render(source)]))
  const exports = SOURCES.map(({ module }) => `export * from './${module}.ts'`).sort()
  files.set(join(ABI_FOLDER, 'index.ts'), `// Generated by \`npm run generate\`.\n${exports.join('\n')}\n`)
  for (const source of SOURCES) files.set(join(LAYOUT_FOLDER, `${source.contract}.txt`), renderLayout(source))
  return files
}

function committed(): Map<string, string> {
  const paths = [ABI_FOLDER, LAYOUT_FOLDER].flatMap((folder) => {
    mkdirSync(join(root, folder), { recursive: true })
    return readdirSync(join(root, folder)).map((name) => join(folder, name))
  })
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]))
}

function main(): void {
  build({ isForced: false })
  // `forge lint` leaves artifacts without code behind, and its cache says that they are fresh
  if (SOURCES.some(({ contract }) => readArtifact(contract) === undefined)) build({ isForced: true })
  const wanted = renderAll()
  const found = committed()
  const index = benchmarksIndex()
  wanted.set(index.path, index.wanted)
  found.set(index.path, index.found)
  const stale = [...new Set([...wanted.keys(), ...found.keys()])].filter(
    (path) => wanted.get(path) !== found.get(path),
  )
  if (process.argv.includes('--check')) {
    if (stale.length === 0) return
    console.error(
      `Not what contracts/ and docs/benchmarks/ give: ${stale.sort().join(', ')}. Run \`npm run generate\`.`,
    )
    process.exit(1)
  }
  for (const path of stale) {
    const text = wanted.get(path)
    if (text === undefined) rmSync(join(root, path))
    else writeFileSync(join(root, path), text)
  }
  console.log(`${wanted.size} files, ${stale.length} changed.`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
