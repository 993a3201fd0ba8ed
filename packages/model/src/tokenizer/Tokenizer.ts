import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { BaseError } from '@openledger/primitives'
import * as ByteLevel from './ByteLevel.ts'
import { createChatTemplate } from './ChatTemplate.ts'
import * as SentencePiece from './SentencePiece.ts'
import { asFunction, plainMessages, templateMessages } from './ToolText.ts'

/** One message of a conversation. */
export type Message = {
  readonly role: string
  readonly content: string
  /** Calls that an assistant's message made; `arguments` is the text of a JSON object. */
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: string }[]
}

/** A function that the model may ask to be called. */
export type Tool = {
  readonly name: string
  readonly description?: string
  /** JSON Schema of its arguments. */
  readonly parameters?: Readonly<Record<string, unknown>>
}

/** A token's part of the decoded text, in UTF-16 units; `end` is exclusive. */
export type Offset = { readonly start: number; readonly end: number }

export type Tokenizer = {
  /**
   * Encodes text; adds no special tokens and reads none: text that looks like one is plain text, so that a user's words
   * cannot end a document.
   */
  readonly encode: (text: string) => number[]
  /** Decodes ids; special tokens are left out, broken UTF-8 becomes U+FFFD. */
  readonly decode: (ids: readonly number[]) => string
  /**
   * Writes a conversation as the prompt text that the model continues, by the checkpoint's chat template; where that knows
   * no tools, they are told in words.
   */
  readonly chat: (messages: readonly Message[], tools?: readonly Tool[]) => string
  /** Gives each id its part of `decode(ids)`; a character made by several tokens belongs to the last of them. */
  readonly offsets: (ids: readonly number[]) => Offset[]
  /** Bytes that a token stands for; none for special tokens. Not to be changed. */
  readonly bytes: (id: number) => Uint8Array
  readonly vocabularySize: number
  readonly bosId: number
  readonly eosId: number
  readonly padId: number
}

/** Contents one after the other, each with a line break: the model continues text, it was not taught roles. */
export const plainTemplate = "{% for message in messages %}{{ message['content'] }}{{ '\\n' }}{% endfor %}"

type AddedToken = { readonly id: number; readonly content: string }

/**
 * Makes a tokenizer from the content of `tokenizer.json` and `tokenizer_config.json`.
 *
 * Byte-level BPE (GPT-2, Llama 3, Qwen), and SentencePiece with a piece for every byte: BPE (Llama 2, Mistral, Gemma) or unigram.
 * @throws {TokenizerError} when it is of another kind, or its special tokens are missing.
 */
export const createTokenizer = (tokenizerJson: unknown, tokenizerConfig: unknown): Tokenizer =>
  inWords('its parts do not fit together', () => build(tokenizerJson, tokenizerConfig))

