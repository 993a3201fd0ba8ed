import { BaseError } from '@openledger/primitives'
import { choice, type Grammar, literal, optional, repeat, sequence } from './Grammar.ts'
import { type NumberBounds, numberWithin } from './GrammarNumber.ts'
import { characters, pattern } from './GrammarPattern.ts'

/** A JSON Schema as it came; read with `jsonSchema`. */
export type JsonSchema = { readonly [keyword: string]: unknown }

/** OpenAI's limits on strict schemas. */
export const SCHEMA_LIMITS = {
  properties: 5_000,
  depth: 10,
  /** Characters of all names, enum values and constants together. */
  characters: 120_000,
  enumValues: 1_000,
} as const
/** Bounds that are counted one by one. */
const COUNT_MAX = 10_000

const digits = (min: number, max: number): Grammar => repeat(pattern('^[0-9]$'), min, max)
const integer = sequence(
  optional(literal('-')),
  choice(literal('0'), sequence(pattern('^[1-9]$'), digits(0, 14))),
)
const number = sequence(
  integer,
  optional(sequence(literal('.'), digits(1, 15))),
  optional(sequence(pattern('^[eE]$'), optional(pattern('^[+-]$')), digits(1, 2))),
)
const quote = literal('"')
/** A string as most are: what must be escaped is, and nothing is bounded. */
const string = rule(() => sequence(quote, characters(0, Number.POSITIVE_INFINITY), quote))
const boolean = choice(literal('true'), literal('false'))
const nothing = literal('null')

function rule(body: () => Grammar): Grammar {
  return { kind: 'rule', body }
}

/** White space as JSON is usually laid out; without a bound, a poor model would write nothing else. */
const space = optional(choice(literal(' '), sequence(literal('\n'), repeat(literal(' '), 0, 32))))
const list = (item: Grammar, before: Grammar = literal('')): Grammar =>
  optional(sequence(item, repeat(sequence(before, literal(','), space, item))))
const anyObject: Grammar = rule(() =>
  sequence(
    literal('{'),
    space,
    list(sequence(string, literal(':'), space, anyValue), space),
    space,
    literal('}'),
  ),
)
const anyArray: Grammar = rule(() =>
  sequence(literal('['), space, list(anyValue, space), space, literal(']')),
)
const anyValue: Grammar = choice(anyObject, anyArray, string, number, boolean, nothing)

/** Any JSON object, as `response_format: {"type": "json_object"}` promises. */
export const jsonObject: Grammar = anyObject

/** Formats of strings that OpenAI names, as far as they can be checked character by character. */
const FORMATS: Readonly<Record<string, string>> = (() => {
  const date =
    '[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))'
  const time =
    '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])'
  const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
  const byte = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
  return {
    date: `^${date}$`,
    time: `^${time}$`,
    'date-time': `^${date}T${time}$`,
    duration: '^P(?:[0-9]{1,9}W|[0-9]{1,9}D(?:T[0-9]{1,9}H)?|T[0-9]{1,9}[HMS])$',
    email: `^[A-Za-z0-9_]{1,32}(?:[.+-][A-Za-z0-9_]{1,10}){0,3}@(?:${label}\\.){1,4}[a-z]{2,24}$`,
    hostname: `^${label}(?:\\.${label}){0,3}$`,
    ipv4: `^${byte}(?:\\.${byte}){3}$`,
    ipv6: '^(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$',
    uuid: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
  }
})()

const COMMON = ['type', 'enum', 'const', 'anyOf', '$ref', '$defs', 'definitions']
const ANNOTATIONS = [
  'title',
  'description',
  'default',
  'examples',
  '$schema',
  '$id',
  '$comment',
  'deprecated',
]
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['pattern', 'format', 'minLength', 'maxLength'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
}
const UNDERSTOOD = new Set([...COMMON, ...ANNOTATIONS, ...Object.values(KEYWORDS).flat()])

/**
 * Reads a JSON Schema as the grammar of the values it allows, written without white space and with properties in the order
 * of the schema.
 *
 * @param path - Where the schema stands, for errors.
 * @param isStrict - OpenAI's rules for `strict: true`: the root is an object, every object says `additionalProperties: false`
 * and requires all its properties, and the limits hold. Without it, objects have the properties named and no others.
 * @throws {SchemaError} that names the place and what is not understood there, rather than to ignore it.
 * @see OpenAI, "Structured outputs", supported schemas.
 */
