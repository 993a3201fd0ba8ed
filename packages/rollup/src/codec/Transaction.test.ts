import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import fc from 'fast-check'
import { keccak256, parseTransaction, recoverTransactionAddress, serializeTransaction } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import {
  parseTransaction as parseOpTransaction,
  serializeTransaction as serializeOpTransaction,
} from 'viem/op-stack'
import { describe, expect, test } from 'vitest'
import { loadCrypto, plainCrypto } from '../Crypto.ts'
import * as Transaction from './Transaction.ts'

const account = privateKeyToAccount(`0x${'31'.repeat(32)}`)
const TO = '0x00000000000000000000000000000000000000aa'
const common = { nonce: 7, gas: 100_000n, to: TO, value: 12n, data: '0xdeadbeef' } as const
const accessList = [{ address: TO, storageKeys: [`0x${'01'.repeat(32)}`] }] as const
const fees = { maxFeePerGas: 9n, maxPriorityFeePerGas: 2n } as const

const signed = async () => ({
  legacy: await account.signTransaction({ ...common, type: 'legacy', gasPrice: 5n, chainId: 161200 }),
  unprotected: await account.signTransaction({ ...common, type: 'legacy', gasPrice: 5n }),
  creation: await account.signTransaction({ ...common, to: null, type: 'legacy', gasPrice: 5n, chainId: 1 }),
  eip2930: await account.signTransaction({
    ...common,
    type: 'eip2930',
    gasPrice: 5n,
    chainId: 161200,
    accessList,
  }),
  eip1559: await account.signTransaction({
    ...common,
    type: 'eip1559',
    ...fees,
    chainId: 161200,
    accessList,
  }),
  zeros: await account.signTransaction({
    type: 'eip1559',
    nonce: 0,
    gas: 0n,
    value: 0n,
    maxFeePerGas: 0n,
    maxPriorityFeePerGas: 0n,
    chainId: 161200,
    to: TO,
  }),
  eip4844: await account.signTransaction({
    ...common,
    type: 'eip4844',
    ...fees,
    chainId: 161200,
    accessList,
    maxFeePerBlobGas: 11n,
    blobVersionedHashes: [`0x01${'ab'.repeat(31)}`],
  }),
  eip7702: await account.signTransaction({
    ...common,
    type: 'eip7702',
    ...fees,
    chainId: 161200,
    authorizationList: [await account.signAuthorization({ address: TO, chainId: 161200, nonce: 3 })],
  }),
})

