import { expect, test } from 'vitest'
import { runVerifier } from './verifierNode.ts'

test('a batcher without a sequencer says so before it reads anything', async () => {
  const missing = '/no/such/file'
  await expect(
    runVerifier({
      l1: 'http://127.0.0.1:1',
      genesis: missing,
      rollup: missing,
      directory: missing,
      rpcPort: '0',
      publish: { signer: { privateKey: undefined, as: undefined }, batchData: 'calldata' },
    }),
  ).rejects.toMatchObject({ code: 'cli.sequencer_missing' })
})
