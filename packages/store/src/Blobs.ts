import { hash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { AwsClient } from 'aws4fetch'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'

/** Bytes named by their own hash; a name is a CIDv1 (raw, SHA-256, base32), so anyone can check what they got. */
export type Blobs = {
  /** Keeps the bytes durably before it returns; keeping them again changes nothing, unless what is kept was damaged since. */
  readonly put: (bytes: Uint8Array) => Promise<string>
  /**
   * @throws {BlobNotFoundError}
   * @throws {BlobCorruptError} when the bytes kept are not those that were put.
   */
  readonly get: (cid: string) => Promise<Uint8Array>
  readonly has: (cid: string) => Promise<boolean>
  /** Forgets bytes for good; does nothing where they are not. */
  readonly remove: (cid: string) => Promise<void>
}

/** Where bytes lie, by key; below hashing and checking, which are the same for all. */
type Shelf = {
  readonly write: (cid: string, bytes: Uint8Array) => Promise<void>
  readonly read: (cid: string) => Promise<Uint8Array | undefined>
  readonly exists: (cid: string) => Promise<boolean>
  readonly remove: (cid: string) => Promise<void>
}

export type S3Options = {
  /** Address of the bucket, e.g. `https://s3.example.org/openledger`. */
  readonly bucketUrl: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region?: string
}

const RAW_CODEC = 0x55
const SHA256_CODE = 0x12

/** Names bytes. */
export const cidOf = (bytes: Uint8Array): string => cidFromDigest(sha256(bytes))

/** By the processor's own instructions, several times as fast as in TypeScript: files of megabytes are checked while others wait. */
const sha256 = (bytes: Uint8Array): Hex => `0x${hash('sha256', bytes)}`

/** Names bytes by their SHA-256. */
export const cidFromDigest = (sha256: Hex): string =>
  CID.createV1(RAW_CODEC, createDigest(SHA256_CODE, Bytes.fromHex(sha256))).toString()

/**
 * Gives the SHA-256 that a name is made of.
 * @throws {InvalidCidError} when it is not a CIDv1 of raw bytes by SHA-256.
 */
export function digestOf(cid: string): Hex {
  let parsed: CID
  try {
    parsed = CID.parse(cid)
  } catch {
    throw new InvalidCidError(cid)
  }
  // one spelling each, so that a name can be a key
  if (parsed.code !== RAW_CODEC || parsed.multihash.code !== SHA256_CODE || parsed.toString() !== cid) {
    throw new InvalidCidError(cid)
  }
  return Bytes.toHex(parsed.multihash.digest)
}

/** Keeps blobs in a folder, 1,024 folders wide. */
export function createDiskBlobs(directory: string): Blobs {
  // the end of a name is hash; its beginning is the same for all
  const pathOf = (cid: string): string => join(directory, cid.slice(-2), cid)
  return createBlobs({
    write: async (cid, bytes) => {
      const path = pathOf(cid)
      await mkdir(dirname(path), { recursive: true })
      const temporary = join(directory, `.${cid}.${randomUUID()}`)
      try {
        await writeSynced(temporary, bytes)
        await rename(temporary, path)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
      // a rename lasts once its folder is on the disk
      await syncDirectory(dirname(path))
      await syncDirectory(directory)
    },
    read: async (cid) => readFile(pathOf(cid)).catch(undefinedIfMissing),
    exists: async (cid) => {
      const file = await open(pathOf(cid)).catch(undefinedIfMissing)
      await file?.close()
      return file !== undefined
    },
    remove: async (cid) => {
      const path = pathOf(cid)
      await rm(path, { force: true })
      await syncDirectory(dirname(path)).catch(undefinedIfMissing)
    },
  })
}

/** Keeps blobs in a bucket of any S3-compatible service; keys are the names. */
export function createS3Blobs({
  bucketUrl,
  accessKeyId,
  secretAccessKey,
  region = 'auto',
}: S3Options): Blobs {
  const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3' })
  const request = async (method: 'GET' | 'HEAD' | 'PUT' | 'DELETE', cid: string, body?: Uint8Array) => {
    const response = await client.fetch(`${bucketUrl.replace(/\/$/, '')}/${cid}`, {
      method,
      ...(body && { body: body as Uint8Array<ArrayBuffer> }),
    })
    if (response.ok || (response.status === 404 && method !== 'PUT')) return response
    throw new BlobServiceError(method, response.status, (await response.text()).slice(0, 500))
  }
  return createBlobs({
    write: async (cid, bytes) => {
      await request('PUT', cid, bytes)
    },
    read: async (cid) => {
      const response = await request('GET', cid)
      return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined
    },
    exists: async (cid) => (await request('HEAD', cid)).ok,
    remove: async (cid) => {
      await request('DELETE', cid)
    },
  })
}

function createBlobs(shelf: Shelf): Blobs {
  return {
    put: async (bytes) => {
      const cid = cidOf(bytes)
      const kept = await shelf.read(cid)
      // a file that a failing disk cut short would otherwise stay for ever
      if (kept === undefined || Buffer.compare(kept, bytes) !== 0) await shelf.write(cid, bytes)
      return cid
    },
    get: async (cid) => {
      const digest = digestOf(cid)
      const bytes = await shelf.read(cid)
      if (bytes === undefined) throw new BlobNotFoundError(cid)
      if (sha256(bytes) !== digest) throw new BlobCorruptError(cid)
      return bytes
    },
    has: async (cid) => {
      digestOf(cid)
      return shelf.exists(cid)
    },
    remove: async (cid) => {
      digestOf(cid)
      await shelf.remove(cid)
    },
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

export class InvalidCidError extends BaseError {
  constructor(cid: string) {
    super({
      code: 'blob.invalid_cid',
      message: `Expected a CIDv1 of raw bytes by SHA-256 in base32, got ${JSON.stringify(cid.slice(0, 80))}.`,
      context: { cid: cid.slice(0, 80) },
    })
  }
}

export class BlobNotFoundError extends BaseError {
  constructor(cid: string) {
    super({
      code: 'blob.not_found',
      message: `Expected to find ${cid} in this storage, but it is not there. Check that the server uses the storage it was written to.`,
      context: { cid },
    })
  }
}

export class BlobCorruptError extends BaseError {
  constructor(cid: string) {
    super({
      code: 'blob.corrupt',
      message: `Expected bytes that hash to ${cid}, but the storage holds others. Restore them from a copy.`,
      context: { cid },
    })
  }
}

export class BlobServiceError extends BaseError {
  constructor(method: string, status: number, answer: string) {
    super({
      code: 'blob.service',
      message: `Expected the object storage to carry out ${method}, but it answered ${status}: ${answer}`,
      context: { method, status },
      severity: status >= 500 ? 'retry' : 'fatal',
    })
  }
}
