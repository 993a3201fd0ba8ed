import type { Tool } from '@openledger/model'
import {
  CALL_ARGUMENTS,
  CALL_END,
  CALL_HEAD,
  CALL_JOINT,
  CALL_START,
} from '@openledger/model/tokenizer/ToolText'
import { choice, type Grammar, literal, repeat, sequence, until } from './Grammar.ts'
import { jsonObject, jsonSchema } from './JsonSchema.ts'

/** A tool that an answer may call. */
export type CallableTool = Pick<Tool, 'name' | 'parameters'> & { readonly isStrict?: boolean }

/** Calls of these tools, one or several. */
export function callsOf(tools: readonly CallableTool[], isParallel: boolean): Grammar {
  const call = sequence(literal(CALL_START), afterStart(tools))
  return isParallel ? sequence(call, moreOf(call)) : call
}

/** Text, in which calls may begin; they are the end of it. */
export function textOrCallsOf(tools: readonly CallableTool[], isParallel: boolean): Grammar {
  const call = sequence(literal(CALL_START), afterStart(tools))
  const first = afterStart(tools)
  return until(CALL_START, isParallel ? sequence(first, moreOf(call)) : first)
}

const moreOf = (call: Grammar): Grammar => repeat(sequence(literal(CALL_JOINT), call), 0, CALLS_MAX - 1)

/** What follows the mark that begins a call. */
const afterStart = (tools: readonly CallableTool[]): Grammar =>
  sequence(
    literal(CALL_HEAD),
    choice(
      ...tools.map(({ name, parameters, isStrict = false }, i) =>
        sequence(
          literal(`${name}${CALL_ARGUMENTS}`),
          parameters === undefined
            ? jsonObject
            : jsonSchema(parameters, { isStrict, path: `tools.${i}.function.parameters` }),
        ),
      ),
    ),
    literal(CALL_END),
  )

const CALLS_MAX = 64

/** A part of an answer that may call tools. */
export type CallEvent =
  | { readonly kind: 'content'; readonly text: string }
  | { readonly kind: 'call'; readonly index: number; readonly name: string }
  | { readonly kind: 'arguments'; readonly index: number; readonly text: string }

export type ToolCallReader = {
  /** Reads more of the answer's text. */
  readonly push: (text: string) => CallEvent[]
  /** Gives what was held back because a call might have begun. */
  readonly flush: () => CallEvent[]
}

/** Reads an answer that was held to `callsOf` or `textOrCallsOf`: content as it is certain, arguments as they come. */
export function createToolCallReader(): ToolCallReader {
  let state: 'content' | 'name' | 'arguments' | 'between' = 'content'
  let held = ''
  let index = -1

  function take(isLast: boolean): CallEvent | undefined {
    switch (state) {
      case 'content': {
        const at = held.indexOf(CALL_START)
        const end = at >= 0 ? at : isLast ? held.length : held.length - startLength(held, CALL_START)
        const text = held.slice(0, end)
        held = held.slice(at >= 0 ? end + CALL_START.length : end)
        if (at >= 0) state = 'name'
        // a call stands on its own line
        return text === '' && at < 0 ? undefined : { kind: 'content', text }
      }
      case 'name': {
        const at = held.indexOf(CALL_ARGUMENTS)
        if (at < 0) return undefined
        const name = held.slice(CALL_HEAD.length, at)
        held = held.slice(at + CALL_ARGUMENTS.length)
        state = 'arguments'
        return { kind: 'call', index: ++index, name }
      }
      case 'arguments': {
        const at = held.indexOf(CALL_END)
        const end = at >= 0 ? at : isLast ? held.length : held.length - startLength(held, CALL_END)
        const text = held.slice(0, end)
        held = held.slice(at >= 0 ? end + CALL_END.length : end)
        if (at >= 0) state = 'between'
        return text === '' && at < 0 ? undefined : { kind: 'arguments', index, text }
      }
      case 'between': {
        const at = held.indexOf(CALL_START)
        if (at < 0) return undefined
        held = held.slice(at + CALL_START.length)
        state = 'name'
        return take(isLast)
      }
      default:
        return state satisfies never
    }
  }

  function read(isLast: boolean): CallEvent[] {
    const events: CallEvent[] = []
    for (;;) {
      const event = take(isLast)
      if (event === undefined) return events
      if (event.kind === 'call' || event.text !== '') events.push(event)
    }
  }

  return {
    push(text) {
      held += text
      return read(false)
    },
    flush: () => read(true),
  }
}

/** Length of the longest end of `text` that `mark` begins with. */
function startLength(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length
  }
  return 0
}
