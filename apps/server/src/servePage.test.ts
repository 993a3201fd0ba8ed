import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { servePage } from './servePage.ts'

const script = 'export const answer = 42\n'.repeat(100)
let root: string
let serve: ReturnType<typeof servePage>

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'openledger-page-'))
  mkdirSync(join(root, 'dist/assets'), { recursive: true })
  writeFileSync(join(root, 'secret.txt'), 'secret')
  writeFileSync(join(root, 'dist/index.html'), '<!doctype html><title>page</title>')
  writeFileSync(join(root, 'dist/assets/main-1a2b.js'), script)
  serve = servePage(join(root, 'dist'), () => new Response('api'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const get = async (path: string, init: RequestInit = {}) =>
  serve(new Request(`http://127.0.0.1${path}`, init))

describe('servePage', () => {
  test('gives the page at every address of its own, and leaves the API its own', async () => {
    for (const path of ['/', '/datanets/1', '/explorer/blocks/7'])
      expect(await (await get(path)).text()).toContain('<title>page</title>')
    for (const path of ['/api/network', '/v1/models', '/mcp', '/health'])
      expect(await (await get(path)).text()).toBe('api')
    expect(await (await get('/datanets', { method: 'POST' })).text()).toBe('api')
  })

  test('lets the browser run nothing but the files that it serves', async () => {
    const policy = (await get('/')).headers.get('content-security-policy')
    expect(policy?.split('; ')).toContain("script-src 'self'")
    expect(policy).not.toContain('unsafe-eval')
  })

  test('packs what the build made for whoever takes it packed', async () => {
    const packed = await get('/assets/main-1a2b.js', { headers: { 'accept-encoding': 'gzip, br' } })
    expect(packed.headers.get('content-encoding')).toBe('gzip')
    const bytes = Buffer.from(await packed.arrayBuffer())
    expect(bytes.length).toBeLessThan(script.length / 4)
    expect(gunzipSync(bytes).toString()).toBe(script)
    const plain = await get('/assets/main-1a2b.js')
    expect(plain.headers.get('content-encoding')).toBeNull()
    expect(await plain.text()).toBe(script)
    expect(plain.headers.get('cache-control')).toContain('immutable')
  })

  test('says that a part of an earlier build is gone, instead of giving the page as a script', async () => {
    expect((await get('/assets/main-old.js')).status).toBe(404)
  })

  test('gives nothing from outside its folder', async () => {
    for (const path of ['/..%2fsecret.txt', '/%2e%2e/secret.txt', '/assets/..%2f..%2fsecret.txt'])
      expect(await (await get(path)).text()).not.toBe('secret')
  })
})
