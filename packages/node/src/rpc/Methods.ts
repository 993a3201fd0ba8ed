import type { Params } from './Params.ts'

/** Answers one method; may throw an {@link RpcError}. */
export type Method = (params: Params) => unknown

/** Methods by name. */
export type Methods = Readonly<Record<string, Method>>
