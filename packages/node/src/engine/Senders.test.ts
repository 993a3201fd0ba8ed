import { loadCrypto, Transaction } from '@openledger/rollup'
import { fastLzLength } from '@openledger/rollup/execution/L1Cost'
import { hexToBytes, keccak256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { createSenders } from './Senders.ts'

const accounts = Array.from({ length: 30 }, (_, i) =>
  privateKeyToAccount(`0x${(i + 1).toString(16).padStart(64, '0')}`),
)
const sign = (i: number): Promise<`0x${string}`> =>
  accounts[i]!.signTransaction({
    chainId: 161_200,
    nonce: i,
    gas: 21_000n,
    ...(i % 3 === 0 ? { type: 'legacy', gasPrice: 1n } : { type: 'eip1559', maxFeePerGas: 7n }),
    to: accounts[0]!.address,
    data: `0x${'ab'.repeat(i)}`,
  })

test('finds who signed what viem signed, few here and many on threads, and passes over what nobody signed', async () => {
  const crypto = await loadCrypto()
  const signed = await Promise.all(accounts.map((_, i) => sign(i)))
  const expected = signed.map((hex, i) => ({
    sender: accounts[i]!.address.toLowerCase(),
    hash: keccak256(hex),
    compressedLength: fastLzLength(hexToBytes(hex)),
  }))
  const raws: Uint8Array[] = signed.map((hex) => hexToBytes(hex))
  const broken = Uint8Array.from(raws[1]!)
  broken[40]! ^= 1
  const deposit = Transaction.encode({
    type: 0x7e,
    sourceHash: `0x${'11'.repeat(32)}`,
    from: '0x00000000000000000000000000000000000000aa',
    to: null,
    mint: 0n,
    value: 0n,
    gas: 1n,
    isSystemTx: false,
    data: new Uint8Array(),
  })
  const senders = createSenders(crypto, 2)
  try {
    expect(await senders.find([])).toEqual([])
    expect(await senders.find(raws.slice(0, 3))).toEqual(expected.slice(0, 3))
    const many = [new Uint8Array(), ...raws, Uint8Array.of(2, 0xc0), deposit]
    expect(await senders.find(many)).toEqual([undefined, ...expected, undefined, undefined])
    expect((await senders.find([broken]))[0]?.sender).not.toBe(expected[1]!.sender)
  } finally {
    await senders.close()
  }
  // threads that are gone lose no request
  expect(await senders.find(raws)).toEqual(expected)
})
