import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A file system of its own, small enough to fill. */
export type SmallDisk = Disposable & {
  readonly directory: string
  /** Takes what is left, to the last block. */
  readonly fill: () => void
  readonly free: () => void
}

const CHUNK_BYTES = 1 << 20

/**
 * Mounts a file system in memory on a folder.
 * @returns `undefined` where this process may not mount.
 */
export function mountSmallDisk(directory: string, sizeMiB: number): SmallDisk | undefined {
  mkdirSync(directory, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', directory])
  if (mounted.status !== 0) return undefined
  const ballast = join(directory, 'ballast')
  return {
    directory,
    fill() {
      mkdirSync(ballast, { recursive: true })
      let size = CHUNK_BYTES
      for (let count = 0; size > 0; count++) {
        const { bavail, bsize } = statfsSync(directory)
        if (bavail === 0) return
        size = Math.min(CHUNK_BYTES, bavail * bsize)
        try {
          writeFileSync(join(ballast, String(count)), new Uint8Array(size))
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      }
    },
    free: () => rmSync(ballast, { recursive: true, force: true }),
    [Symbol.dispose]: () => void spawnSync('umount', ['-l', directory]),
  }
}
