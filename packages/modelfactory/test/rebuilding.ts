import type { Hex } from '@openledger/primitives'
import { createDatabase, createDiskBlobs } from '@openledger/store'
import { createIndexFiles } from '../src/IndexFiles.ts'

/** A server to be killed: builds damaged indexes again and says how far it has come. */
const [directory, root] = process.argv.slice(2) as [string, Hex]
const blobs = createDiskBlobs(`${directory}/blobs`)
const say = (line: string) => process.stdout.write(`${line}\n`)
let kept = 0
const files = createIndexFiles({
  database: await createDatabase({ directory: `${directory}/database` }),
  blobs: {
    ...blobs,
    put: (bytes) => {
      say(`keeping ${++kept}`)
      return blobs.put(bytes)
    },
  },
  baseDirectory: directory,
  rootOf: async () => root,
  signal: new AbortController().signal,
  onEvent: (event) => say(event.kind),
})
await files.checkAll()
await files.idle()
