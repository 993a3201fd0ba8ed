// byte-level BPE writes each byte as one printable character; the table is that of GPT-2 and every tokenizer after it
const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)

/** The character that stands for each byte. */
export const characters: readonly string[] = (() => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
})()

const bytes = new Map(characters.map((character, byte) => [character, byte]))
const utf8 = new TextEncoder()

/** Writes text as the characters of its UTF-8 bytes. */
export function fromText(text: string): string {
  let written = ''
  for (const byte of utf8.encode(text)) written += characters[byte]!
  return written
}

/** Reads the bytes of a token; undefined when it has a character outside the table, as special tokens may. */
export function toBytes(token: string): Uint8Array | undefined {
  const read = new Uint8Array(token.length)
  for (let i = 0; i < token.length; i++) {
    const byte = bytes.get(token[i]!)
    if (byte === undefined) return undefined
    read[i] = byte
  }
  return read
}
