import { BaseError, type Hex, Open } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import {
  ContractFunctionRevertedError,
  decodeFunctionData,
  encodeFunctionData,
  isAddress,
  isHex,
  type PublicClient,
  BaseError as ViemError,
} from 'viem'
import {
  DEFINITIONS,
  type Definition,
  type Field,
  type Parameter,
  type Unit,
} from './parameterDefinitions.ts'

export type { Field, Parameter, Unit } from './parameterDefinitions.ts'

export type Value = bigint | Hex

/** What a proposal has the timelock do. */
export type Call = { readonly target: Hex; readonly valueWei: bigint; readonly data: Hex }

/** A call in words: what it sets, and each value with the one that stands now, where that can be read. */
export type Effect = {
  readonly title: string
  readonly parameter: Parameter | undefined
  readonly lines: readonly {
    readonly label: string
    readonly current: string | undefined
    readonly proposed: string
  }[]
}

/** Everything that a vote can set by name; any other call can be proposed as it is. */
export const ALL: readonly Parameter[] = DEFINITIONS

const definitionOf = (key: string): Definition => {
  const found = DEFINITIONS.find((one) => one.key === key)
  if (found === undefined) throw new UnknownParameterError(key)
  return found
}

/** Gives a parameter. @throws {UnknownParameterError} */
export const get = (key: string): Parameter => definitionOf(key)

/** Reads a value as people write it. @throws {ParameterValueError} */
export function parse({ label, unit }: Field, text: string): Value {
  const word = text.trim()
  switch (unit) {
    case 'percent':
      if (!/^\d{1,3}(\.\d{1,2})?$/.test(word) || Number(word) > 100) break
      return BigInt(Math.round(Number(word) * 100))
    case 'seconds':
      if (!/^\d{1,10}$/.test(word)) break
      return BigInt(word)
    case 'OPEN':
      return Open.parse(word)
    case 'address':
      if (!isAddress(word, { strict: false })) break
      return word.toLowerCase() as Hex
  }
  throw new ParameterValueError(label, unit, word)
}

/** Writes a value with its unit. */
export function format({ unit }: Field, value: Value): string {
  switch (unit) {
    case 'percent':
      return `${Number(value) / 100} %`
    case 'seconds':
      return `${value} s`
    case 'OPEN':
      return `${Open.format(BigInt(value))} OPEN`
    case 'address':
      return String(value)
  }
}

/**
 * Gives the call that sets a parameter.
 * @param values - In the order of its fields, as people write them: `['20', '40', '30', '30']`.
 * @throws {UnknownParameterError} | {ParameterCountError} | {ParameterValueError}
 */
export function callOf({ l2 }: Deployment, key: string, values: readonly string[]): Call {
  const { abi, setter, isStruct, fields, contract } = definitionOf(key)
  if (values.length !== fields.length) throw new ParameterCountError(key, fields, values.length)
  const parsed = fields.map((field, i) => parse(field, values[i]!))
  const args = isStruct ? [Object.fromEntries(fields.map(({ name }, i) => [name, parsed[i]]))] : parsed
  return { target: l2[contract], valueWei: 0n, data: encodeFunctionData({ abi, functionName: setter, args }) }
}

/** Gives any call as it is. @throws {RawCallError} when it is none. */
export function rawCall(target: string, data: string, value = '0'): Call {
  if (!isAddress(target, { strict: false }) || !isHex(data) || data.length % 2 !== 0) {
    throw new RawCallError(target, data)
  }
  return { target: target.toLowerCase() as Hex, valueWei: Open.parse(value), data }
}

/** Reads what stands now, in the order of the fields; nothing where the chain has no view for it. */
export async function read(
  publicClient: PublicClient,
  { l2 }: Deployment,
  key: string,
): Promise<readonly Value[] | undefined> {
  const { abi, getter, fields, contract } = definitionOf(key)
  const ask = (functionName: string, args: readonly unknown[] = []): Promise<unknown> =>
    publicClient.readContract({ address: l2[contract], abi, functionName, args })
  const answer =
    key === 'split' ? await ask('splitOf', [await ask('currentVersion')]) : getter && (await ask(getter))
  return answer === undefined ? undefined : valuesOf(fields, answer)
}

/** Says what a call does, for those who are to sign or vote; a call that has no words is shown as it is. */
export async function describe(
  publicClient: PublicClient,
  deployment: Deployment,
  call: Call,
): Promise<Effect> {
  const known = recognise(deployment, call)
  if (known === undefined) {
    const contract = Object.entries(deployment.l2).find(([, at]) => at === call.target.toLowerCase())?.[0]
    return {
      title: `A call of ${contract === undefined ? call.target : `${contract} (${call.target})`}`,
      parameter: undefined,
      lines: [
        { label: 'Call data', current: undefined, proposed: call.data },
        ...(call.valueWei === 0n
          ? []
          : [
              {
                label: 'OPEN sent along',
                current: undefined,
                proposed: `${Open.format(call.valueWei)} OPEN`,
              },
            ]),
      ],
    }
  }
  const { parameter, values } = known
  const current = await read(publicClient, deployment, parameter.key)
  return {
    title: parameter.title,
    parameter,
    lines: parameter.fields.map((field, i) => ({
      label: field.label,
      current: current && format(field, current[i]!),
      proposed: format(field, values[i]!),
    })),
  }
}

