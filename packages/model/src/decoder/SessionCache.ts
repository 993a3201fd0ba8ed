import { createSession, type Session, type SessionOptions, type Tensor } from '@openledger/tensor'

/** Compiled graphs by key; the least recently used goes when there are too many. */
export type SessionCache = {
  /** Gives the session of a key, compiling it when it is new. */
  readonly get: (key: string, build: () => Readonly<Record<string, Tensor>>) => Promise<Session>
  readonly release: () => Promise<void>
}

/** @param sessionsMax - Most sessions held at once. */
export function createSessionCache(sessionsMax: number, options: SessionOptions): SessionCache {
  // insertion order is order of use, so that the first is the one to drop
  const sessions = new Map<string, Promise<Session>>()
  return {
    get: async (key, build) => {
      let session = sessions.get(key)
      if (session) sessions.delete(key)
      else session = createSession(build(), options)
      sessions.set(key, session)
      if (sessions.size > sessionsMax) {
        const [oldest, stale] = sessions.entries().next().value!
        sessions.delete(oldest)
        await (await stale).release()
      }
      try {
        return await session
      } catch (cause) {
        sessions.delete(key)
        throw cause
      }
    },
    release: async () => {
      const all = [...sessions.values()]
      sessions.clear()
      for (const session of all) await (await session).release()
    },
  }
}

/** Picks what concerns sessions from the options of a trainer or scorer; their runs are long and their memory is large. */
export const sessionOptions = ({ threads, spinning }: SessionOptions): SessionOptions => ({
  plansMemory: false,
  ...(threads === undefined ? {} : { threads }),
  ...(spinning === undefined ? {} : { spinning }),
})
