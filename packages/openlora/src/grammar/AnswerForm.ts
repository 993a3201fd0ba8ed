import type { Tokenizer } from '@openledger/model'
import type { Grammar } from './Grammar.ts'
import { choice } from './Grammar.ts'
import { createGrammarMatcher, type GrammarMatcher } from './GrammarMatcher.ts'
import { type JsonSchema, jsonObject, jsonSchema } from './JsonSchema.ts'
import { createTokenTrie, type TokenTrie } from './TokenTrie.ts'
import { type CallableTool, callsOf, textOrCallsOf } from './ToolCalls.ts'

/** The form that an answer is held to, as plain data. */
export type AnswerForm = {
  /** What its text is. Undefined: anything. */
  readonly json?: { readonly schema?: JsonSchema; readonly isStrict: boolean }
  readonly tools?: {
    readonly callable: readonly CallableTool[]
    /** Whether it must call one. */
    readonly isRequired: boolean
    /** Whether it may call several. */
    readonly isParallel: boolean
  }
}

/** Gives the grammar of a form. @throws {SchemaError} */
export function grammarOf({ json, tools }: AnswerForm): Grammar {
  const content =
    json === undefined
      ? undefined
      : json.schema === undefined
        ? jsonObject
        : jsonSchema(json.schema, { isStrict: json.isStrict, path: 'response_format.json_schema.schema' })
  if (tools === undefined) return content!
  const { callable, isRequired, isParallel } = tools
  if (isRequired) return callsOf(callable, isParallel)
  if (content === undefined) return textOrCallsOf(callable, isParallel)
  return choice(content, callsOf(callable, isParallel))
}

/** Forms whose automata are kept. */
const FORMS_MAX = 32

/** Creates the automata of forms over one vocabulary, each once. */
export function createFormMatchers(
  tokenizer: Pick<Tokenizer, 'bytes' | 'eosId'>,
  vocabularySize: number,
): (form: AnswerForm) => GrammarMatcher {
  let trie: TokenTrie | undefined
  const known = new Map<string, GrammarMatcher>()
  return (form) => {
    const key = JSON.stringify(form)
    trie ??= createTokenTrie(vocabularySize, tokenizer.bytes)
    const matcher = known.get(key) ?? createGrammarMatcher(grammarOf(form), trie, tokenizer)
    known.delete(key)
    known.set(key, matcher)
    if (known.size > FORMS_MAX) known.delete(known.keys().next().value!)
    return matcher
  }
}
