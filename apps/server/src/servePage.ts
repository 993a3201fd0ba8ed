import { readFileSync, statSync } from 'node:fs'
import { extname, join, normalize, sep } from 'node:path'
import { gzipSync } from 'node:zlib'

type Fetch = (request: Request) => Response | Promise<Response>

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** What the API answers itself; every other path is the page's. */
const API = /^\/(api|v1|mcp|health|metrics)(\/|$)/
/** Where the build puts what carries its hash in its name. */
const ASSETS = '/assets/'

const SECURITY = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'content-security-policy': [
    "default-src 'self'",
    "script-src 'self'",
    // Mantine styles elements in place; wallets and the chain's JSON-RPC may be anywhere
    "style-src 'self' 'unsafe-inline'",
    'connect-src *',
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
}

/** Serves the built page beside the API; an address that is no file is one of the page's own. */
export function servePage(directory: string, api: Fetch): Fetch {
  const packed = new Map<string, Uint8Array<ArrayBuffer>>()

  /** Packs an asset once: its content never changes under its name. */
  function packedAsset(file: string): Uint8Array<ArrayBuffer> {
    const known = packed.get(file)
    if (known !== undefined) return known
    const bytes = new Uint8Array(gzipSync(readFileSync(file)))
    packed.set(file, bytes)
    return bytes
  }

  return (request) => {
    const { pathname } = new URL(request.url)
    if (API.test(pathname) || (request.method !== 'GET' && request.method !== 'HEAD')) return api(request)
    const path = join(directory, normalize(decodePath(pathname)))
    const isFile = path.startsWith(directory + sep) && statSync(path, { throwIfNoEntry: false })?.isFile()
    const isAsset = pathname.startsWith(ASSETS)
    // a page that was opened before an update asks for parts that are gone; the page itself would be no script
    if (isAsset && !isFile) return new Response('Not found', { status: 404, headers: SECURITY })
    const file = isFile ? path : join(directory, 'index.html')
    const isPacked = isAsset && /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')
    const body = isPacked ? packedAsset(file) : new Uint8Array(readFileSync(file))
    return new Response(request.method === 'HEAD' ? null : body, {
      headers: {
        ...SECURITY,
        'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
        'cache-control': isAsset ? 'public, max-age=31536000, immutable' : 'no-cache',
        ...(isAsset ? { vary: 'accept-encoding' } : {}),
        ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
      },
    })
  }
}

function decodePath(pathname: string): string {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return '/'
  }
}
