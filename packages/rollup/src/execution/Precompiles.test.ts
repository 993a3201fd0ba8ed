import { createSign, generateKeyPairSync } from 'node:crypto'
import { hexToBytes } from '@ethereumjs/util'
import { Bytes, type Hex } from '@openledger/primitives'
import { beforeAll, describe, expect, test } from 'vitest'
import { plainCrypto } from '../Crypto.ts'
import { createJournaledState } from '../state/JournaledState.ts'
import { createEvm } from './Evm.ts'
import { type Fork, rulesOf } from './Fork.ts'
import type { Evm, MessageResult } from './Message.ts'

let evm: Evm
beforeAll(async () => {
  evm = await createEvm({ chainId: 10, crypto: plainCrypto })
})
const call = async (
  id: number,
  data: Uint8Array,
  gas = 10_000_000n,
  fork: Fork = 'isthmus',
): Promise<MessageResult> => {
  const state = createJournaledState({
    account: () => undefined,
    storage: () => new Uint8Array(),
    code: () => new Uint8Array(),
  })
  state.beginTransaction()
  const zero: Hex = '0x0000000000000000000000000000000000000000'
  return evm.run(
    state,
    {
      rules: rulesOf(fork),
      number: 1n,
      timestamp: 1n,
      feeRecipient: zero,
      prevRandao: `0x${'00'.repeat(32)}`,
      gasLimit: 30_000_000n,
      baseFeePerGas: 0n,
      blockHash: () => undefined,
    },
    {
      from: zero,
      to: `0x${id.toString(16).padStart(40, '0')}`,
      data,
      value: 0n,
      gas,
      gasPrice: 0n,
      accessList: [],
      warm: [],
    },
  )
}

describe('the precompiles of the OP Stack', () => {
  test('verify a P-256 signature made by OpenSSL, for 3,450 gas', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const message = Uint8Array.from([1, 2, 3])
    const signature = createSign('sha256')
      .update(message)
      .sign({ key: privateKey, dsaEncoding: 'ieee-p1363' })
    const { x, y } = publicKey.export({ format: 'jwk' }) as { x: string; y: string }
    const key = [x, y].map((part) => Uint8Array.from(Buffer.from(part, 'base64url')))
    const input = Bytes.concat(Bytes.sha256(message), Uint8Array.from(signature), ...key)
    expect(await call(0x100, input)).toMatchObject({ returnData: Bytes.fromUint(1n, 32), gasUsed: 3450n })
    input[0]! ^= 1
    expect(await call(0x100, input)).toMatchObject({
      returnData: new Uint8Array(),
      gasUsed: 3450n,
      failure: undefined,
    })
    expect((await call(0x100, input, 3449n)).failure).toBe('out of gas')
    // EIP-7951's price, from Karst on
    expect(await call(0x100, input, 10_000n, 'karst')).toMatchObject({ gasUsed: 6900n })
  })

  test('check a KZG proof as EIP-4844’s published example, and refuse it when anything differs', async () => {
    const example = hexToBytes(
      '0x01e798154708fe7789429634053cbf9f99b619f9f084048927333fce637f549b564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d3630624d25032e67a7e6a4910df5834b8fe70e6bcfeeac0352434196bdf4b2485d5a18f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7873033e038326e87ed3e1276fd140253fa08e9fc25fb2d9a98527fc22a2c9612fbeafdad446cbc7bcdbdcd780af2c16a',
    )
    const good = await call(0x0a, example)
    expect(Bytes.toHex(good.returnData)).toBe(
      '0x000000000000000000000000000000000000000000000000000000000000100073eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001',
    )
    expect(good.gasUsed).toBe(50_000n)
    for (const at of [0, 40, 70, 100, 150]) {
      const wrong = Uint8Array.from(example)
      wrong[at]! ^= 1
      expect((await call(0x0a, wrong)).failure, `byte ${at}`).toBeDefined()
    }
    expect((await call(0x0a, example.subarray(1))).failure).toBeDefined()
    expect((await call(0x0a, example, 49_999n)).failure).toBe('out of gas')
  })

  test('accept the zero polynomial, whose points are at infinity', async () => {
    const infinity = Uint8Array.from([0xc0, ...new Uint8Array(47)])
    const versionedHash = Bytes.sha256(infinity)
    versionedHash[0] = 1
    const input = Bytes.concat(versionedHash, Bytes.fromUint(5n, 32), new Uint8Array(32), infinity, infinity)
    expect((await call(0x0a, input)).failure).toBeUndefined()
  })

  test('bound the input of pairings and multi-scalar multiplications', async () => {
    for (const [id, sizeBytesMax] of [
      [0x08, 112_687],
      [0x0c, 513_760],
      [0x0e, 488_448],
      [0x0f, 235_008],
    ] as const) {
      const result = await call(id, new Uint8Array(sizeBytesMax + 1), 100_000_000n)
      expect(result, `${id}`).toMatchObject({ failure: expect.any(String), gasUsed: 100_000_000n })
    }
    // each fork's own, at the bound and beyond it
    for (const [fork, id, sizeBytes, step] of [
      ['jovian', 0x08, 81_984, 192],
      ['karst', 0x08, 57_600, 192],
      ['jovian', 0x0f, 156_672, 384],
      ['karst', 0x0f, 156_672, 384],
    ] as const) {
      const enough = 100_000_000n
      expect(
        (await call(id, new Uint8Array(sizeBytes), enough, fork)).failure,
        `${fork} ${id}`,
      ).toBeUndefined()
      expect((await call(id, new Uint8Array(sizeBytes + step), enough, fork)).failure).toBeDefined()
    }
    // one empty pair is a valid pairing product
    expect((await call(0x08, new Uint8Array(192))).failure).toBeUndefined()
  })
})