export function jsonSchema(
  root: JsonSchema,
  { isStrict, path: at = 'schema' }: { readonly isStrict: boolean; readonly path?: string },
): Grammar {
  const counts = { properties: 0, characters: 0, enumValues: 0 }
  const rules = new Map<unknown, Grammar>()

  const within = (path: string, name: keyof typeof counts, more: number): void => {
    counts[name] += more
    if (counts[name] > SCHEMA_LIMITS[name]) {
      throw new SchemaError(path, `at most ${SCHEMA_LIMITS[name]} ${name} in all`, `${counts[name]}`)
    }
  }

  /** Reads a schema once, so that one that contains itself is one rule. */
  function named(schema: unknown, path: string, depth: number): Grammar {
    const known = rules.get(schema)
    if (known !== undefined) return known
    let body: Grammar | undefined
    const own = rule(() => body!)
    rules.set(schema, own)
    body = read(schema, path, depth)
    return own
  }

  function resolve(reference: unknown, path: string): Grammar {
    if (typeof reference !== 'string' || !reference.startsWith('#')) {
      throw new SchemaError(path, 'a $ref within the schema, such as #/$defs/name', String(reference))
    }
    let found: unknown = root
    for (const part of reference.slice(1).split('/').slice(1)) {
      const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
      found = isRecord(found) && Object.hasOwn(found, name) ? found[name] : undefined
    }
    if (!isRecord(found)) throw new SchemaError(path, 'a $ref to a schema that is there', reference)
    return named(found, `${at}${reference.slice(1).replaceAll('/', '.')}`, 1)
  }

  function read(schema: unknown, path: string, depth: number): Grammar {
    if (!isRecord(schema)) throw new SchemaError(path, 'a schema object', JSON.stringify(schema))
    if (depth > SCHEMA_LIMITS.depth) {
      throw new SchemaError(path, `at most ${SCHEMA_LIMITS.depth} levels`, 'a deeper one')
    }
    const unknown = Object.keys(schema).find((keyword) => !UNDERSTOOD.has(keyword))
    if (unknown !== undefined) {
      throw new SchemaError(`${path}.${unknown}`, 'a keyword that is supported', unknown)
    }
    const { type, enum: values, const: constant, anyOf, $ref } = schema
    if ($ref !== undefined) return resolve($ref, `${path}.$ref`)
    if (anyOf !== undefined) {
      if (!Array.isArray(anyOf) || anyOf.length === 0) throw new SchemaError(path, 'schemas in anyOf', 'none')
      return choice(...anyOf.map((one, i) => read(one, `${path}.anyOf[${i}]`, depth)))
    }
    if (constant !== undefined) return constantOf(constant, path)
    if (values !== undefined) {
      if (!Array.isArray(values) || values.length === 0) throw new SchemaError(path, 'values in enum', 'none')
      within(path, 'enumValues', values.length)
      return choice(...values.map((value) => constantOf(value, path)))
    }
    const types = Array.isArray(type) ? type : [type]
    if (type === undefined && isStrict) throw new SchemaError(path, 'a type', 'none')
    if (type === undefined) return anyValue
    return choice(...types.map((one) => ofType(one, schema, path, depth)))
  }

  function constantOf(value: unknown, path: string): Grammar {
    const text = JSON.stringify(value)
    within(path, 'characters', text.length)
    return literal(text)
  }

  function ofType(type: unknown, schema: JsonSchema, path: string, depth: number): Grammar {
    switch (type) {
      case 'object':
        return objectOf(schema, path, depth)
      case 'array':
        return arrayOf(schema, path, depth)
      case 'string':
        return stringOf(schema, path)
      case 'number':
      case 'integer':
        return numberOf(schema, path, type === 'integer')
      case 'boolean':
        return boolean
      case 'null':
        return nothing
      default:
        throw new SchemaError(`${path}.type`, 'a type of JSON', String(type))
    }
  }

  function objectOf(schema: JsonSchema, path: string, depth: number): Grammar {
    const { properties = {}, required = [], additionalProperties } = schema
    if (!isRecord(properties) || !Array.isArray(required)) {
      throw new SchemaError(path, 'properties and a list of those required', 'something else')
    }
    const names = Object.keys(properties)
    if (isStrict) {
      if (additionalProperties !== false) {
        throw new SchemaError(path, 'additionalProperties: false', String(additionalProperties))
      }
      const missing = names.find((name) => !required.includes(name))
      if (missing !== undefined) throw new SchemaError(path, `all properties in required`, `not ${missing}`)
    } else if (names.length === 0 && additionalProperties !== false) return anyObject
    const unknown = required.find((name) => !names.includes(name as string))
    if (unknown !== undefined)
      throw new SchemaError(path, 'required properties that are there', String(unknown))
    within(path, 'properties', names.length)
    const members = names.map((name) => {
      within(path, 'characters', name.length)
      const value = read(properties[name], `${path}.properties.${name}`, depth + 1)
      return {
        member: sequence(literal(`${JSON.stringify(name)}:`), value),
        isOptional: !required.includes(name),
      }
    })
    // from the last to the first: what may follow with a member before it, and without
    let withComma: Grammar = literal('}')
    let without: Grammar = literal('}')
    for (const { member, isOptional } of members.reverse()) {
      const taken = sequence(member, withComma)
      const next = sequence(literal(','), taken)
      without = isOptional ? choice(taken, without) : taken
      withComma = isOptional ? choice(next, withComma) : next
    }
    return rule(() => sequence(literal('{'), without))
  }

  function arrayOf({ items, ...schema }: JsonSchema, path: string, depth: number): Grammar {
    const [min, max] = bounds(schema, 'minItems', 'maxItems', path)
    if (items === undefined && isStrict) throw new SchemaError(path, 'items', 'none')
    const item = items === undefined ? anyValue : read(items, `${path}.items`, depth + 1)
    const more = sequence(literal(','), item)
    const filled = sequence(item, repeat(more, Math.max(0, min - 1), max - 1))
    const inner = max === 0 ? literal('') : min === 0 ? optional(filled) : filled
    return rule(() => sequence(literal('['), inner, literal(']')))
  }

  function stringOf(schema: JsonSchema, path: string): Grammar {
    const { pattern: source, format } = schema
    const [min, max] = bounds(schema, 'minLength', 'maxLength', path)
    const isBounded = min > 0 || max < Number.POSITIVE_INFINITY
    if (Number(source !== undefined) + Number(format !== undefined) + Number(isBounded) > 1) {
      throw new SchemaError(path, 'one of pattern, format and lengths', 'several')
    }
    if (format !== undefined && !(typeof format === 'string' && Object.hasOwn(FORMATS, format))) {
      throw new SchemaError(`${path}.format`, Object.keys(FORMATS).join(', '), String(format))
    }
    const expression = source ?? (format === undefined ? undefined : FORMATS[format as string])
    if (expression === undefined) {
      return isBounded ? rule(() => sequence(quote, characters(min, max), quote)) : string
    }
    try {
      const inner = pattern(String(expression))
      return rule(() => sequence(quote, inner, quote))
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause
      throw new SchemaError(`${path}.pattern`, 'a regular expression that is supported', cause.message)
    }
  }

  function numberOf(schema: JsonSchema, path: string, isInteger: boolean): Grammar {
    const given = Object.fromEntries(
      KEYWORDS.number!.flatMap((keyword) =>
        schema[keyword] === undefined ? [] : [[keyword, schema[keyword]]],
      ),
    )
    if (Object.keys(given).length === 0) return isInteger ? integer : number
    const wrong = Object.entries(given).find(([, value]) => !Number.isFinite(value))
    if (wrong !== undefined) throw new SchemaError(`${path}.${wrong[0]}`, 'a number', String(wrong[1]))
    const machine = numberWithin({ ...(given as Omit<NumberBounds, 'isInteger'>), isInteger })
    if (machine === undefined) {
      throw new SchemaError(
        path,
        'bounds of at most 15 digits with a number between them',
        JSON.stringify(given),
      )
    }
    return machine
  }

  if (isStrict && (root.type !== 'object' || root.anyOf !== undefined)) {
    throw new SchemaError(at, 'an object at the root', root.anyOf ? 'anyOf' : String(root.type))
  }
  const grammar = named(root, at, 1)
  for (const own of rules.values()) assertGrowing(own, at, new Set())
  return grammar
}

