/** Milliseconds of processor time of all threads: what neighbours on the machine take does not count. */
export async function cpuMs(run: () => unknown): Promise<number> {
  const started = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(started)
  return (user + system) / 1e3
}

/** The least of several runs. */
export async function leastCpuMs(run: () => unknown, rounds = 7): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < rounds; i++) least = Math.min(least, await cpuMs(run))
  return least
}
