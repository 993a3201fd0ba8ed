import type { Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import { BodyTooLargeError, MalformedJsonError, MediaTypeError, RequestInvalidError } from '../Problems.ts'

type Shape = z.ZodType | undefined
type Value<S extends Shape> = S extends z.ZodType ? z.output<S> : undefined

type Method = 'get' | 'post'

/** What a route takes and gives, once for validation, types and the OpenAPI document. */
export type RouteSpec<P extends Shape, Q extends Shape, B extends Shape> = {
  readonly summary: string
  readonly tag: string
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  readonly bodyBytesMax?: number
  readonly response: z.ZodType
  readonly responseType?: string
}

export type RouteInput<P extends Shape, Q extends Shape, B extends Shape> = {
  readonly params: Value<P>
  readonly query: Value<Q>
  readonly body: Value<B>
  /** The body as it came, before defaults and case were put in: what a signature is over. */
  readonly rawBody: unknown
  readonly context: Context
}

/** Adds a route; `path` has `:name` for parameters, and `handle` gives the body of the answer or a whole `Response`. */
type Add = <P extends Shape = undefined, Q extends Shape = undefined, B extends Shape = undefined>(
  path: string,
  spec: RouteSpec<P, Q, B>,
  handle: (input: RouteInput<P, Q, B>) => Promise<unknown> | unknown,
) => void

export type Routes = {
  readonly get: Add
  readonly post: Add
  /** The OpenAPI 3.1 document of all routes added so far. */
  readonly document: () => Record<string, unknown>
}

export const BODY_BYTES_MAX = 1024 * 1024

/** Creates the table of routes over an app. */
export function createRoutes(app: Hono): Routes {
  const described: DescribedRoute[] = []
  const add =
    (method: Method): Add =>
    (path, spec, handle) => {
      described.push({ method, path, spec })
      const maxSize = spec.bodyBytesMax ?? BODY_BYTES_MAX
      const limit = bodyLimit({
        maxSize,
        onError: () => {
          throw new BodyTooLargeError(maxSize)
        },
      })
      app.on(method.toUpperCase(), path, limit, async (context) => {
        const rawBody = spec.body === undefined ? undefined : await readJson(context)
        const answer = await handle({
          params: parse('path', spec.params, context.req.param()) as never,
          query: parse('query', spec.query, context.req.query()) as never,
          body: parse('body', spec.body, rawBody) as never,
          rawBody,
          context,
        })
        return answer instanceof Response ? answer : context.json(answer as object)
      })
    }
  return { get: add('get'), post: add('post'), document: () => documentOf(described) }
}

/**
 * Reads a JSON body.
 *
 * A body of another content type is refused: a form on a stranger's page could send one without asking first.
 * @throws {MediaTypeError} {MalformedJsonError}
 */
export async function readJson(context: Context): Promise<unknown> {
  const contentType = context.req.header('content-type')
  if (!/^application\/([\w.-]+\+)?json\b/i.test(contentType ?? '')) throw new MediaTypeError(contentType)
  const text = await context.req.text()
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MalformedJsonError(cause)
  }
}

/** Parses one part of a request. @throws {RequestInvalidError} naming the part and the field. */
export function parse(where: string, schema: Shape, value: unknown): unknown {
  if (schema === undefined) return undefined
  const result = schema.safeParse(value)
  if (!result.success) throw new RequestInvalidError(where, result.error)
  return result.data
}

/** Writes a schema of what comes in as JSON Schema; what JSON Schema cannot say is left open. */
export const toJsonSchema = (schema: z.ZodType): Record<string, unknown> => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest
}

type DescribedRoute = {
  readonly method: Method
  readonly path: string
  readonly spec: RouteSpec<Shape, Shape, Shape>
}

function documentOf(routes: readonly DescribedRoute[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const { method, path: pattern, spec } of routes) {
    const path = pattern.replace(/:(\w+)/g, '{$1}')
    paths[path] ??= {}
    paths[path][method] = {
      summary: spec.summary,
      tags: [spec.tag],
      parameters: [...parametersOf('path', spec.params), ...parametersOf('query', spec.query)],
      ...(spec.body === undefined
        ? {}
        : {
            requestBody: {
              required: true,
              content: { 'application/json': { schema: toJsonSchema(spec.body) } },
            },
          }),
      responses: {
        200: {
          description: 'Done.',
          content: { [spec.responseType ?? 'application/json']: { schema: toJsonSchema(spec.response) } },
        },
        default: {
          description: 'Refused; `code` is stable, `detail` says what to do.',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    }
  }
  return { paths }
}

function parametersOf(where: 'path' | 'query', schema: Shape): unknown[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = toJsonSchema(schema) as {
    properties?: Record<string, unknown>
    required?: string[]
  }
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: property,
  }))
}
