import { createHash, createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bytes } from '@openledger/primitives'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Blobs, cidOf, createDiskBlobs, createS3Blobs, digestOf } from './Blobs.ts'

const KEY = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  region: 'eu-test-1',
}
const objects = new Map<string, Uint8Array>()
let directory: string
let server: Server
let bucketUrl: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openledger-blobs-'))
  server = createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request))
    const { method, url = '' } = request
    if (!isSigned(request)) return void response.writeHead(403).end('SignatureDoesNotMatch')
    if (method === 'PUT') objects.set(url, body)
    if (method === 'DELETE') {
      objects.delete(url)
      return void response.writeHead(204).end()
    }
    const object = objects.get(url)
    if (object === undefined) return void response.writeHead(404).end('NoSuchKey')
    response.writeHead(200, { 'content-length': method === 'PUT' ? 0 : object.length })
    response.end(method === 'GET' ? object : undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  bucketUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/openledger`
})
afterAll(async () => {
  server.close()
  await rm(directory, { recursive: true })
})

/** Recomputes the request's signature from AWS's description of Signature Version 4, by node:crypto alone. */
function isSigned(request: IncomingMessage): boolean {
  const match = /Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=(\w+)/.exec(
    request.headers.authorization ?? '',
  )
  if (match === null) return false
  const [, credential = '', signedHeaders = '', signature] = match
  const scope = credential.split('/').slice(1)
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const canonical = [
    request.method,
    request.url,
    '',
    ...signedHeaders.split(';').map((name) => `${name}:${request.headers[name]}`),
    '',
    signedHeaders,
    request.headers['x-amz-content-sha256'],
  ].join('\n')
  const key = scope.reduce((secret, part) => hmac(secret, part), Buffer.from(`AWS4${KEY.secretAccessKey}`))
  const toSign = [
    'AWS4-HMAC-SHA256',
    request.headers['x-amz-date'],
    scope.join('/'),
    createHash('sha256').update(canonical).digest('hex'),
  ].join('\n')
  return hmac(key, toSign).toString('hex') === signature && credential.startsWith(`${KEY.accessKeyId}/`)
}

test('a name is what IPFS calls the same bytes: base32 of version, codec, hash, length and digest', () => {
  // RFC 4648 written out, on node:crypto's hash
  const bytes = Buffer.from(`01551220${createHash('sha256').update('hello world').digest('hex')}`, 'hex')
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const letters = bits.match(/.{1,5}/g)!.map((five) => Number.parseInt(five.padEnd(5, '0'), 2))
  const base32 = letters.map((letter) => 'abcdefghijklmnopqrstuvwxyz234567'[letter]).join('')
  expect(cidOf(Bytes.fromUtf8('hello world'))).toBe(`b${base32}`)
})

test('a name gives its hash back; anything else is refused', () => {
  const bytes = Bytes.fromUtf8('x')
  expect(digestOf(cidOf(bytes))).toBe(Bytes.toHex(Bytes.sha256(bytes)))
  for (const wrong of [
    '',
    '../../etc/passwd',
    'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n',
    `${cidOf(bytes)}a`,
    cidOf(bytes).toUpperCase(),
  ]) {
    expect(() => digestOf(wrong)).toThrow(expect.objectContaining({ code: 'blob.invalid_cid' }))
  }
})

const shelves: [string, () => Blobs][] = [
  ['disk', () => createDiskBlobs(directory)],
  ['S3 protocol', () => createS3Blobs({ bucketUrl, ...KEY })],
]
const { OPENLEDGER_TEST_S3_URL, OPENLEDGER_TEST_S3_KEY_ID, OPENLEDGER_TEST_S3_SECRET } = process.env
if (OPENLEDGER_TEST_S3_URL && OPENLEDGER_TEST_S3_KEY_ID && OPENLEDGER_TEST_S3_SECRET) {
  const real = { accessKeyId: OPENLEDGER_TEST_S3_KEY_ID, secretAccessKey: OPENLEDGER_TEST_S3_SECRET }
  shelves.push(['S3 service', () => createS3Blobs({ bucketUrl: OPENLEDGER_TEST_S3_URL, ...real })])
}

describe.each(shelves)('%s', (_name, open) => {
  test('gives back what was put, under any size, and knows what it has', async () => {
    const blobs = open()
    for (const size of [0, 1, 1_000, 3_000_000]) {
      const bytes = new Uint8Array(randomBytes(size))
      if (size > 100) expect(await blobs.has(cidOf(bytes))).toBe(false)
      const cid = await blobs.put(bytes)
      expect(cid).toBe(cidOf(bytes))
      expect(Bytes.equals(await blobs.get(cid), bytes)).toBe(true)
      expect(await blobs.has(cid)).toBe(true)
      expect(await open().put(bytes)).toBe(cid)
    }
  })

  test('forgets what is removed, once or twice, and may be given it again', async () => {
    const blobs = open()
    const bytes = new Uint8Array(randomBytes(100))
    const cid = await blobs.put(bytes)
    await blobs.remove(cid)
    await blobs.remove(cid)
    expect(await blobs.has(cid)).toBe(false)
    expect(await blobs.put(bytes)).toBe(cid)
    expect(await blobs.has(cid)).toBe(true)
  })

  test('says so when it has not got a blob', async () => {
    await expect(open().get(cidOf(randomBytes(8)))).rejects.toMatchObject({ code: 'blob.not_found' })
  })

  test('the same bytes put twenty times at once are kept once', async () => {
    const bytes = new Uint8Array(randomBytes(10_000))
    const cids = await Promise.all(Array.from({ length: 20 }, () => open().put(bytes)))
    expect(new Set(cids).size).toBe(1)
    expect(Bytes.equals(await open().get(cids[0]!), bytes)).toBe(true)
  })
})

test('other bytes under a name are noticed, not handed out', async () => {
  const blobs = createDiskBlobs(directory)
  const cid = await blobs.put(Bytes.fromUtf8('truth'))
  await writeFile(join(directory, cid.slice(-2), cid), 'lie')
  await expect(blobs.get(cid)).rejects.toMatchObject({ code: 'blob.corrupt' })
  // whoever makes the same bytes again mends it
  expect(await blobs.put(Bytes.fromUtf8('truth'))).toBe(cid)
  expect(Bytes.toUtf8(await blobs.get(cid))).toBe('truth')
})

test('no half-written file stays behind', async () => {
  const blobs = createDiskBlobs(join(directory, 'clean'))
  await Promise.all([1, 2, 3].map((n) => blobs.put(Uint8Array.of(n))))
  expect((await readdir(join(directory, 'clean'))).filter((name) => name.startsWith('.'))).toEqual([])
})

test('a service that refuses is quoted', async () => {
  const blobs = createS3Blobs({ bucketUrl, ...KEY, secretAccessKey: 'wrong' })
  await expect(blobs.put(Uint8Array.of(1, 2))).rejects.toMatchObject({
    code: 'blob.service',
    message: expect.stringContaining('403'),
  })
})
