import { BaseError } from '@openledger/primitives'
import type { Branch, Leaf, Page, Resident } from './TrieNode.ts'

/**
 * How a part of a trie lies in a store: a branch with the small parts below it, and of the large parts below it the
 * hashes, since they lie under keys of their own.
 *
 * A node is a tag and then: a leaf its key from the byte where its path goes on, and its value; an extension the length of its path
 * and a byte for each nibble, and its child; a branch sixteen bits for the children it has, and those; a page its hash.
 */
const LEAF = 0
const EXTENSION = 1
const BRANCH = 2
const PAGE = 3
const ARENA_BYTES = 65_536

/** How a value is written; shorter than what the trie commits to. */
export type ValueCodec<V> = {
  write(out: Writer, leaf: Leaf<V>): void
  read(from: Reader, key: Uint8Array): V
}

/** A buffer that grows. */
export type Writer = { bytes: Uint8Array; at: number }
/** A place in bytes. */
export type Reader = { readonly bytes: Uint8Array; at: number }

export const createWriter = (): Writer => ({ bytes: new Uint8Array(4096), at: 0 })

export function writeLeaf<V>(out: Writer, leaf: Leaf<V>, depth: number, codec: ValueCodec<V>): void {
  writeByte(out, LEAF)
  writeBytes(out, leaf.key, depth >> 1)
  codec.write(out, leaf)
}

/** Begins an extension; its child follows. */
export function beginExtension(out: Writer, path: Uint8Array): void {
  writeByte(out, EXTENSION)
  writeByte(out, path.length)
  writeBytes(out, path)
}

/** Begins a branch; the children it has follow in order. */
export function beginBranch<V>(out: Writer, { children }: Branch<V>): void {
  let present = 0
  for (let i = 0; i < 16; i++) if (children[i] !== undefined) present |= 1 << i
  writeByte(out, BRANCH)
  writeByte(out, present >> 8)
  writeByte(out, present & 255)
}

export function writePage(out: Writer, reference: Uint8Array): void {
  writeByte(out, PAGE)
  writeBytes(out, reference)
}

/**
 * Reads the node whose path is the first `depth` nibbles of `path`.
 * @param path - Nibbles; overwritten from `depth` on.
 * @param pageAt - Gives the page with this hash at the path's first `depth` nibbles.
 * @throws {MalformedPageError}
 */
export function readNode<V>(
  from: Reader,
  path: Uint8Array,
  depth: number,
  codec: ValueCodec<V>,
  pageAt: (reference: Uint8Array, depth: number) => Page<V>,
): Resident<V> | Page<V> {
  const tag = readByte(from)
  if (tag === PAGE) return pageAt(readBytes(from, 32), depth)
  if (tag === LEAF) {
    const start = depth >> 1
    const key = new Uint8Array(32)
    for (let i = 0; i < start; i++) key[i] = (path[2 * i]! << 4) | path[2 * i + 1]!
    key.set(view(from, 32 - start), start)
    return { kind: 'leaf', key, value: codec.read(from, key), reference: undefined, edit: undefined }
  }
  if (tag === EXTENSION) {
    const nibbles = readBytes(from, readByte(from))
    path.set(nibbles, depth)
    const child = readNode(from, path, depth + nibbles.length, codec, pageAt)
    if (child.kind !== 'branch' && child.kind !== 'page') {
      throw new MalformedPageError('a branch below an extension', child.kind)
    }
    return { kind: 'extension', path: nibbles, child, reference: undefined, edit: undefined }
  }
  if (tag !== BRANCH) throw new MalformedPageError('a tag of 0 to 3', `${tag}`)
  const present = (readByte(from) << 8) | readByte(from)
  const children = new Array<Resident<V> | Page<V> | undefined>(16).fill(undefined)
  let count = 0
  for (let i = 0; i < 16; i++) {
    if (((present >> i) & 1) === 0) continue
    path[depth] = i
    children[i] = readNode(from, path, depth + 1, codec, pageAt)
    count++
  }
  const none = { reference: undefined, edit: undefined, page: undefined, hasRow: false }
  return { kind: 'branch', children, count, ...none }
}

export function writeByte(out: Writer, byte: number): void {
  reserve(out, 1)
  out.bytes[out.at++] = byte
}

/** Writes bytes from `start` on. A loop, because what is written here is short, and a copy costs more to begin. */
export function writeBytes(out: Writer, bytes: Uint8Array, start = 0): void {
  const { length } = bytes
  reserve(out, length - start)
  const target = out.bytes
  let { at } = out
  for (let i = start; i < length; i++) target[at++] = bytes[i]!
  out.at = at
}

/** Bytes that are handed out in pieces, because a buffer of its own for each costs more than what stands in it. */
export type Arena = { bytes: Uint8Array; at: number }

export const createArena = (): Arena => ({ bytes: new Uint8Array(ARENA_BYTES), at: 0 })

/** Copies what a writer wrote since `start`, and takes it back from the writer. */
export function takeSince(out: Writer, start: number, arena: Arena): Uint8Array {
  const length = out.at - start
  if (arena.at + length > arena.bytes.length) {
    arena.bytes = new Uint8Array(Math.max(ARENA_BYTES, length))
    arena.at = 0
  }
  arena.bytes.set(out.bytes.subarray(start, out.at), arena.at)
  const taken = arena.bytes.subarray(arena.at, arena.at + length)
  arena.at += length
  out.at = start
  return taken
}

/** Writes a number below 2^256 as its length and its bytes. */
export function writeUint(out: Writer, value: bigint): void {
  let start = 24
  word.setBigUint64(24, BigInt.asUintN(64, value))
  for (let rest = value >> 64n; rest > 0n; rest >>= 64n) {
    start -= 8
    word.setBigUint64(start, BigInt.asUintN(64, rest))
  }
  while (start < 32 && wordBytes[start] === 0) start++
  writeByte(out, 32 - start)
  writeBytes(out, wordBytes, start)
}

export function readByte(from: Reader): number {
  const byte = from.bytes[from.at++]
  if (byte === undefined) throw new MalformedPageError('more bytes', 'the end')
  return byte
}

/** Copies bytes out, so that they do not keep the row in memory. */
export const readBytes = (from: Reader, length: number): Uint8Array => new Uint8Array(view(from, length))

export function readUint(from: Reader): bigint {
  const length = readByte(from)
  if (length > 32) throw new MalformedPageError('at most 32 bytes of a number', `${length}`)
  wordBytes.fill(0)
  wordBytes.set(view(from, length), 32 - length)
  let value = 0n
  for (let at = length > 8 ? 0 : 24; at < 32; at += 8) value = (value << 64n) | word.getBigUint64(at)
  return value
}

function view(from: Reader, length: number): Uint8Array {
  const end = from.at + length
  if (end > from.bytes.length) throw new MalformedPageError(`${length} more bytes`, 'the end')
  const bytes = from.bytes.subarray(from.at, end)
  from.at = end
  return bytes
}

function reserve(out: Writer, length: number): void {
  if (out.at + length <= out.bytes.length) return
  const bytes = new Uint8Array(Math.max(2 * out.bytes.length, out.at + length))
  bytes.set(out.bytes.subarray(0, out.at))
  out.bytes = bytes
}

/** For numbers on their way. */
const word = new DataView(new ArrayBuffer(32))
const wordBytes = new Uint8Array(word.buffer)

export class MalformedPageError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'state.malformed_page',
      message: `Expected ${expected} in a page of the state, got ${got}. Restore the directory from a backup, or derive the chain again.`,
      context: { expected, got },
    })
  }
}
