import { describe, expect, test } from 'vitest'
import { ConfigError, describeConfig, readConfig, variableOf } from './Config.ts'

describe('the configuration', () => {
  test('is complete without any variable', () => {
    const { port, blockTimeSeconds, seed, host } = readConfig({})
    expect({ port, blockTimeSeconds, seed, host }).toEqual({
      port: 8080,
      blockTimeSeconds: 2,
      seed: 'on',
      host: '127.0.0.1',
    })
  })

  test('names variables after its keys', () => {
    expect(['dataDirectory', 'l1RpcUrl', 's3AccessKeyId'].map(variableOf)).toEqual([
      'OPENLEDGER_DATA_DIRECTORY',
      'OPENLEDGER_L1_RPC_URL',
      'OPENLEDGER_S3_ACCESS_KEY_ID',
    ])
  })

  test('refuses a value it cannot use and names the variable', () => {
    expect(() => readConfig({ OPENLEDGER_PORT: 'eighty' })).toThrow(ConfigError)
    expect(() => readConfig({ OPENLEDGER_PORT: '70000' })).toThrow(/OPENLEDGER_PORT/)
  })

  test('never prints a secret', () => {
    const config = readConfig({
      OPENLEDGER_S3_SECRET_ACCESS_KEY: 'hush',
      OPENLEDGER_DATABASE_URL: 'postgres://u:hush@h/d',
    })
    expect(describeConfig(config)).not.toContain('hush')
  })
})
