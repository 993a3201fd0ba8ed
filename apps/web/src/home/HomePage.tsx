import { Anchor, Card, Group, List, SimpleGrid, Stack, Text, ThemeIcon, Title } from '@mantine/core'
import { IconArrowRight, IconBooks, IconBrain, IconCoins, IconMessage } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { PageTitle } from '../Layout.tsx'
import { SeedProgress } from './SeedProgress.tsx'

type Step = { icon: ReactNode; title: string; to: string; text: string }

const loop: readonly Step[] = [
  {
    icon: <IconBooks />,
    title: 'Contribute',
    to: '/datanets',
    text: 'Sign data into a Datanet. Its hash, its licence and your name go on chain.',
  },
  {
    icon: <IconBrain />,
    title: 'Train',
    to: '/models',
    text: 'Fine-tune a model on a Datanet. No code; what went in is on record.',
  },
  {
    icon: <IconMessage />,
    title: 'Ask',
    to: '/chat',
    text: 'Use any model through the OpenAI API. See which data shaped the answer.',
  },
  {
    icon: <IconCoins />,
    title: 'Earn',
    to: '/earnings',
    text: 'Each answer pays the people behind it. Claim, and withdraw to Ethereum.',
  },
]

/** What OpenLedger is, what runs here right now, and where to begin. */
export function HomePage() {
  const network = useQuery(queries.network)
  const datanets = useQuery(queries.datanets)
  const models = useQuery(queries.models)
  const receipts = useQuery(queries.receipts({ limit: 1 }))
  const earned = datanets.data?.reduce((sum, datanet) => sum + BigInt(datanet.earnedWei), 0n)
  return (
    <>
      <PageTitle title="AI that pays the people it learned from">
        Every step of a model’s life is recorded on this chain. Every answer says whose data shaped it, and
        pays them.
      </PageTitle>
      <Stack gap="lg">
        <SeedProgress />
        <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
          {loop.map((step, index) => (
            <Card
              key={step.to}
              withBorder
              component={Link}
              to={step.to}
              padding="md"
              style={{ color: 'inherit' }}
            >
              <Group justify="space-between" mb="xs">
                <ThemeIcon variant="light" size="lg" aria-hidden>
                  {step.icon}
                </ThemeIcon>
                {index < loop.length - 1 && <IconArrowRight size={16} opacity={0.4} aria-hidden />}
              </Group>
              <Text fw={650}>{step.title}</Text>
              <Text size="sm" c="dimmed">
                {step.text}
              </Text>
            </Card>
          ))}
        </SimpleGrid>
        <SimpleGrid cols={{ base: 2, md: 4 }}>
          <Figure title="Records in Datanets">
            {datanets.data?.reduce((sum, datanet) => sum + datanet.recordCount, 0).toLocaleString('en')}
          </Figure>
          <Figure title="Models published">{models.data?.length}</Figure>
          <Figure title="Answers with a receipt">
            {receipts.data?.[0]?.sequence ?? (receipts.data ? 0 : undefined)}
          </Figure>
          <Figure title="Earned by contributors">
            {earned === undefined ? undefined : <Amount wei={earned} strong />}
          </Figure>
        </SimpleGrid>
        {network.data !== undefined && (
          <Card withBorder>
            <Title order={2} size="h4" mb="xs">
              The network
            </Title>
            <List size="sm" spacing={4}>
              <List.Item>
                A fee is split {network.data.split.contributorsBps / 100} % contributors,{' '}
                {network.data.split.ownerBps / 100} % model owner, {network.data.split.stakersBps / 100} %
                stakers, {network.data.split.platformBps / 100} % platform; only a vote changes that.
              </List.Item>
              <List.Item>
                <Amount wei={network.data.supply.lockedOnL1Wei} /> locked on L1,{' '}
                <Amount wei={network.data.supply.onL2Wei} /> on L2
                {network.data.supply.lockedOnL1Wei === network.data.supply.onL2Wei
                  ? ': equal, to the wei.'
                  : '.'}
              </List.Item>
              <List.Item>
                Block {network.data.heads.unsafe.toLocaleString('en')}, safe on L1 up to{' '}
                {network.data.heads.safe.toLocaleString('en')}.{' '}
                <Anchor component={Link} to="/explorer" size="sm">
                  Look into the chain
                </Anchor>
              </List.Item>
            </List>
          </Card>
        )}
      </Stack>
    </>
  )
}

function Figure({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card withBorder padding="sm">
      <Text size="xs" c="dimmed">
        {title}
      </Text>
      <Text fw={700} size="xl" component="div">
        {children ?? '…'}
      </Text>
    </Card>
  )
}
