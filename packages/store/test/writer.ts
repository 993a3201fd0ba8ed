import { createDatabase, createJobs, schema } from '@openledger/store'

/** A process to be killed: commits numbered facts and says so, or holds a job that never ends. */
const [mode, place] = process.argv.slice(2) as ['facts' | 'job', string]
const database = await createDatabase(place.startsWith('postgres:') ? { url: place } : { directory: place })
if (mode === 'facts') {
  for (let n = 0; ; n++) {
    await database.transaction(async (orm) => {
      await orm.insert(schema.facts).values({ key: `first ${n}`, value: n })
      await orm.insert(schema.facts).values({ key: `second ${n}`, value: n })
    })
    process.stdout.write(`${n}\n`)
  }
}
const jobs = await createJobs(database)
await jobs.work('forever', () => {
  process.stdout.write('working\n')
  return new Promise(() => {})
})
await jobs.enqueue('forever', { greeting: 'still here' })
