import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNetworkFolder, Jwt } from '@openledger/node'
import { Open } from '@openledger/primitives'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readConfig } from './Config.ts'
import { chosenNetwork } from './chosenNetwork.ts'

const owner = '0x00000000000000000000000000000000000000aa'
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'openledger-network-'))
  createNetworkFolder(folder, { name: 'Texts', l2ChainId: 161_201, owner })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const choose = (environment: Record<string, string> = {}) =>
  chosenNetwork(
    readConfig({ OPENLEDGER_NETWORK: folder, OPENLEDGER_L1_RPC_URL: 'http://l1.example', ...environment }),
  )
const edit = (file: string, change: (content: Record<string, unknown>) => object) => {
  const path = join(folder, file)
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))))
}

describe('the network that a configuration asks for', () => {
  test('is the development network by default', () => {
    expect(chosenNetwork(readConfig({}))).toMatchObject({ isDevelopment: true, node: { l1: { port: 8545 } } })
  })

  test('is the folder’s, with its own keys', () => {
    const { name, isDevelopment, operator, node } = choose()
    expect({ name, isDevelopment }).toEqual({ name: 'Texts', isDevelopment: false })
    expect(node.l1).toMatchObject({ rpcUrl: 'http://l1.example', confirmationDepth: 4n })
    expect(node.keys!.operator).toBe(operator.address.toLowerCase())
    expect(node.keys!.beneficiaries).toMatchObject({ community: owner, team: owner })
    expect(node.keys!.fundings).toContainEqual({
      account: operator.address.toLowerCase(),
      amountWei: Open.parse('10000'),
    })
  })

  test('wants to know its L1', () => {
    expect(() => choose({ OPENLEDGER_L1_RPC_URL: '' })).toThrow(/OPENLEDGER_L1_RPC_URL/)
  })

  test.each([
    'https://l1.example/v3/secret',
    'https://l1.example/?key=secret',
    'https://user:secret@l1.example',
  ])('tells nobody an address that may hold a secret: %s', (url) => {
    expect(() => choose({ OPENLEDGER_L1_RPC_URL: url })).toThrow(/OPENLEDGER_PUBLIC_L1_RPC_URL/)
    choose({ OPENLEDGER_L1_RPC_URL: url, OPENLEDGER_PUBLIC_L1_RPC_URL: 'https://l1.example' })
  })

  test('refuses keys that others can read, that everybody knows, or that stand twice', () => {
    chmodSync(join(folder, 'keys.json'), 0o644)
    expect(() => choose()).toThrow(/chmod 600/)
    chmodSync(join(folder, 'keys.json'), 0o600)
    edit('keys.json', (keys) => ({ ...keys, batcher: keys['proposer'] }))
    expect(() => choose()).toThrow(/key of its own for the proposer, got the key of batcher too/)
    // the first account of the phrase that development tools share
    const known = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
    edit('keys.json', (keys) => ({ ...keys, batcher: known }))
    expect(() => choose()).toThrow(/which everybody knows/)
  })

  test('names the file and the field that it cannot use', () => {
    edit('network.json', (network) => ({ ...network, l2ChainId: 'x' }))
    expect(() => choose()).toThrow(/network\.json.*l2ChainId/)
    rmSync(join(folder, 'network.json'))
    expect(() => choose()).toThrow(/network\.json.*is not there/)
    writeFileSync(join(folder, 'network.json'), '{')
    expect(() => choose()).toThrow(/is not JSON/)
  })

  test('leaves execution to the client that the settings name, which must share a secret', () => {
    const url = 'http://127.0.0.1:8551'
    expect(() => chosenNetwork(readConfig({ OPENLEDGER_ENGINE_URL: url }))).toThrow(
      /OPENLEDGER_ENGINE_JWT_SECRET/,
    )
    const secretPath = join(folder, 'jwt.hex')
    const { node } = chosenNetwork(
      readConfig({ OPENLEDGER_ENGINE_URL: url, OPENLEDGER_ENGINE_JWT_SECRET: secretPath }),
    )
    expect(node.l2?.engine).toEqual({ url, secret: Jwt.readSecret(secretPath) })
    expect(chosenNetwork(readConfig({})).node.l2?.engine).toBeUndefined()
  })
})
