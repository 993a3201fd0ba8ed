import type { Message, Tool } from './Tokenizer.ts'

/**
 * How a call of a tool stands in text, as Qwen and Hermes models write it: one JSON object between two marks.
 *
 * @see Qwen2.5 and Hermes 2 Pro chat templates.
 */
export const CALL_START = '<tool_call>'
export const CALL_HEAD = '\n{"name": "'
export const CALL_ARGUMENTS = '", "arguments": '
export const CALL_END = '}\n</tool_call>'
export const CALL_JOINT = '\n'

/** Writes a call; `argumentsText` is JSON. */
export const writeCall = (name: string, argumentsText: string): string =>
  `${CALL_START}${CALL_HEAD}${name}${CALL_ARGUMENTS}${argumentsText}${CALL_END}`

/** Turns tools, calls and their results into plain messages, for templates that know nothing of tools. */
export function plainMessages(messages: readonly Message[], tools: readonly Tool[]): Message[] {
  const plain = messages.map(({ role, content, toolCalls = [] }) => {
    if (role === 'tool') return { role: 'user', content: `<tool_response>\n${content}\n</tool_response>` }
    const calls = toolCalls.map((call) => writeCall(call.name, call.arguments)).join(CALL_JOINT)
    return { role, content: [content, calls].filter((part) => part !== '').join('\n') }
  })
  if (tools.length === 0) return plain
  const lines = tools.map((tool) => JSON.stringify(asFunction(tool)))
  const about = [
    'You may call these functions:',
    '<tools>',
    ...lines,
    '</tools>',
    `To call one, answer ${writeCall('NAME', '{...}')}`,
  ].join('\n')
  const [first, ...rest] = plain
  return first?.role === 'system'
    ? [{ role: 'system', content: `${first.content}\n\n${about}` }, ...rest]
    : [{ role: 'system', content: about }, ...plain]
}

/** Writes messages as templates that know tools expect them. */
export const templateMessages = (messages: readonly Message[]): Record<string, unknown>[] =>
  messages.map(({ role, content, toolCalls }) => ({
    role,
    content,
    ...(toolCalls === undefined
      ? {}
      : {
          tool_calls: toolCalls.map(({ name, arguments: text }) => ({
            type: 'function',
            function: { name, arguments: JSON.parse(text) as unknown },
          })),
        }),
  }))

export const asFunction = ({ name, description, parameters }: Tool) => ({
  type: 'function',
  function: {
    name,
    ...(description === undefined ? {} : { description }),
    parameters: parameters ?? { type: 'object', properties: {} },
  },
})
