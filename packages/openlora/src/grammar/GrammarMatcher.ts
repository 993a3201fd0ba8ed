import { BaseError } from '@openledger/primitives'
import type { Grammar, Machine } from './Grammar.ts'
import type { TokenTrie } from './TokenTrie.ts'

/** Where an answer stands in its grammar: the same object for the same place, so that what follows is worked out once. */
export type Place = {
  /** Whether the answer may end here. */
  readonly mayEnd: boolean
  /** Whether it must, because nothing can follow. */
  readonly mustEnd: boolean
}

/** A set of tokens, one bit each: token `t` is bit `t % 32` of word `t >> 5`. */
export type TokenMask = Uint32Array

export type GrammarMatcher = {
  readonly start: Place
  /**
   * Gives the tokens that may follow; the end token among them where the answer may end. Shared: not to be changed.
   * @throws {GrammarStuckError} when no token can follow.
   */
  readonly mask: (place: Place) => TokenMask
  /** Goes on by a token that was allowed; the end token stays where it is. */
  readonly advance: (place: Place, tokenId: number) => Place
  /** Gives the bytes that have to follow, up to the first choice. */
  readonly forced: (place: Place, bytesMax: number) => Uint8Array
}

/** What is left to match: an expression with how far it got, and what comes after it. */
type Frame = {
  readonly id: number
  readonly grammar: Grammar
  readonly state: number | string
  readonly next: Frame | undefined
  /** Closest frame below that ends a rule; undefined within the outermost. */
  readonly boundary: Frame | undefined
}

type Node = Place & {
  readonly frames: readonly Frame[]
  /** By byte; null where nothing follows. */
  after: (Node | null | undefined)[]
  mask?: TokenMask
}

/** Tokens that fit inside a rule, and trie nodes at which the rule ended with bytes of the token left. */
type Inside = { readonly mask: TokenMask; readonly ended: readonly number[] }

/** Ends a rule in a stack of frames; takes no byte. */
const BOUNDARY: Grammar = { kind: 'sequence', parts: [] }
/** What is remembered is dropped beyond this many frames, so that no grammar fills the memory. */
const FRAMES_MAX = 100_000
const MASK_BYTES_MAX = 32 * 2 ** 20

/**
 * Creates the automaton of a grammar over a vocabulary.
 *
 * A place is a set of stacks of what is left to match. Places, and the tokens that may follow one, are worked out when they
 * are first reached and then remembered. Within a rule (a string, say), the tokens that stay inside of it are the same
 * wherever the rule stands, so that only those which leave it are looked at again.
 *
 * @see Dong et al. 2024, "XGrammar": context-independent tokens.
 */