/** Refuses a schema that is nothing but itself, which allows no value. */
function assertGrowing(grammar: Grammar, path: string, above: ReadonlySet<Grammar>): void {
  if (above.has(grammar)) throw new SchemaError(path, 'a schema besides itself', 'a circle of $ref')
  const within = new Set([...above, grammar])
  if (grammar.kind === 'rule') assertGrowing(grammar.body(), path, within)
  if (grammar.kind === 'choice') for (const option of grammar.options) assertGrowing(option, path, within)
}

function bounds(schema: JsonSchema, least: string, most: string, path: string): readonly [number, number] {
  const { [least]: min = 0, [most]: max = Number.POSITIVE_INFINITY } = schema
  const isCount = (value: unknown): value is number =>
    value === Number.POSITIVE_INFINITY ||
    (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= COUNT_MAX)
  if (!isCount(min) || !isCount(max) || min > max || min === Number.POSITIVE_INFINITY) {
    throw new SchemaError(
      path,
      `${least} and ${most} as whole numbers from 0 to ${COUNT_MAX}, in order`,
      `${String(min)} and ${String(max)}`,
    )
  }
  return [min, max]
}

const isRecord = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export class SchemaError extends BaseError {
  constructor(path: string, expected: string, got: string) {
    super({
      code: 'openlora.schema',
      message: `Expected ${expected} at ${path.slice(0, 200)}, got ${got.slice(0, 200)}. Change the schema.`,
      context: { param: path.slice(0, 200), expected, got: got.slice(0, 200) },
    })
  }
}
