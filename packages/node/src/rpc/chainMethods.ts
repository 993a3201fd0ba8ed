import type { Clock } from '@openledger/primitives'
import type { OptimismConfig } from '@openledger/rollup'
import { VERSION } from '../node/Version.ts'
import { createDebugMethods } from './debugMethods.ts'
import { createFeeMethods } from './feeMethods.ts'
import { createFilterMethods } from './filterMethods.ts'
import type { Methods } from './Methods.ts'
import { createNodeMethods } from './nodeMethods.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { createSimulateMethods } from './simulateMethods.ts'
import { createStateMethods } from './stateMethods.ts'

/** Every method of an execution client, over one engine; `close` ends what filters listen to. */
export function createChainMethods(
  engine: RpcEngine,
  optimism: OptimismConfig | undefined,
  clock: Clock,
): { readonly methods: Methods; readonly close: () => void } {
  const filters = createFilterMethods(engine, clock)
  return {
    close: filters.close,
    methods: {
      ...createStateMethods(engine),
      ...createSimulateMethods(engine),
      ...createDebugMethods(engine),
      ...createFeeMethods(engine, optimism),
      ...createNodeMethods(engine, VERSION),
      ...filters.methods,
    },
  }
}