describe('a transaction', () => {
  test('of every type is read, written back to the byte, and has viem’s hash and sender', async () => {
    const crypto = await loadCrypto()
    for (const [name, raw] of Object.entries(await signed())) {
      const bytes = hexToBytes(raw)
      const transaction = Transaction.decode(bytes)
      expect(bytesToHex(Transaction.encode(transaction)), name).toBe(raw)
      expect(Transaction.hash(bytes, crypto), name).toBe(keccak256(raw))
      expect(Transaction.sender(transaction, crypto), name).toBe(account.address.toLowerCase())
      expect(Transaction.sender(transaction, plainCrypto), name).toBe(account.address.toLowerCase())
    }
  })

  test('has viem’s fields', async () => {
    const raws = await signed()
    const ours = Transaction.decode(hexToBytes(raws.eip7702)) as Transaction.SetCodeTransaction
    const theirs = parseTransaction(raws.eip7702)
    expect(theirs).toMatchObject({ ...common, ...fees, chainId: 161200 })
    expect(ours).toMatchObject({ nonce: 7n, gas: 100_000n, to: TO, value: 12n, ...fees, chainId: 161200n })
    expect(bytesToHex(ours.data)).toBe(common.data)
    expect(Transaction.authority(ours.authorizationList[0]!)).toBe(account.address.toLowerCase())
    const wrong = { ...ours.authorizationList[0]!, nonce: 4n }
    expect(Transaction.authority(wrong)).not.toBe(account.address.toLowerCase())
    expect(Transaction.authority({ ...wrong, s: 2n ** 256n - 1n })).toBeUndefined()
  })

  test('from random fields agrees with viem both ways', async () => {
    const uint = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n })
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          nonce: fc.nat(),
          gas: uint(63),
          value: uint(256),
          tip: uint(60),
          over: uint(60),
          data: fc.uint8Array({ maxLength: 100 }),
          create: fc.boolean(),
        }),
        async ({ nonce, gas, value, tip, over, data, create }) => {
          const raw = await account.signTransaction({
            type: 'eip1559',
            chainId: 161200,
            nonce,
            gas,
            value,
            maxPriorityFeePerGas: tip,
            maxFeePerGas: tip + over,
            data: bytesToHex(data),
            ...(create ? {} : { to: TO }),
          })
          const transaction = Transaction.decode(hexToBytes(raw))
          expect(bytesToHex(Transaction.encode(transaction))).toBe(raw)
          expect(Transaction.sender(transaction)).toBe(
            (
              await recoverTransactionAddress({ serializedTransaction: raw as `0x02${string}` })
            ).toLowerCase(),
          )
        },
      ),
      { numRuns: 25 },
    )
  })

  test('that is a deposit agrees with viem’s OP Stack codec', () => {
    const deposit: Transaction.DepositTransaction = {
      type: 0x7e,
      sourceHash: `0x${'5a'.repeat(32)}`,
      from: TO,
      to: null,
      mint: 10n ** 20n,
      value: 3n,
      gas: 1_000_000n,
      isSystemTx: false,
      data: hexToBytes('0x6001'),
    }
    const raw = Transaction.encode(deposit)
    expect(bytesToHex(raw)).toBe(
      serializeOpTransaction({
        type: 'deposit',
        sourceHash: deposit.sourceHash,
        from: TO,
        mint: deposit.mint,
        value: 3n,
        gas: deposit.gas,
        isSystemTx: false,
        data: '0x6001',
      }),
    )
    expect(Transaction.decode(raw)).toEqual(deposit)
    expect(parseOpTransaction(bytesToHex(raw) as `0x7e${string}`)).toMatchObject({
      mint: deposit.mint,
      gas: deposit.gas,
    })
  })

  test('with a high s, or from no key, has no sender', async () => {
    const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const transaction = Transaction.decode(
      hexToBytes((await signed()).eip1559),
    ) as Transaction.FeeMarketTransaction
    const flipped = {
      ...transaction,
      s: n - transaction.s,
      yParity: transaction.yParity === 0 ? 1 : 0,
    } as const
    expect(() => Transaction.sender(flipped)).toThrow(Transaction.InvalidSignatureError)
    expect(() => Transaction.sender({ ...transaction, r: 0n })).toThrow(Transaction.InvalidSignatureError)
  })

  test('is refused in words when its bytes are wrong', async () => {
    const raw = hexToBytes((await signed()).eip1559)
    expect(() => Transaction.decode(new Uint8Array())).toThrow(Transaction.MalformedTransactionError)
    expect(() => Transaction.decode(Uint8Array.of(5, 0xc0))).toThrow(Transaction.TransactionTypeError)
    expect(() => Transaction.decode(raw.subarray(0, -1))).toThrow(Transaction.MalformedTransactionError)
    expect(() => Transaction.decode(Uint8Array.of(...raw, 0))).toThrow(Transaction.MalformedTransactionError)
    const fields = serializeTransaction({ type: 'eip1559', chainId: 161200, to: TO })
    expect(() => Transaction.decode(hexToBytes(fields))).toThrow(Transaction.MalformedTransactionError)
  })

  test('never breaks the reader, whatever the bytes', () => {
    const seed = hexToBytes(
      serializeTransaction(
        { type: 'legacy', to: TO, value: 1n },
        { r: `0x${'01'.repeat(32)}`, s: `0x${'02'.repeat(32)}`, v: 27n },
      ),
    )
    fc.assert(
      fc.property(
        fc.nat(seed.length - 1),
        fc.nat(255),
        fc.uint8Array({ maxLength: 60 }),
        (at, byte, noise) => {
          const damaged = Uint8Array.from(seed)
          damaged[at] = byte
          for (const bytes of [damaged, noise]) {
            try {
              Transaction.decode(bytes)
            } catch (error) {
              expect(error).toHaveProperty('code')
            }
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('prices itself by type', async () => {
    const raws = await signed()
    const dynamic = Transaction.decode(hexToBytes(raws.eip1559))
    expect([1n, 7n, 8n].map((baseFee) => Transaction.effectiveGasPrice(dynamic, baseFee))).toEqual([
      3n,
      9n,
      9n,
    ])
    expect(Transaction.effectiveGasPrice(Transaction.decode(hexToBytes(raws.legacy)), 1n)).toBe(5n)
  })
})

test('a fresh key signs what both readers accept', async () => {
  const fresh = privateKeyToAccount(generatePrivateKey())
  const raw = await fresh.signTransaction({ ...common, type: 'legacy', gasPrice: 5n, chainId: 161200 })
  expect(Transaction.sender(Transaction.decode(hexToBytes(raw)))).toBe(fresh.address.toLowerCase())
})
