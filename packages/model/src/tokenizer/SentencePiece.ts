/** The character that SentencePiece writes for a space. */
const SPACE = '▁'
const utf8 = new TextEncoder()

/** What `tokenizer.json` says of a vocabulary: pieces with ids (BPE), or with scores in the order of their ids (unigram). */
export type StoredVocabulary = Readonly<Record<string, number>> | readonly (readonly [string, number])[]

/** Lists the pieces of a vocabulary with their ids. */
export const piecesOf = (vocabulary: StoredVocabulary): [piece: string, id: number][] =>
  Array.isArray(vocabulary)
    ? (vocabulary as readonly (readonly [string, number])[]).map(([piece], id) => [piece, id])
    : Object.entries(vocabulary as Readonly<Record<string, number>>)

/** Gives special pieces of a unigram model names that no text has; a byte-pair model reaches them by no merge. */
export function withoutText<Model extends { readonly vocab?: StoredVocabulary }>(
  model: Model,
  specialIds: ReadonlySet<number>,
): Model {
  if (!Array.isArray(model.vocab)) return model
  const pieces = model.vocab as readonly (readonly [string, number])[]
  return {
    ...model,
    vocab: pieces.map(([piece, score], id) => [specialIds.has(id) ? `\0${piece}` : piece, score] as const),
  }
}

/** Reads the bytes of a piece: a single byte that is written as `<0x0A>`, or text. */
export function toBytes(piece: string): Uint8Array {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(piece)
  return byte ? Uint8Array.of(Number.parseInt(byte[1]!, 16)) : utf8.encode(piece.replaceAll(SPACE, ' '))
}

/** Whether decoding takes the space away that encoding puts before a text. */
export function stripsFirstSpace(decoder: unknown): boolean {
  const { type, decoders, start, prepend_scheme } = (decoder ?? {}) as {
    type?: string
    decoders?: readonly unknown[]
    start?: number
    prepend_scheme?: string
  }
  if (type === 'Sequence') return (decoders ?? []).some(stripsFirstSpace)
  if (type === 'Strip') return (start ?? 0) > 0
  return type === 'Metaspace' && prepend_scheme !== 'never'
}

/**
 * Writes what a vocabulary has no piece for as its bytes.
 * @param encoded - Ids with the text of each, as the library gives them.
 * @param unknownId - The id that stands for what has no piece.
 * @param byteIds - The ids of the 256 bytes.
 */
export const withBytes = (
  { ids, tokens }: { readonly ids: readonly number[]; readonly tokens: readonly string[] },
  unknownId: number,
  byteIds: readonly number[],
): number[] =>
  ids.flatMap((id, i) =>
    id === unknownId
      ? [...utf8.encode(tokens[i]!.replaceAll(SPACE, ' '))].map((byte) => byteIds[byte]!)
      : [id],
  )
