import { readFileSync, statSync } from 'node:fs'
import { extname, join, normalize, sep } from 'node:path'

type Fetch = (request: Request) => Response | Promise<Response>

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** What the API answers itself; every other path is the page's. */
const API = /^\/(api|v1|mcp|health|metrics)(\/|$)/

const SECURITY = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'content-security-policy':
    "default-src 'self'; connect-src *; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
}

/** Serves the built page beside the API; an address that is no file is one of the page's own. */
export function servePage(directory: string, api: Fetch): Fetch {
  return (request) => {
    const { pathname } = new URL(request.url)
    if (API.test(pathname) || (request.method !== 'GET' && request.method !== 'HEAD')) return api(request)
    const path = join(directory, normalize(decodePath(pathname)))
    const isFile = path.startsWith(directory + sep) && statSync(path, { throwIfNoEntry: false })?.isFile()
    const file = isFile ? path : join(directory, 'index.html')
    // built assets carry their hash in their name
    const isHashed = isFile && pathname.startsWith('/assets/')
    return new Response(request.method === 'HEAD' ? null : readFileSync(file), {
      headers: {
        ...SECURITY,
        'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
        'cache-control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
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
