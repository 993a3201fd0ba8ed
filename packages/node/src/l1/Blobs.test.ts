import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Blob, bytesToHex, Kzg } from '@openledger/rollup'
import { numberToHex } from 'viem'
import { afterAll, afterEach, expect, test } from 'vitest'
import { createBlobReader, createKzgService } from './Blobs.ts'
import { nativeKzg, plainKzg } from './KzgLibrary.ts'
import type { L1Contents } from './L1Reader.ts'

const GENESIS_TIME = 1_606_824_023n
const SLOT = 12_345n
const kzg = createKzgService()
const contents: L1Contents = {
  block: {
    number: 7n,
    hash: numberToHex(7, { size: 32 }),
    parentHash: numberToHex(6, { size: 32 }),
    timestamp: GENESIS_TIME + 12n * SLOT,
    baseFeePerGas: 1n,
    blobBaseFee: 1n,
    prevRandao: numberToHex(1, { size: 32 }),
  },
  transactions: [],
  logs: [],
}
const blob = Blob.encode(Uint8Array.of(1, 2, 3))
const forged = Blob.encode(Uint8Array.of(9))
const versionedHash = async () => Kzg.versionedHashOf(await kzg.commitmentOf(blob))

let server: Server | undefined
afterEach(() => void server?.close())
afterAll(kzg.close)

/** A beacon node that answers these paths, in JSON under `data`, and 404 to all others. */
async function beacon(answer: (path: string) => unknown): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  server = createServer((request, response) => {
    const path = request.url!
    asked.push(path)
    const data = answer(path)
    response.statusCode = typeof data === 'number' ? data : data === undefined ? 404 : 200
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ data }))
  })
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
const configuration = (path: string): unknown => {
  if (path === '/eth/v1/config/spec') return { SECONDS_PER_SLOT: '12' }
  if (path === '/eth/v1/beacon/genesis') return { genesis_time: GENESIS_TIME.toString() }
  return undefined
}

test('blobs are asked for by the slot of their block’s time, and only those that commit to the hash are taken', async () => {
  const hash = await versionedHash()
  const { url, asked } = await beacon((path) =>
    path.startsWith('/eth/v1/beacon/blobs/')
      ? [bytesToHex(forged), '0x1234', bytesToHex(blob)]
      : configuration(path),
  )
  const found = await createBlobReader(url, kzg)(contents, [hash])
  expect([...found]).toEqual([[hash, blob]])
  expect(asked.at(-1)).toBe(`/eth/v1/beacon/blobs/${SLOT}?versioned_hashes=${hash}`)
}, 60_000)

test('a node that has sidecars only gives them, and one without a configuration counts blocks', async () => {
  const hash = await versionedHash()
  const { url, asked } = await beacon((path) =>
    path.startsWith('/eth/v1/beacon/blob_sidecars/') ? [{ index: '0', blob: bytesToHex(blob) }] : undefined,
  )
  expect((await createBlobReader(url, kzg)(contents, [hash])).size).toBe(1)
  expect(asked.at(-1)).toBe('/eth/v1/beacon/blob_sidecars/7')
}, 60_000)

test('a node that reads one hash of several is asked for all blobs of the slot', async () => {
  const hashes = [await versionedHash(), Kzg.versionedHashOf(await kzg.commitmentOf(forged))]
  const { url } = await beacon((path) => {
    if (!path.startsWith('/eth/v1/beacon/blobs/')) return configuration(path)
    return path.includes('?') ? [bytesToHex(blob)] : [bytesToHex(forged), bytesToHex(blob)]
  })
  expect(new Set((await createBlobReader(url, kzg)(contents, hashes)).keys())).toEqual(new Set(hashes))
}, 60_000)

test('the native library and our own give the same commitments and proofs', async () => {
  const [native, plain] = [nativeKzg(), plainKzg()]
  if (native === undefined) return
  const commitment = native.commit(blob)
  expect(plain.commit(blob)).toEqual(commitment)
  expect(plain.prove(blob, commitment)).toEqual(native.prove(blob, commitment))
}, 60_000)

test('a node that is down is asked again, and not taken for one without slots', async () => {
  const hash = await versionedHash()
  let isDown = true
  const { url } = await beacon((path) =>
    isDown ? 503 : path.startsWith('/eth/v1/beacon/blobs/') ? [bytesToHex(blob)] : configuration(path),
  )
  const read = createBlobReader(url, kzg)
  await expect(read(contents, [hash])).rejects.toMatchObject({ code: 'l1.beacon', status: 503 })
  isDown = false
  expect((await read(contents, [hash])).get(hash)).toEqual(blob)
}, 60_000)
