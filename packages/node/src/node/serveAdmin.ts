import { join } from 'node:path'
import type { Clock } from '@openledger/primitives'
import type { Crypto } from '@openledger/rollup'
import type { EmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import * as Jwt from '../engineApi/Jwt.ts'
import { createAdminMethods } from '../rpc/adminMethods.ts'
import { createRpcServer, type RpcServer } from '../rpc/createRpcServer.ts'
import type { Sequencer } from '../sequencer/Sequencer.ts'
import type { Exclusive } from './Exclusive.ts'
import type { Logger } from './Logger.ts'

export type AdminOptions = {
  /** 0 takes a free one. */
  readonly port: number
  /** A file of 64 hexadecimal digits, made when missing. Default `admin.hex` in the directory. */
  readonly jwtSecretPath?: string
}

/** Serves op-node's `admin_` methods on loopback to who has the token's secret: whoever reaches them stops the chain. */
export function serveAdmin({
  admin,
  directory,
  engine,
  sequencer,
  exclusively,
  crypto,
  clock,
  logger,
}: {
  readonly admin: AdminOptions
  readonly directory: string
  readonly engine: EmbeddedEngine
  readonly sequencer: Sequencer
  readonly exclusively: Exclusive
  readonly crypto: Crypto
  readonly clock: Clock
  readonly logger: Logger
}): Promise<RpcServer> {
  const secret = Jwt.readSecret(admin.jwtSecretPath ?? join(directory, 'admin.hex'))
  return createRpcServer({
    engine,
    methods: createAdminMethods({ engine, sequencer, exclusively, crypto }),
    port: admin.port,
    refusalOf: (authorization) => Jwt.refusalOf(authorization, secret, clock.nowMs() / 1_000),
    logger,
  })
}
