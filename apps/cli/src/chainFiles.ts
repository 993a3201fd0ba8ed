import { readFile, writeFile } from 'node:fs/promises'
import type { NetworkRole } from '@openledger/node/deployment/NetworkFolder'
import { BaseError } from '@openledger/primitives'
import { addressOf } from './Arguments.ts'
import { table } from './Output.ts'

/** What can be exported, by the word on the command line. */
const EXPORTS = ['genesis', 'rollup', 'l1-chain-config'] as const
type Export = (typeof EXPORTS)[number]

/** Prints a chain's file for other OP Stack clients, or writes it. */
export async function exportFile(what: string, directory: string, out: string | undefined): Promise<void> {
  const { exportChain } = await import('@openledger/node/deployment/exportChain')
  const { genesis, rollup, l1ChainConfig } = await exportChain(directory)
  const files: Record<Export, unknown> = { genesis, rollup, 'l1-chain-config': l1ChainConfig }
  if (!Object.hasOwn(files, what)) {
    throw new BaseError({
      code: 'cli.export',
      message: `Expected one of ${EXPORTS.join(', ')}, got ${what}.`,
      context: { what },
    })
  }
  const text = `${JSON.stringify(files[what as Export], undefined, 2)}\n`
  if (out === undefined) process.stdout.write(text)
  else await writeFile(out, text)
}

export type NetworkSettings = { readonly owner: string; readonly chainId: string; readonly name: string }

/** Makes the folder of a network of one's own and says whom to send what before the first start. */
export async function makeNetwork(folder: string, { owner, chainId, name }: NetworkSettings): Promise<void> {
  const { createNetworkFolder, L1_ROLES, NETWORK_ROLES } = await import(
    '@openledger/node/deployment/NetworkFolder'
  )
  const { accounts } = createNetworkFolder(folder, {
    name,
    l2ChainId: Number(chainId),
    owner: addressOf(owner),
  })
  table([
    ['role', 'address', 'what it does', 'needs on L1'],
    ...Object.entries(accounts).map(([role, { address }]) => [
      role,
      address,
      NETWORK_ROLES[role as NetworkRole],
      L1_ROLES.includes(role as NetworkRole) ? 'gas' : 'nothing',
    ]),
  ])
  console.log(`
${folder}/keys.json holds the keys: keep a copy in a safe place, and give it to nobody.
${folder}/network.json holds the settings: look through it before the first start; most of it is for good.

Send the L1's own currency to the addresses that need gas, then:
  OPENLEDGER_NETWORK=${folder} OPENLEDGER_L1_RPC_URL=<address of the L1> npm start`)
}

export type EngineSettings = {
  readonly genesis: string
  readonly directory: string
  readonly rpcPort: string
  readonly enginePort: string
  readonly jwtSecret?: string
}

/** Runs the execution client alone until it is told to stop. */
export async function runEngine(settings: EngineSettings): Promise<void> {
  const { createExecutionNode } = await import('@openledger/node/engineApi/createExecutionNode')
  const line =
    (level: string) =>
    (fields: object, message: string): void =>
      console.log(JSON.stringify({ level, time: new Date().toISOString(), ...fields, message }))
  const node = await createExecutionNode({
    directory: settings.directory,
    genesis: JSON.parse(await readFile(settings.genesis, 'utf8')),
    rpcPort: Number(settings.rpcPort),
    enginePort: Number(settings.enginePort),
    ...(settings.jwtSecret === undefined ? {} : { jwtSecretPath: settings.jwtSecret }),
    logger: { debug: () => {}, info: line('info'), warn: line('warn'), error: line('error') },
  })
  console.log(
    `JSON-RPC at ${node.rpcUrl}, Engine API at ${node.engineUrl}, its secret in ${node.jwtSecretPath}`,
  )
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  await node.close()
}
