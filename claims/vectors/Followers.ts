import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createExecutionNode, createVerifierNode, Jwt, rollupConfigSchema } from '@openledger/node'
import * as DurableFile from '@openledger/node/node/DurableFile'
import type { Genesis } from '@openledger/rollup'
import { type Programs, startGeth, startOpNode, type Teller, tellerAt } from './OpStack.ts'
import type { Sequenced } from './Profiles.ts'

/** op-node over our engine, served by the Engine API. */
export async function opNodeOverOurs(
  stack: AsyncDisposableStack,
  folder: string,
  { files, l1Url }: Sequenced,
  programs: Programs,
): Promise<Teller> {
  const genesis = DurableFile.readJson(files.genesis) as Genesis
  const engine = await createExecutionNode({ directory: join(folder, 'our-engine'), genesis })
  stack.use(engine)
  const { engineUrl, jwtSecretPath: jwtPath } = engine
  const node = await startOpNode(programs, files, { name: 'op-node-on-ours', l1Url, engineUrl, jwtPath })
  stack.defer(node.stop)
  return tellerAt('op-node over our engine', node.rpcUrl)
}

/** op-node over op-geth. */
export async function opNodeOverGeth(
  stack: AsyncDisposableStack,
  folder: string,
  { files, l1Url }: Sequenced,
  programs: Programs,
): Promise<Teller & { readonly rpcUrl: string }> {
  const keys = join(folder, 'follower')
  mkdirSync(keys)
  const jwtPath = join(keys, 'jwt.hex')
  Jwt.readSecret(jwtPath)
  const geth = await startGeth(programs, files, jwtPath, 'op-geth-follower')
  stack.defer(geth.stop)
  const { engineUrl } = geth
  const node = await startOpNode(programs, files, { name: 'op-node-on-geth', l1Url, engineUrl, jwtPath })
  stack.defer(node.stop)
  return { ...tellerAt('op-node over op-geth', node.rpcUrl), rpcUrl: geth.rpcUrl }
}

/** Our node that reads nothing but L1. */
export async function ourVerifier(
  stack: AsyncDisposableStack,
  folder: string,
  { files, l1Url }: Sequenced,
  upgradesDirectory?: string,
): Promise<Teller> {
  const node = await createVerifierNode({
    ...(upgradesDirectory === undefined ? {} : { upgradesDirectory }),
    directory: join(folder, 'verifier'),
    l1: { rpcUrl: l1Url },
    genesis: DurableFile.readJson(files.genesis) as Genesis,
    rollupConfig: rollupConfigSchema.parse(DurableFile.readJson(files.rollup)),
  })
  stack.use(node)
  return tellerAt('our verifier', node.rpcUrl)
}
