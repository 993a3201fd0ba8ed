import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { createRandom } from '@openledger/model'
import { schema } from '@openledger/store'
import { type Claim, table } from '../Claim.ts'
import { createTrainingHouse } from './TrainingHouse.ts'

const WORKERS = 3
const SEEDS = 4
/** Owners take turns, and one whose turn it is may be a moment late. */
const TURNS_BEHIND_MAX = 2
/** Long enough for a worker to start and to train something between two kills. */
const KILL_EVERY_MS = 9_000
const PATIENCE_MS = 380_000
/** Parts of the runs that three owners queue, the busiest first. */
const OWNERS = [0.7, 0.2, 0.1]

/**
 * Runs queued by three owners at once, worker processes that are killed with `kill -9` and started again at random, and then
 * everything held against what an undisturbed training gives.
 */
export const claim: Claim = {
  says: 'Queued training runs all end, none twice, with the adapters of undisturbed trainings and in fair order, whatever is killed.',
  async run({ isQuick, say }) {
    const count = isQuick ? 10 : 100
    const random = createRandom(7)
    const house = await createTrainingHouse()
    const workers: ChildProcess[] = []
    const said = new Map<string, number>()
    const startWorker = () => house.startWorker((runId) => said.set(runId, (said.get(runId) ?? 0) + 1))
    const failures: string[] = []
    let kills = 0
    try {
      const expected = await Promise.all(Array.from({ length: SEEDS }, (_, seed) => house.undisturbed(seed)))
      const owners = OWNERS.flatMap((part, owner) =>
        new Array<string>(Math.round(part * count)).fill(`owner ${owner}`),
      )
      for (const [i, owner] of owners.entries()) await house.queue(`run-${i}`, owner, i % SEEDS)
      for (let i = 0; i < WORKERS; i++) workers.push(startWorker())

      const began = performance.now()
      const read = () => house.database.orm.select().from(schema.trainingRuns)
      let rows = await read()
      for (let shown = 0; rows.some(({ status }) => status !== 'trained'); rows = await read()) {
        if (performance.now() - began > PATIENCE_MS || rows.some(({ status }) => status === 'failed')) break
        await wait(KILL_EVERY_MS * (0.5 + random.next()))
        const victim = random.below(WORKERS)
        if (hasEnded(workers[victim]!)) failures.push('a worker process ended by itself')
        await end(workers[victim]!)
        workers[victim] = startWorker()
        kills++
        const done = rows.filter(({ status }) => status === 'trained').length
        if (done - shown < count / 10) continue
        shown = done
        say(`${done} of ${count} trained, ${kills} kills`)
      }

      const ended = rows.filter(({ status }) => status === 'trained')
      const seedOf = (id: string): number => Number(id.split('-')[1]) % SEEDS
      const intact = ended.filter(({ id, adapterHash }) => adapterHash === expected[seedOf(id)])
      const twice = [...said].filter(([, times]) => times > 1)
      const readable = await Promise.all(
        rows.flatMap(({ checkpointCid }) => (checkpointCid === null ? [] : [house.blobs.get(checkpointCid)])),
      )
      for (const { id, failure, status } of rows)
        if (status !== 'trained') failures.push(`${id} is ${status}${failure === null ? '' : `: ${failure}`}`)
      for (const [id] of twice) failures.push(`${id} was trained twice`)
      if (intact.length < ended.length)
        failures.push(`${ended.length - intact.length} adapters are not those of undisturbed trainings`)
      const unfair = unfairness(rows)
      if (unfair > TURNS_BEHIND_MAX)
        failures.push(`an owner was ${unfair} turns behind another while both had runs waiting`)
      const resumed = rows.reduce((sum, { claim }) => sum + claim - 1, 0)
      return {
        figure: intact.length,
        unit: 'runs ended as undisturbed',
        goal: count,
        sense: 'at least',
        failures,
        report: table([
          [
            'runs',
            'worker processes',
            'kill -9',
            'taken up again',
            'trained twice',
            'checkpoints read back',
            'turns behind, at most',
            'seconds',
          ],
          [
            ...[count, WORKERS, kills, resumed, twice.length, readable.length, unfair],
            Math.round((performance.now() - began) / 1_000),
          ],
        ]),
      }
    } finally {
      for (const worker of workers) await end(worker)
      await house.close()
    }
  },
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

async function end(worker: ChildProcess): Promise<void> {
  if (hasEnded(worker)) return
  worker.kill('SIGKILL')
  await once(worker, 'exit')
}

/** By how many first turns one owner was ahead of another at most, while both still had runs waiting. */
function unfairness(rows: readonly { readonly owner: string; readonly startedAt: Date | null }[]): number {
  const order = rows
    .flatMap(({ owner, startedAt }) => (startedAt === null ? [] : [{ owner, at: startedAt.getTime() }]))
    .sort((a, b) => a.at - b.at)
  const left = new Map<string, number>()
  for (const { owner } of order) left.set(owner, (left.get(owner) ?? 0) + 1)
  const had = new Map([...left.keys()].map((owner) => [owner, 0]))
  let worst = 0
  for (const { owner } of order) {
    had.set(owner, had.get(owner)! + 1)
    left.set(owner, left.get(owner)! - 1)
    const turns = [...had].filter(([name]) => left.get(name)! > 0).map(([, turn]) => turn)
    if (turns.length > 1) worst = Math.max(worst, Math.max(...turns) - Math.min(...turns))
  }
  return worst
}