/**
 * Has the chain try a call as the timelock would make it now.
 * @throws {CallRefusedError} with the contract's reason, by name where it is known.
 */
export async function tryOut(publicClient: PublicClient, deployment: Deployment, call: Call): Promise<void> {
  const { timelock } = deployment.l2
  const { target: to, data, valueWei: value } = call
  try {
    const parameter = recognise(deployment, call)?.parameter
    if (parameter === undefined) {
      await publicClient.call({ account: timelock, to, data, value })
      return
    }
    const { abi } = definitionOf(parameter.key)
    const { functionName, args = [] } = decodeFunctionData({ abi, data })
    await publicClient.simulateContract({ account: timelock, address: to, abi, functionName, args })
  } catch (error) {
    throw new CallRefusedError(to, error)
  }
}

/** Gives the parameter that a call sets and to what; nothing when it does something else. */
export function recognise(
  { l2 }: Deployment,
  { target, data, valueWei }: Call,
): { readonly parameter: Parameter; readonly values: readonly Value[] } | undefined {
  if (valueWei !== 0n) return undefined
  for (const definition of DEFINITIONS) {
    if (l2[definition.contract] !== target.toLowerCase()) continue
    let decoded: { readonly functionName: string; readonly args?: readonly unknown[] | undefined }
    try {
      decoded = decodeFunctionData({ abi: definition.abi, data })
    } catch {
      // a call that this contract does not know
      continue
    }
    if (decoded.functionName !== definition.setter) continue
    const args = definition.isStruct ? decoded.args![0] : decoded.args!
    return { parameter: definition, values: valuesOf(definition.fields, args) }
  }
  return undefined
}

/** A value, a tuple or a struct as the values of fields. */
function valuesOf(fields: readonly Field[], answer: unknown): Value[] {
  const list =
    typeof answer !== 'object'
      ? [answer]
      : Array.isArray(answer)
        ? answer
        : fields.map(({ name }) => (answer as Readonly<Record<string, unknown>>)[name])
  return fields.map(({ unit }, i) =>
    unit === 'address' ? (String(list[i]).toLowerCase() as Hex) : BigInt(list[i] as bigint | number),
  )
}

export class UnknownParameterError extends BaseError {
  constructor(key: string) {
    super({
      code: 'governance.unknown_parameter',
      message: `Expected one of ${DEFINITIONS.map((one) => one.key).join(', ')}, got ${key.slice(0, 40)}. Anything else can be proposed as a raw call.`,
      context: { key: key.slice(0, 40) },
    })
  }
}

export class ParameterCountError extends BaseError {
  constructor(key: string, fields: readonly Field[], got: number) {
    super({
      code: 'governance.parameter_count',
      message: `Expected for ${key}: ${fields.map(({ label, unit }) => `${label} (${unit})`).join(', ')}; got ${got} values. Give one for each.`,
      context: { key, got },
    })
  }
}

export class ParameterValueError extends BaseError {
  constructor(label: string, unit: Unit, got: string) {
    const examples = { percent: '12.5', seconds: '3600', OPEN: '100', address: '0x and 40 hex digits' }
    super({
      code: 'governance.parameter_value',
      message: `Expected ${label} in ${unit}, such as ${examples[unit]}, got ${JSON.stringify(got.slice(0, 60))}.`,
      context: { label, unit, got: got.slice(0, 60) },
    })
  }
}

export class CallRefusedError extends BaseError {
  constructor(target: Hex, cause: unknown) {
    const refusal =
      cause instanceof ViemError
        ? cause.walk((error) => error instanceof ContractFunctionRevertedError)
        : null
    const reason =
      refusal instanceof ContractFunctionRevertedError
        ? (refusal.data?.errorName ?? refusal.shortMessage)
        : ((cause as { readonly shortMessage?: string }).shortMessage ?? String(cause))
    super({
      code: 'governance.call_refused',
      message: `Expected a call that ${target} carries out for the timelock, but it refuses as things stand: ${reason}. Nothing was proposed.`,
      context: { target, reason },
      cause,
    })
  }
}

export class RawCallError extends BaseError {
  constructor(target: string, data: string) {
    super({
      code: 'governance.raw_call',
      message: `Expected a contract's address and call data in hex, got ${target.slice(0, 60)} and ${data.slice(0, 60)}.`,
      context: { target: target.slice(0, 60), data: data.slice(0, 60) },
    })
  }
}
