import { join } from 'node:path'
import { type Blobs, createDiskBlobs, createS3Blobs } from '@openledger/store'
import type { Config } from './Config.ts'

/** Opens the blobs that the configuration names: a bucket, or a folder of the data directory. */
export function createBlobs(config: Config): Blobs {
  const { s3Url, s3AccessKeyId, s3SecretAccessKey, s3Region } = config
  if (s3Url === undefined) return createDiskBlobs(join(config.dataDirectory, 'blobs'))
  return createS3Blobs({
    bucketUrl: s3Url,
    accessKeyId: s3AccessKeyId ?? '',
    secretAccessKey: s3SecretAccessKey ?? '',
    region: s3Region,
  })
}
