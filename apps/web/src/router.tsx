import { createRootRoute, createRoute, createRouter } from '@tanstack/react-router'
import { ChatPage } from './chat/ChatPage.tsx'
import { Empty } from './components/AsyncView.tsx'
import { ContributionPage } from './datanets/ContributionPage.tsx'
import { DatanetPage } from './datanets/DatanetPage.tsx'
import { DatanetsPage } from './datanets/DatanetsPage.tsx'
import { EarningsPage } from './earnings/EarningsPage.tsx'
import { BlockPage } from './explorer/BlockPage.tsx'
import { ExplorerPage } from './explorer/ExplorerPage.tsx'
import { ReceiptPage } from './explorer/ReceiptPage.tsx'
import { TransactionPage } from './explorer/TransactionPage.tsx'
import { HomePage } from './home/HomePage.tsx'
import { Layout } from './Layout.tsx'
import { ModelsPage } from './models/ModelsPage.tsx'
import { TrainingRunPage } from './models/TrainingRunPage.tsx'

const root = createRootRoute({
  component: Layout,
  notFoundComponent: () => <Empty title="There is nothing at this address">Choose a page on the left.</Empty>,
})
const page = <Path extends string>(path: Path, component: () => React.ReactNode) =>
  createRoute({ getParentRoute: () => root, path, component })

export const router = createRouter({
  routeTree: root.addChildren([
    page('/', HomePage),
    page('/datanets', DatanetsPage),
    page('/datanets/$id', DatanetPage),
    page('/contributions/$id', ContributionPage),
    page('/models', ModelsPage),
    page('/training-runs/$id', TrainingRunPage),
    page('/chat', ChatPage),
    page('/earnings', EarningsPage),
    page('/explorer', ExplorerPage),
    page('/explorer/blocks/$number', BlockPage),
    page('/explorer/transactions/$hash', TransactionPage),
    page('/explorer/receipts/$sequence', ReceiptPage),
  ]),
  defaultPreload: 'intent',
})
