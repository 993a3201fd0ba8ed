import { createNode } from '@openledger/node'
import { createFastClock, type FastTime } from './FastClock.ts'

/** A sequencer with batcher, proposer and challenger in a process of its own, so that it can be killed. */
const [directory, l1Url, port, time] = process.argv.slice(2)
const node = await createNode({
  directory: directory!,
  l1: { rpcUrl: l1Url!, chainId: 31_337 },
  l2: { rpcPort: Number(port), batchIntervalSeconds: 1, submissionInterval: 60 },
  clock: createFastClock(JSON.parse(time!) as FastTime),
  logger: {
    debug: () => {},
    info: () => {},
    warn: (fields, message) => console.error(message, JSON.stringify(fields)),
    error: (fields, message) => console.error(message, fields['error'] ?? JSON.stringify(fields)),
  },
})
console.log(JSON.stringify({ rpcUrl: node.l2RpcUrl, deployment: node.deployment }))
setInterval(() => console.log(JSON.stringify({ problems: node.problems() })), 500)
process.on('SIGTERM', () => void node.close().then(() => process.exit(0)))
