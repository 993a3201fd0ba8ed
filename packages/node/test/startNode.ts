// started as a process of its own by tests that kill it
import { createNode } from '../src/node/createNode.ts'

const directory = process.argv[2]
if (directory === undefined) throw new Error('Expected a directory.')
const node = await createNode({
  directory,
  l1: { blockTimeSeconds: 1 },
  l2: { blockTimeSeconds: 1, submissionInterval: 3, finalizationPeriodSeconds: 2, batchIntervalSeconds: 1 },
})
process.stdout.write(
  `${JSON.stringify({ l1: node.l1RpcUrl, l2: node.l2RpcUrl, deployment: node.deployment })}\n`,
)
