import { BaseError, Bytes } from '@openledger/primitives'
import { Contribution, RecordForm } from '@openledger/protocol'
import { splitMarkdown } from './MarkdownRecords.ts'
import { splitSolidity } from './SolidityRecords.ts'
import { pack, splitAfter } from './TextPieces.ts'

/** A file as it was chosen in the page or read from a disk. */
export type SourceFile = {
  /** Name or path; its ending tells the kind. */
  readonly name: string
  readonly text: string
}

/** A record is small enough to point at: about a screen of text. */
export const RECORD_CHARACTERS_MAX = 1_200
export const FILE_BYTES_MAX = 2 * 1024 * 1024

/**
 * Splits a file into records by the rules of its kind: Solidity by contracts and functions with their documentation,
 * Markdown by headings and paragraphs, JSON Lines by lines, anything else by paragraphs.
 *
 * Except for JSON Lines the records, joined, are the file's text: nothing is left out, nothing is there twice.
 *
 * @returns Texts of at most `RECORD_CHARACTERS_MAX` UTF-16 units, none of them blank.
 * @throws {FileEmptyError} @throws {FileSizeError} @throws {FileNotTextError} @throws {JsonLineError}
 */
export function splitIntoRecords({ name, text }: SourceFile): string[] {
  const sizeBytes = Bytes.fromUtf8(text).length
  if (sizeBytes > FILE_BYTES_MAX) throw new FileSizeError(name, sizeBytes)
  if (text.trim() === '') throw new FileEmptyError(name)
  // a replacement character is what decoding leaves of bytes that were no UTF-8
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what tells binary from text
  const binary = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffd]/.exec(text)
  if (binary !== null) throw new FileNotTextError(name, binary.index)
  switch (name.slice(name.lastIndexOf('.') + 1).toLowerCase()) {
    case 'sol':
      return splitSolidity(text, RECORD_CHARACTERS_MAX)
    case 'md':
    case 'mdx':
    case 'markdown':
      return splitMarkdown(text, RECORD_CHARACTERS_MAX)
    case 'jsonl':
    case 'ndjson':
      return splitJsonLines(name, text)
    default:
      return pack(splitAfter(text, /\n[ \t]*\n+/g), { min: 200, max: RECORD_CHARACTERS_MAX })
  }
}

/**
 * Takes what a line's object carries under the names in use for training data: a text, or one of the other forms of a record,
 * which is kept whole.
 */
function splitJsonLines(name: string, text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      throw new JsonLineError(name, index + 1, 'is not JSON')
    }
    const form = RecordForm.fromValue(value)
    if (form !== undefined) {
      const written = RecordForm.write(form)
      const sizeBytes = Bytes.fromUtf8(written).length
      if (sizeBytes <= Contribution.RECORD_BYTES_MAX) return [written]
      throw new JsonLineError(
        name,
        index + 1,
        `has ${sizeBytes} bytes, and a record at most ${Contribution.RECORD_BYTES_MAX}: shorten or split it`,
      )
    }
    const record = textOf(value)
    if (record === undefined || record.trim() === '') {
      throw new JsonLineError(
        name,
        index + 1,
        'has no "text", no "prompt" with "completion" or with "chosen" and "rejected", and no "messages"',
      )
    }
    return pack([record], { min: 0, max: RECORD_CHARACTERS_MAX })
  })
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return undefined
  const { text } = value as Record<string, unknown>
  return typeof text === 'string' ? text : undefined
}

export class FileEmptyError extends BaseError {
  constructor(name: string) {
    super({
      code: 'file.empty',
      message: `Expected text in ${name}, but it is empty. Leave it out.`,
      context: { name },
    })
  }
}

export class FileSizeError extends BaseError {
  constructor(name: string, sizeBytes: number) {
    super({
      code: 'file.size',
      message: `Expected ${name} to have at most ${FILE_BYTES_MAX} bytes, got ${sizeBytes}. Split it into several files.`,
      context: { name, sizeBytes, maxBytes: FILE_BYTES_MAX },
    })
  }
}

export class FileNotTextError extends BaseError {
  constructor(name: string, at: number) {
    super({
      code: 'file.not_text',
      message: `Expected ${name} to be UTF-8 text, but character ${at} is none. Convert it to text, or leave it out.`,
      context: { name, at },
    })
  }
}

export class JsonLineError extends BaseError {
  constructor(name: string, line: number, reason: string) {
    super({
      code: 'file.json_line',
      message: `Expected one JSON object with text on every line of ${name}, but line ${line} ${reason}.`,
      context: { name, line },
    })
  }
}
