import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import './page.css'
import { Container, MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { type Config, WagmiProvider } from 'wagmi'
import { isRefusal, queries } from './api.ts'
import { AsyncView } from './components/AsyncView.tsx'
import { router } from './router.tsx'
import { cssVariables, theme } from './theme.ts'
import { createWalletConfig } from './wallet/config.ts'

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < 3 && !isRefusal(error),
    },
  },
})

let made: Promise<Config> | undefined
/** Makes wagmi's configuration once, however often it is asked for: it announces wallets. */
const walletConfig = (): Promise<Config> => {
  made ??= queryClient
    .fetchQuery(queries.network)
    .then(createWalletConfig)
    .catch((error) => {
      made = undefined
      throw error
    })
  return made
}

/** Which chain wallets are to use comes from the server, so the page waits for that one answer. */
function App() {
  const config = useQuery({
    queryKey: ['wallet-config'],
    queryFn: walletConfig,
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  })
  if (config.data === undefined)
    return (
      <Container size="xs" py="xl">
        <AsyncView query={config}>{() => null}</AsyncView>
      </Container>
    )
  return (
    <WagmiProvider config={config.data}>
      <RouterProvider router={router} />
    </WagmiProvider>
  )
}

/** Draws the page into an element. */
export function start(element: HTMLElement): void {
  createRoot(element).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
        <Notifications position="bottom-right" />
        <QueryClientProvider client={queryClient}>
          <App />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  )
}
