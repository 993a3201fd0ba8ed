import { Environment, Interpreter, Template } from '@huggingface/jinja'

/** A checkpoint's own program that writes conversations as text. */
export type ChatTemplate = {
  /** @throws {Error} when the template refuses, or does more than a template may. */
  readonly render: (values: Readonly<Record<string, unknown>>) => string
}

/** Work that may be done: a long conversation takes a few ten thousand. */
const STEPS_MAX = 1_000_000
/** Characters that count as much as one step: a text is copied faster than a statement is carried out. */
const TEXT_PER_STEP = 64
/** Elements anywhere in a value that count as much as one step: most are never looked at. */
const ELEMENTS_PER_STEP = 8
/** Characters of a text, more than a context of half a million tokens. */
const TEXT_MAX = 2 ** 21
/** Elements of a list, and of all lists in it. */
const LIST_MAX = 100_000

/**
 * Reads a Jinja template that others wrote: it ends after a bounded number of steps and with bounded values, whatever it says.
 *
 * Its globals are those of Hugging Face's templates but for `strftime_now`: what a conversation is written as must not
 * depend on the day, or no training could be repeated. Templates that ask whether it is defined have a date of their own.
 *
 * @throws {Error} when it is no template.
 */
export function createChatTemplate(text: string): ChatTemplate {
  const { parsed } = new Template(text)
  return {
    render(values) {
      const environment = new Environment()
      for (const [name, value] of Object.entries({ ...GLOBALS, ...values })) environment.set(name, value)
      const interpreter = new Interpreter(environment)
      const evaluate = interpreter.evaluate.bind(interpreter)
      let steps = 0
      interpreter.evaluate = (statement: Parameters<typeof evaluate>[0], scope: Environment) => {
        const result = evaluate(statement, scope)
        // a loop with an empty body evaluates nothing but its list
        steps += 1 + workOf(result.value)
        if (steps > STEPS_MAX) throw new Error(`it takes more than ${STEPS_MAX} steps`)
        return result
      }
      return interpreter.run(parsed).value as string
    },
  }
}

/**
 * Steps that going through a value may take. What lies in lists and objects counts as often as it can be reached: ten lists
 * of two, each in both places of the next, are a thousand elements to whoever writes them out.
 */
function workOf(value: unknown): number {
  const waiting = [value]
  let [elements, characters] = [0, 0]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next === 'string') characters += next.length
    else if (Array.isArray(next) || next instanceof Map) {
      for (const element of next.values()) waiting.push(element.value)
      elements += Array.isArray(next) ? next.length : next.size
    }
    if (characters > TEXT_MAX) throw new Error(`it makes texts of more than ${TEXT_MAX} characters`)
    if (elements > LIST_MAX) throw new Error(`it makes lists of more than ${LIST_MAX} elements`)
  }
  const length = Array.isArray(value) ? value.length : 0
  return length + elements / ELEMENTS_PER_STEP + characters / TEXT_PER_STEP
}

/** Numbers from a start to an end, as Python's `range`. */
function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  const count = Math.max(0, Math.ceil((stop - start) / step))
  if (!(count <= LIST_MAX)) throw new Error(`it asks for a range of ${count} numbers`)
  return Array.from({ length: count }, (_, i) => start + i * step)
}

const GLOBALS = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range,
  raise_exception: (message: string) => {
    throw new Error(message)
  },
}
