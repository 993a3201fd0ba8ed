import { type Hex, systemClock } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import { createDatabase, createDiskBlobs, createJobs } from '@openledger/store'
import { createDatanets } from '../src/index.ts'
import { connect, deploymentAt, signContribution } from './registryChain.ts'

/** A server to be killed: contributes without end and says which contributions it has acknowledged. */
const [url, registry, directory, start] = process.argv.slice(2) as [string, Hex, string, string]
const { publicClient, senderOf } = connect(url)
const deployment = deploymentAt(registry)
const database = await createDatabase({ directory })
const jobs = await createJobs(database)
const datanets = createDatanets({
  database,
  jobs,
  blobs: createDiskBlobs(`${directory}/blobs`),
  publicClient,
  deployment,
  relayer: senderOf('operator'),
  validator: senderOf('validator'),
  clock: systemClock,
  answerKey: Uint8Array.of(1),
})
await datanets.work()
const account = DevelopmentKeys.contributor(3)
for (let n = Number(start); ; n++) {
  const input = {
    datanetId: '1',
    licence: 'MIT',
    records: [
      `Record number ${n} says something that none of the others says about ${'abcdefghij'[n % 10]}.`,
    ],
  }
  const prepared = await datanets.prepare(input)
  const deadline = Math.floor(Date.now() / 1_000) + 600
  const signature = await signContribution(account, { ...prepared, ...input, deadline }, { deployment })
  const contributor = account.address.toLowerCase() as Hex
  const { id } = await datanets.contribute({
    ...input,
    title: `number ${n}`,
    contributor,
    deadline,
    signature,
  })
  process.stdout.write(`${id}\n`)
}
