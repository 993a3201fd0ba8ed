import {
  ActionIcon,
  Anchor,
  AppShell,
  Burger,
  Container,
  Group,
  NavLink,
  Text,
  Title,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import {
  IconBooks,
  IconBrain,
  IconCoins,
  IconHome,
  IconMessage,
  IconMoon,
  IconSun,
  IconTimeline,
} from '@tabler/icons-react'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { WalletButton } from './wallet/WalletButton.tsx'

const places = [
  { to: '/', label: 'Home', icon: IconHome },
  { to: '/datanets', label: 'Datanets', icon: IconBooks },
  { to: '/models', label: 'Models', icon: IconBrain },
  { to: '/chat', label: 'Chat', icon: IconMessage },
  { to: '/earnings', label: 'Earnings', icon: IconCoins },
  { to: '/explorer', label: 'Explorer', icon: IconTimeline },
] as const

/** The frame of every page: where one can go, who one is, and the page itself. */
export function Layout() {
  const [opened, { toggle, close }] = useDisclosure()
  const { pathname } = useLocation()
  return (
    <AppShell
      header={{ height: 60 }}
      navbar={{ width: 210, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding={{ base: 'sm', sm: 'lg' }}
    >
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Menu" />
            <Anchor component={Link} to="/" underline="never" c="inherit" aria-label="OpenLedger, home">
              <Group gap={8} wrap="nowrap">
                <img src="/logo.svg" width={28} height={28} alt="" />
                <Text fw={700} size="lg" visibleFrom="xs">
                  OpenLedger
                </Text>
              </Group>
            </Anchor>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <ColourScheme />
            <WalletButton />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs">
        <nav aria-label="Main">
          {places.map(({ to, label, icon: Icon }) => (
            <NavLink
              key={to}
              component={Link}
              to={to}
              label={label}
              leftSection={<Icon size={18} aria-hidden />}
              active={to === '/' ? pathname === '/' : pathname.startsWith(to)}
              onClick={close}
            />
          ))}
        </nav>
      </AppShell.Navbar>
      <AppShell.Main>
        <Container size="lg" p={0}>
          <Outlet />
        </Container>
      </AppShell.Main>
    </AppShell>
  )
}

function ColourScheme() {
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light')
  const next = scheme === 'dark' ? 'light' : 'dark'
  return (
    <ActionIcon
      variant="default"
      size="lg"
      aria-label={`Use the ${next} colours`}
      onClick={() => setColorScheme(next)}
    >
      {scheme === 'dark' ? <IconSun size={18} /> : <IconMoon size={18} />}
    </ActionIcon>
  )
}

/** A page's heading with one sentence that says what it is for. */
export function PageTitle({ title, children }: { title: string; children?: React.ReactNode }) {
  return (
    <header style={{ marginBottom: 'var(--mantine-spacing-lg)' }}>
      <Title order={1} size="h2">
        {title}
      </Title>
      {children !== undefined && (
        <Text c="dimmed" mt={4} maw={680} component="div">
          {children}
        </Text>
      )}
    </header>
  )
}
