import '@mantine/core/styles.css'
import '@mantine/charts/styles.css'
import '@mantine/notifications/styles.css'
import './page.css'
import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import type { Http } from '@openledger/protocol'
import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode, useMemo } from 'react'
import { createRoot } from 'react-dom/client'
import { WagmiProvider } from 'wagmi'
import { z } from 'zod'
import { queries } from './api.ts'
import { AsyncView } from './components/AsyncView.tsx'
import { router } from './router.tsx'
import { theme } from './theme.ts'
import { createWalletConfig } from './wallet/config.ts'
import { announceDevelopmentWallets } from './wallet/developmentWallet.ts'

// the page's content security policy allows no generated code
z.config({ jitless: true })

const queryClient = new QueryClient({ defaultOptions: { queries: { retry: 1 } } })

/** Which chain wallets are to use comes from the server, so the page waits for that one answer. */
function Connected({ network }: { network: Http.Network }) {
  const { development, l2RpcUrl } = network
  const { l2ChainId } = network.deployment
  // biome-ignore lint/correctness/useExhaustiveDependencies: the chain a server runs does not change while it runs
  const config = useMemo(() => {
    if (development) announceDevelopmentWallets(l2ChainId, l2RpcUrl)
    return createWalletConfig(network)
  }, [l2ChainId, l2RpcUrl, development])
  return (
    <WagmiProvider config={config}>
      <RouterProvider router={router} />
    </WagmiProvider>
  )
}

function App() {
  const network = useQuery(queries.network)
  return <AsyncView query={network}>{(data) => <Connected network={data} />}</AsyncView>
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <Notifications position="bottom-right" />
      <QueryClientProvider client={queryClient}>
        <App />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
