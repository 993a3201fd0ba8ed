import {
  ActionIcon,
  Anchor,
  AppShell,
  Burger,
  Container,
  Group,
  NavLink,
  Text,
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
  IconRobot,
  IconScale,
  IconSun,
  IconTimeline,
} from '@tabler/icons-react'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { WalletButton } from './wallet/WalletButton.tsx'

/** Where one can go; `within` are the addresses that belong to each place. */
const places = [
  { to: '/', label: 'Home', icon: IconHome, within: [] },
  { to: '/datanets', label: 'Datanets', icon: IconBooks, within: ['/datanets', '/contributions'] },
  { to: '/models', label: 'Models', icon: IconBrain, within: ['/models', '/training-runs'] },
  { to: '/chat', label: 'Chat', icon: IconMessage, within: ['/chat'] },
  { to: '/earnings', label: 'Earnings', icon: IconCoins, within: ['/earnings'] },
  { to: '/agents', label: 'Agents', icon: IconRobot, within: ['/agents'] },
  { to: '/governance', label: 'Governance', icon: IconScale, within: ['/governance'] },
  { to: '/explorer', label: 'Explorer', icon: IconTimeline, within: ['/explorer'] },
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
      <a className="skip-link" href="#content">
        Skip to the page
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label="Menu"
              aria-expanded={opened}
            />
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
      <AppShell.Navbar p="xs" component="nav" aria-label="Main">
        {places.map(({ to, label, icon: Icon, within }) => (
          <NavLink
            key={to}
            component={Link}
            to={to}
            activeOptions={{ exact: to === '/' }}
            label={label}
            leftSection={<Icon size={18} aria-hidden />}
            active={to === pathname || within.some((path) => pathname.startsWith(path))}
            onClick={close}
            style={{ borderRadius: 8 }}
          />
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="content">
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