export function createGrammarMatcher(
  grammar: Grammar,
  trie: TokenTrie,
  tokens: { readonly bytes: (tokenId: number) => Uint8Array; readonly eosId: number },
): GrammarMatcher {
  let nextFrameId = 0
  let maskBytes = 0
  const grammarIds = new Map<Grammar, number>()
  let frames = new Map<string, Frame>()
  let nodes = new Map<string, Node>()
  let insides = new Map<Frame, Inside>()
  const bodies = new Map<Grammar, Grammar>()

  function frameOf(own: Grammar, state: number | string, next: Frame | undefined): Frame {
    const grammarId = grammarIds.get(own) ?? grammarIds.size
    grammarIds.set(own, grammarId)
    const key = `${grammarId} ${state} ${next?.id ?? ''}`
    const known = frames.get(key)
    if (known !== undefined) return known
    const boundary = own === BOUNDARY ? undefined : next?.grammar === BOUNDARY ? next : next?.boundary
    const frame = { id: nextFrameId++, grammar: own, state, next, boundary }
    frames.set(key, frame)
    return frame
  }

  const bodyOf = (rule: Grammar & { kind: 'rule' }): Grammar => {
    const known = bodies.get(rule) ?? rule.body()
    bodies.set(rule, known)
    return known
  }

  /** Follows frames that take no byte until each stack has one on top that does. */
  function settle(stacks: readonly (Frame | undefined)[]): Node {
    const seen = new Set<Frame>()
    const ready: Frame[] = []
    const open = [...stacks]
    let mayEnd = false
    while (open.length > 0) {
      const frame = open.pop()
      if (frame === undefined) {
        mayEnd = true
        continue
      }
      if (seen.has(frame)) continue
      seen.add(frame)
      const { grammar: own, state, next } = frame
      switch (own.kind) {
        case 'byte':
          ready.push(frame)
          break
        case 'sequence': {
          const at = state as number
          const rest = at + 1 < own.parts.length ? () => frameOf(own, at + 1, next) : () => next
          if (at < own.parts.length) open.push(frameOf(own.parts[at]!, startOf(own.parts[at]!), rest()))
          else open.push(next)
          break
        }
        case 'choice':
          for (const option of own.options) open.push(frameOf(option, startOf(option), next))
          break
        case 'repeat': {
          const done = state as number
          if (done >= own.min) open.push(next)
          if (done >= own.max) break
          // without a bound, all counts from the least on are one
          const after = own.max === Number.POSITIVE_INFINITY ? Math.min(done + 1, own.min) : done + 1
          open.push(frameOf(own.item, startOf(own.item), frameOf(own, after, next)))
          break
        }
        case 'rule': {
          const body = bodyOf(own)
          open.push(frameOf(body, startOf(body), frameOf(BOUNDARY, 0, next)))
          break
        }
        case 'machine': {
          const at = state as string
          const exit = own.exit?.(at)
          if (exit !== undefined) open.push(frameOf(exit, startOf(exit), next))
          else ready.push(frame)
          if (own.isFinal(at)) open.push(next)
          break
        }
        default:
          own satisfies never
      }
    }
    ready.sort((a, b) => a.id - b.id)
    const key = `${mayEnd} ${ready.map(({ id }) => id).join(' ')}`
    const known = nodes.get(key)
    if (known !== undefined) return known
    const node: Node = { frames: ready, mayEnd, mustEnd: ready.length === 0, after: [] }
    nodes.set(key, node)
    return node
  }

  function step(node: Node, byte: number): Node | undefined {
    const known = node.after[byte]
    if (known !== undefined) return known ?? undefined
    const stacks: (Frame | undefined)[] = []
    for (const { grammar: own, state, next } of node.frames) {
      if (own.kind === 'byte') {
        if (own.accepts[byte] === 1) stacks.push(next)
        continue
      }
      const after = (own as Machine).step(state as string, byte)
      if (after !== undefined) stacks.push(frameOf(own, after, next))
    }
    const found = stacks.length === 0 ? undefined : settle(stacks)
    node.after[byte] = found ?? null
    return found
  }

  /** Adds the tokens below a trie node that a place allows; tells where it may end before the token does. */
  function walk(at: number, from: Node, mask: TokenMask, onEnd?: (trieNode: number) => void): void {
    for (let child = trie.child[at]!; child !== 0; child = trie.sibling[child]!) {
      const node = step(from, trie.byte[child]!)
      if (node === undefined) continue
      for (let id = trie.token[child]!; id !== -1; id = trie.same[id]!) mask[id >> 5]! |= 1 << (id & 31)
      if (trie.child[child] === 0) continue
      if (node.mayEnd) onEnd?.(child)
      if (!node.mustEnd) walk(child, node, mask, onEnd)
    }
  }

  const emptyMask = (): TokenMask => {
    const mask = new Uint32Array(Math.ceil(trie.vocabularySize / 32))
    maskBytes += mask.byteLength
    return mask
  }

  /** The part of a stack above the end of its innermost rule. */
  function within(frame: Frame): Frame {
    const above: Frame[] = []
    let at: Frame | undefined = frame
    while (at !== undefined && at !== frame.boundary) {
      above.push(at)
      at = at.next
    }
    return above.reduceRight<Frame | undefined>(
      (next, { grammar: own, state }) => frameOf(own, state, next),
      undefined,
    )!
  }

  function insideOf(frame: Frame): Inside {
    const known = insides.get(frame)
    if (known !== undefined) return known
    const mask = emptyMask()
    const ended: number[] = []
    walk(0, settle([frame]), mask, (trieNode) => ended.push(trieNode))
    const inside = { mask, ended }
    insides.set(frame, inside)
    return inside
  }

  function maskOf(node: Node): TokenMask {
    const mask = emptyMask()
    for (const frame of node.frames) {
      const inside = insideOf(within(frame))
      for (let i = 0; i < mask.length; i++) mask[i]! |= inside.mask[i]!
      if (frame.boundary === undefined) continue
      const outside = settle([frame.boundary.next])
      for (const trieNode of inside.ended) walk(trieNode, outside, mask)
    }
    if (node.mayEnd) mask[tokens.eosId >> 5]! |= 1 << (tokens.eosId & 31)
    return mask
  }

  function forgetMuch(): void {
    if (frames.size < FRAMES_MAX && maskBytes < MASK_BYTES_MAX) return
    // places that answers stand at stay valid; what they lead to is found anew
    for (const node of nodes.values()) {
      node.after = []
      delete node.mask
    }
    frames = new Map()
    nodes = new Map()
    insides = new Map()
    maskBytes = 0
  }

  return {
    start: settle([frameOf(grammar, startOf(grammar), undefined)]),
    mask(place) {
      const node = place as Node
      if (node.mask !== undefined) return node.mask
      forgetMuch()
      const mask = maskOf(node)
      if (mask.every((word) => word === 0)) throw new GrammarStuckError()
      node.mask = mask
      return mask
    },
    advance(place, tokenId) {
      if (tokenId === tokens.eosId) return place
      let node = place as Node
      for (const byte of tokens.bytes(tokenId)) {
        const next = step(node, byte)
        if (next === undefined) throw new GrammarStuckError()
        node = next
      }
      return node
    },
    forced(place, bytesMax) {
      const bytes: number[] = []
      let node = place as Node
      while (bytes.length < bytesMax && !node.mayEnd && node.frames.length === 1) {
        const own = node.frames[0]!.grammar
        if (own.kind !== 'byte') break
        const byte = own.accepts.indexOf(1)
        if (own.accepts.indexOf(1, byte + 1) !== -1) break
        bytes.push(byte)
        node = step(node, byte)!
      }
      return Uint8Array.from(bytes)
    },
  }
}

const startOf = (grammar: Grammar): number | string => (grammar.kind === 'machine' ? grammar.start : 0)

/** Tells whether a token is in a mask. */
export const isAllowed = (mask: TokenMask, tokenId: number): boolean =>
  ((mask[tokenId >> 5]! >>> (tokenId & 31)) & 1) === 1

export class GrammarStuckError extends BaseError {
  constructor() {
    super({
      code: 'engine.grammar_stuck',
      message:
        'Expected a token that fits the form the answer must have, but the vocabulary has none. Ask for a simpler form.',
    })
  }
}
