import { writeSync } from 'node:fs'
import { hexToBytes } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { createEmbeddedEngine } from '../src/engine/EmbeddedEngine.ts'
import { attributes, genesisOf } from './Chain.ts'

/** Builds blocks and submits transactions for ever, and says on standard output what it has promised. */
const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const genesis = genesisOf({ [alice.address]: { balance: `${10n ** 20n}` } })
// nothing stays in memory, and all but a few states are forgotten
const engine = await createEmbeddedEngine({
  directory: process.argv[2]!,
  genesis,
  stateBytesMax: 0,
  historyBlocks: 4n,
})

for (;;) {
  for (let i = 0; i < 5; i++) {
    const raw = await alice.signTransaction({
      chainId: engine.chainId,
      nonce: Number(engine.pending().nonce(alice.address)),
      to: `0x${(1000n + engine.head().number).toString(16).padStart(40, '0')}`,
      value: 1n,
      gas: 21_000n,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 1n,
    })
    writeSync(1, `submitted ${await engine.submit(hexToBytes(raw))}\n`)
  }
  const block = await engine.build(attributes(engine.head().timestamp + 1n))
  engine.setFinalized(block.number)
  writeSync(1, `block ${block.number} ${block.hash}\n`)
}
