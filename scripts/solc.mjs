#!/usr/bin/env node
// Forge asks for a solc program; this one answers with the WebAssembly compiler that npm brings, so nothing is fetched.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const solc = createRequire(new URL('../contracts/package.json', import.meta.url))('solc')

if (process.argv.includes('--version')) {
  // forge reads the second line and wants the shape of the native compiler's answer
  console.log(
    `solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace('.Emscripten.clang', '.Linux.g++')}`,
  )
} else if (process.argv.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
} else {
  console.error('Expected --version or --standard-json.')
  process.exit(2)
}
