import type { Datanets } from '@openledger/datanet'
import type { ModelFactory } from '@openledger/modelfactory'
import { type AccountRouteDependencies, addAccountRoutes } from './accountRoutes.ts'
import { type AttributionRouteDependencies, addAttributionRoutes } from './attributionRoutes.ts'
import { addDatanetRoutes } from './datanetRoutes.ts'
import { addExplorerRoutes, type ExplorerRouteDependencies } from './explorerRoutes.ts'
import { addExportRoutes } from './exportRoutes.ts'
import { addNetworkRoutes, type NetworkRouteDependencies } from './networkRoutes.ts'
import type { Routes } from './Routes.ts'
import { addReceiptRoutes } from './receiptRoutes.ts'
import { addTrainingRoutes } from './trainingRoutes.ts'

export type ApiRouteDependencies = NetworkRouteDependencies &
  AccountRouteDependencies &
  AttributionRouteDependencies &
  ExplorerRouteDependencies & {
    readonly datanets: Datanets
    readonly modelFactory: ModelFactory
  }

/** Adds every route under `/api`. */
export function addApiRoutes(routes: Routes, deps: ApiRouteDependencies): void {
  addNetworkRoutes(routes, deps)
  addDatanetRoutes(routes, deps)
  addTrainingRoutes(routes, deps)
  addExportRoutes(routes, deps)
  addAccountRoutes(routes, deps)
  addReceiptRoutes(routes, deps)
  addAttributionRoutes(routes, deps)
  addExplorerRoutes(routes, deps)
}
