import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { BaseError } from '@openledger/primitives'

/** How far the clocks of the two sides may be apart, as the specification says. */
export const CLOCK_SKEW_MAX_SECONDS = 60
const SECRET_BYTES = 32
const TOKEN_LENGTH_MAX = 1_000

const base64url = (text: string | Buffer): string => Buffer.from(text).toString('base64url')
const HEADER = base64url('{"alg":"HS256","typ":"JWT"}')
const mac = (secret: Uint8Array, text: string): Buffer => createHmac('sha256', secret).update(text).digest()

/**
 * Makes the token that one request to the Engine API carries.
 * @see execution-apis, "Engine API", Authentication.
 */
export function sign(secret: Uint8Array, nowSeconds: number): string {
  const signed = `${HEADER}.${base64url(JSON.stringify({ iat: Math.floor(nowSeconds) }))}`
  return `${signed}.${base64url(mac(secret, signed))}`
}

/** Says what is wrong with the `Authorization` header of a request; `undefined` when nothing is. */
export function refusalOf(
  authorization: string | undefined,
  secret: Uint8Array,
  nowSeconds: number,
): string | undefined {
  if (authorization === undefined) return 'missing token'
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
  if (token === undefined || token.length > TOKEN_LENGTH_MAX) return 'malformed token'
  const [header = '', claims = '', signature = '', ...rest] = token.split('.')
  const expected = mac(secret, `${header}.${claims}`)
  const got = Buffer.from(signature, 'base64url')
  if (rest.length > 0 || got.length !== expected.length || !timingSafeEqual(got, expected)) {
    return 'invalid signature'
  }
  // only what is signed is read from here on
  if (fieldOf(header, 'alg') !== 'HS256') return 'unexpected algorithm: HS256 is the one'
  const issuedAt = fieldOf(claims, 'iat')
  if (typeof issuedAt !== 'number') return 'missing issued-at'
  const expiresAt = fieldOf(claims, 'exp')
  if (typeof expiresAt === 'number' && expiresAt < nowSeconds) return 'token is expired'
  return Math.abs(issuedAt - nowSeconds) > CLOCK_SKEW_MAX_SECONDS ? 'stale token' : undefined
}

function fieldOf(part: string, name: string): unknown {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return typeof parsed === 'object' && parsed !== null
      ? (parsed as Record<string, unknown>)[name]
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Reads the secret that both sides share: a file of 64 hexadecimal digits, made when it is missing.
 * @throws {JwtSecretError} when the file holds anything else.
 */
export function readSecret(path: string): Uint8Array {
  if (!existsSync(path)) {
    // only the user who runs the node may read it
    const file = openSync(path, 'wx', 0o600)
    writeSync(file, `0x${randomBytes(SECRET_BYTES).toString('hex')}\n`)
    closeSync(file)
  }
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(readFileSync(path, 'utf8').trim())?.[1]
  if (digits === undefined) throw new JwtSecretError(path)
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

export class JwtSecretError extends BaseError {
  constructor(path: string) {
    super({
      code: 'engine_api.jwt_secret',
      message: `Expected ${2 * SECRET_BYTES} hexadecimal digits in ${path}, the secret that the Engine API's two sides share. Delete the file to have one made, and give it to both.`,
      context: { path },
    })
  }
}
