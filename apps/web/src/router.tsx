import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouteComponent,
} from '@tanstack/react-router'
import { Empty } from './components/AsyncView.tsx'
import { PageTitle } from './components/PageTitle.tsx'
import { HomePage } from './home/HomePage.tsx'
import { Layout } from './Layout.tsx'

const root = createRootRoute({
  component: Layout,
  notFoundComponent: () => (
    <>
      <PageTitle title="There is nothing here" />
      <Empty title="This address leads nowhere">Choose a page from the menu.</Empty>
    </>
  ),
})
const page = <Path extends string>(path: Path, component: RouteComponent) =>
  createRoute({ getParentRoute: () => root, path, component })

// every page but the first is loaded when it is needed, or when a pointer rests on a link to it
const lazy = lazyRouteComponent
const datanets = () => import('./datanets/DatanetsPage.tsx')
const datanet = () => import('./datanets/DatanetPage.tsx')
const contribution = () => import('./datanets/ContributionPage.tsx')
const models = () => import('./models/ModelsPage.tsx')
const trainingRun = () => import('./models/TrainingRunPage.tsx')
const chat = () => import('./chat/ChatPage.tsx')
const earnings = () => import('./earnings/EarningsPage.tsx')
const agents = () => import('./agents/AgentsPage.tsx')
const governance = () => import('./governance/GovernancePage.tsx')
const explorer = () => import('./explorer/ExplorerPage.tsx')
const block = () => import('./explorer/BlockPage.tsx')
const transaction = () => import('./explorer/TransactionPage.tsx')
const receipt = () => import('./explorer/ReceiptPage.tsx')

export const router = createRouter({
  routeTree: root.addChildren([
    page('/', HomePage),
    page('/datanets', lazy(datanets, 'DatanetsPage')),
    page('/datanets/$id', lazy(datanet, 'DatanetPage')),
    page('/contributions/$id', lazy(contribution, 'ContributionPage')),
    page('/models', lazy(models, 'ModelsPage')),
    page('/training-runs/$id', lazy(trainingRun, 'TrainingRunPage')),
    page('/chat', lazy(chat, 'ChatPage')),
    page('/earnings', lazy(earnings, 'EarningsPage')),
    page('/agents', lazy(agents, 'AgentsPage')),
    page('/governance', lazy(governance, 'GovernancePage')),
    page('/explorer', lazy(explorer, 'ExplorerPage')),
    page('/explorer/blocks/$number', lazy(block, 'BlockPage')),
    page('/explorer/transactions/$hash', lazy(transaction, 'TransactionPage')),
    page('/explorer/receipts/$sequence', lazy(receipt, 'ReceiptPage')),
  ]),
  defaultPreload: 'intent',
  scrollRestoration: true,
})
