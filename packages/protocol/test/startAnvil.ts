import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

/** The program itself: the wrapper that npm links would leave it running when it is ended. */
function anvilPath(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `@foundry-rs/anvil-${process.platform}-${architecture}`
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin', 'anvil')
}

/** Starts a chain of its own for one test file. @returns Where it listens, and a function that ends it. */
export async function startAnvil(
  options: readonly string[] = [],
): Promise<{ url: string; close: () => void }> {
  const child = spawn(anvilPath(), ['--port', '0', ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await new Promise<string>((resolve, reject) => {
    // keeps reading to the end, because a full pipe would stop the chain
    createInterface({ input: child.stdout }).on('line', (line) => {
      const address = /Listening on (\S+)/.exec(line)?.[1]
      if (address !== undefined) resolve(`http://${address}`)
    })
    child.once('error', reject)
    child.once('exit', (code) =>
      reject(
        new Error(`Expected anvil to stay, but it ended with ${code} at once. Look at what it printed.`),
      ),
    )
  })
  return { url, close: () => child.kill('SIGKILL') }
}
