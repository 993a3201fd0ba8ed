/**
 * The HTTP interface outside `/v1` (which is OpenAI's): one schema for validation, types, OpenAPI and MCP.
 *
 * Routes: see `docs/api.md`. Amounts are wei in decimal strings; times are Unix seconds.
 */
export * from './http/chain.ts'
export * from './http/datanet.ts'
export * from './http/model.ts'
export * from './http/money.ts'
export * from './http/network.ts'
export * from './http/request.ts'
export * from './http/training.ts'
