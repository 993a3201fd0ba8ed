import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CheckpointFolder } from '@openledger/model'
import { BaseError } from '@openledger/primitives'

export type HubModel = {
  /** Where the hub is, `https://huggingface.co` for example. */
  readonly url: string
  /** `owner/name`. */
  readonly name: string
  /** Branch, tag or commit. */
  readonly revision: string
  /** For models that ask for one. */
  readonly token?: string | undefined
}

/** What a hub says of a file before it is fetched. */
type Facts = { readonly commit: string | undefined; readonly sha256: string | undefined }

const WEIGHTS = 'model.safetensors'
const INDEX = `${WEIGHTS}.index.json`
const ATTEMPTS_MAX = 5

/**
 * Fetches a base model from a hub into a folder that a server takes: configuration and tokenizer first, so that a model that cannot be
 * read costs no weights.
 *
 * All files are of one commit, the one that the revision is when it begins. Large files are held against the SHA-256 that the hub
 * names; one that breaks off goes on where it was, also in a later call.
 *
 * @returns The commit and the files.
 * @throws {HubError} {UnsupportedConfigError} {CheckpointError}
 * @see Hugging Face Hub, "Download files": `GET /{name}/resolve/{revision}/{file}`.
 */
export async function fetchBase(
  model: HubModel,
  directory: string,
  onProgress: (line: string) => void,
): Promise<{ readonly commit: string; readonly files: readonly string[] }> {
  if (!/^\w[\w.-]*\/\w[\w.-]*$/.test(model.name)) throw new HubError(model.name, 'its name is not owner/name')
  await mkdir(directory, { recursive: true })
  const first = await factsOf(model, 'config.json')
  if (first === undefined) throw new HubError(model.name, `${model.url} has no config.json of it`)
  const pinned = { ...model, revision: first.commit ?? model.revision }
  const files: string[] = []
  const take = async (file: string): Promise<boolean> => {
    const facts = await factsOf(pinned, file)
    if (facts === undefined) return false
    await fetchFile(pinned, file, join(directory, file), facts, onProgress)
    files.push(file)
    return true
  }
  const require = async (file: string): Promise<void> => {
    if (!(await take(file))) throw new HubError(model.name, `it has no ${file}`)
  }
  await require('config.json')
  await CheckpointFolder.readConfig(directory)
  await require('tokenizer.json')
  await require('tokenizer_config.json')
  await CheckpointFolder.readTokenizer(directory)
  if (await take(INDEX)) {
    for (const shard of shardsOf(model.name, await readFile(join(directory, INDEX), 'utf8')))
      await require(shard)
  } else await require(WEIGHTS)
  return { commit: pinned.revision, files }
}

/** Names the shards of an index; they come from a stranger, so that only plain files are taken. */
function shardsOf(name: string, index: string): string[] {
  const { weight_map: map = {} } = JSON.parse(index) as { weight_map?: Record<string, string> }
  const shards = [...new Set(Object.values(map))].sort()
  if (shards.length === 0 || shards.some((shard) => !/^[\w-][\w.-]*\.safetensors$/.test(shard)))
    throw new HubError(name, `its ${INDEX} names no valid shards`)
  return shards
}

const addressOf = ({ url, name, revision }: HubModel, file: string): string =>
  `${url.replace(/\/$/, '')}/${name}/resolve/${encodeURIComponent(revision)}/${file}`

const headersOf = ({ token }: HubModel): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` }

/** Asks for a file's commit and hash; they stand on the hub's own answer, before it sends elsewhere. Undefined where there is none. */
async function factsOf(model: HubModel, file: string): Promise<Facts | undefined> {
  const response = await fetch(addressOf(model, file), {
    method: 'HEAD',
    redirect: 'manual',
    headers: headersOf(model),
  })
  if (response.status === 404) return undefined
  if (response.status >= 400) throw new HubError(model.name, `${file} is answered with ${response.status}`)
  const tag = /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(response.headers.get('x-linked-etag') ?? '')?.[1]
  return { commit: response.headers.get('x-repo-commit') ?? undefined, sha256: tag }
}

async function fetchFile(
  model: HubModel,
  file: string,
  path: string,
  { sha256 }: Facts,
  onProgress: (line: string) => void,
): Promise<void> {
  if (sha256 !== undefined && (await hashOf(path).catch(() => undefined)) === sha256) return
  // bytes of another commit are not gone on with
  const part = `${path}.${model.revision.slice(0, 12).replaceAll('/', '-')}.part`
  let reason = ''
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const from = await stat(part).then(
      ({ size }) => size,
      () => 0,
    )
    onProgress(from === 0 ? file : `${file}, from byte ${from}`)
    try {
      const response = await fetch(addressOf(model, file), {
        headers: { ...headersOf(model), ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
      })
      // 416: nothing is left of it
      if (response.status !== 416) {
        if (!response.ok || response.body === null)
          throw new HubError(model.name, `${file} is answered with ${response.status}`)
        const flags = response.status === 206 ? 'a' : 'w'
        await pipeline(Readable.fromWeb(response.body as never), createWriteStream(part, { flags }))
      }
      if (sha256 !== undefined && (await hashOf(part)) !== sha256) {
        await rm(part, { force: true })
        throw new HubError(model.name, `the bytes of ${file} are not those that the hub names`)
      }
      return await rename(part, path)
    } catch (error) {
      reason = (error as Error).message
    }
  }
  throw new HubError(model.name, `${file} did not arrive in ${ATTEMPTS_MAX} attempts: ${reason}`)
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

export class HubError extends BaseError {
  constructor(name: string, reason: string) {
    super({
      code: 'hub.not_fetched',
      message: `Expected the model ${name.slice(0, 100)} from the hub, but ${reason}. Nothing that is whole was changed; call again to go on.`,
      context: { name: name.slice(0, 100) },
    })
  }
}