function build(tokenizerJson: unknown, tokenizerConfig: unknown): Tokenizer {
  const json = tokenizerJson as {
    model?: {
      type?: string
      vocab?: SentencePiece.StoredVocabulary
      byte_fallback?: boolean
      unk_id?: number | null
    }
    added_tokens?: AddedToken[]
    decoder?: { type?: string }
  } | null
  const config = (tokenizerConfig ?? {}) as Record<string, unknown>
  const vocabulary = json?.model?.vocab
  const { type, byte_fallback: hasBytes, unk_id: unknownId } = json?.model ?? {}
  const isByteLevel = type === 'BPE' && json?.decoder?.type === 'ByteLevel'
  if (!json || !vocabulary || !(isByteLevel || (hasBytes && (type === 'BPE' || type === 'Unigram')))) {
    throw new TokenizerError(`it is ${type ?? 'of no kind'}, with no way to write every byte`)
  }
  const added = json.added_tokens ?? []
  // without added tokens, and with special pieces that no text has, text is never read as a special token
  const model = SentencePiece.withoutText(json.model ?? {}, new Set(added.map(({ id }) => id)))
  const library = inWords(
    'it cannot be set up',
    () =>
      new HuggingFaceTokenizer({ ...json, model, added_tokens: [] }, { ...config, added_tokens_decoder: {} }),
  )
  const pieces: (Uint8Array | undefined)[] = []
  const toBytes = isByteLevel ? ByteLevel.toBytes : SentencePiece.toBytes
  const ids = new Map(SentencePiece.piecesOf(vocabulary))
  for (const [token, id] of [...ids, ...added.map(({ content, id }) => [content, id] as const)]) {
    if (!Number.isSafeInteger(id) || id < 0 || id >= IDS_MAX)
      throw new TokenizerError(`${JSON.stringify(token)} has the id ${JSON.stringify(id)}`)
  }
  for (const [token, id] of ids) pieces[id] = toBytes(token)
  const special = new Set(
    added.map(({ id, content }) => {
      pieces[id] = toBytes(content)
      return id
    }),
  )

  const idOf = (name: string, fallback?: number): number => {
    const entry = config[name]
    const content =
      typeof entry === 'string' ? entry : (entry as { content?: string } | null | undefined)?.content
    const id = added.find((token) => token.content === content)?.id ?? fallback
    if (id === undefined) throw new TokenizerError(`${name} is not among its added tokens`)
    return id
  }
  const eosId = idOf('eos_token')
  const templateText = typeof config.chat_template === 'string' ? config.chat_template : plainTemplate
  const template = inWords('its chat template is none', () => createChatTemplate(templateText))
  const knowsTools = /\btools\b/.test(templateText)

  const bytesOf = (id: number): Uint8Array => (special.has(id) ? noBytes : (pieces[id] ?? noBytes))
  const stripsFirst = !isByteLevel && SentencePiece.stripsFirstSpace(json.decoder)
  const byteIds = Array.from({ length: 256 }, (_, byte) =>
    ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  )
  if (!isByteLevel && byteIds.includes(undefined)) throw new TokenizerError('it has no piece for every byte')
  const encode = (text: string): number[] => {
    const encoded = inWords('it cannot encode text', () =>
      library.encode(text, { add_special_tokens: false }),
    )
    // the library writes bytes for byte-pair models alone
    return type === 'Unigram' && typeof unknownId === 'number'
      ? SentencePiece.withBytes(encoded, unknownId, byteIds as number[])
      : encoded.ids
  }
  const walk = (ids: readonly number[], visit: (text: string) => void): void => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    let isStart = stripsFirst
    ids.forEach((id, index) => {
      const bytes = bytesOf(id)
      const isLast = index === ids.length - 1
      visit(decoder.decode(isStart && bytes[0] === 0x20 ? bytes.subarray(1) : bytes, { stream: !isLast }))
      if (bytes.length > 0) isStart = false
    })
  }

  return {
    encode,
    decode: (ids) => {
      let text = ''
      walk(ids, (part) => {
        text += part
      })
      return text
    },
    chat: (messages, tools = []) =>
      inWords('its chat template cannot be written out', () =>
        template.render({
          messages: knowsTools ? templateMessages(messages) : plainMessages(messages, tools),
          ...(knowsTools && tools.length > 0 ? { tools: tools.map(asFunction) } : {}),
          bos_token: '',
          eos_token: added.find(({ id }) => id === eosId)!.content,
          add_generation_prompt: true,
        }),
      ),
    offsets: (ids) => {
      const offsets: Offset[] = []
      let start = 0
      walk(ids, (part) => {
        offsets.push({ start, end: start + part.length })
        start += part.length
      })
      return offsets
    },
    bytes: bytesOf,
    vocabularySize: pieces.length,
    bosId: idOf('bos_token', eosId),
    eosId,
    padId: idOf('pad_token', eosId),
  }
}

const noBytes = new Uint8Array(0)
/** More than any tokenizer has; a larger id is a mistake, and would take its number in memory. */
const IDS_MAX = 2 ** 22

/** Carries out what a checkpoint's own files may break, and says so in our words when they do. */
function inWords<Result>(reason: string, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof BaseError) throw cause
    throw new TokenizerError(`${reason} (${(cause as Error).message})`)
  }
}

export class TokenizerError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'tokenizer.unsupported',
      message: `Expected the tokenizer.json of a byte-level BPE tokenizer, or of a SentencePiece one with byte fallback, but ${reason}. Use a checkpoint that has one.`,
    })
  }
}
