import { Anchor, Button, Card, Group, List, SimpleGrid, Stack, Text, ThemeIcon, Title } from '@mantine/core'
import { IconArrowRight, IconBooks, IconBrain, IconCoins, IconMessage } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { PageTitle } from '../components/PageTitle.tsx'
import { LatestAnswers } from './LatestAnswers.tsx'
import { OwnEarnings } from './OwnEarnings.tsx'
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
    text: 'Use any model through the OpenAI API. See whose data shaped the answer.',
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
  const datanets = useQuery(queries.datanets)
  const models = useQuery(queries.models)
  const receipts = useQuery(queries.receipts({ limit: 5 }))
  const earned = datanets.data?.reduce((sum, datanet) => sum + BigInt(datanet.earnedWei), 0n)
  return (
    <>
      <PageTitle title="AI that pays the people it learned from">
        Every step of a model’s life is recorded on this chain. Every answer says whose data shaped it, and
        pays them.
      </PageTitle>
      <Stack gap="lg">
        <Group>
          <Button component={Link} to="/chat">
            Ask a model
          </Button>
          <Button component={Link} to="/datanets" variant="default">
            Contribute data
          </Button>
        </Group>
        <OwnEarnings />
        <SeedProgress />
        <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} component="ol" p={0} m={0}>
          {loop.map((step, index) => (
            <li key={step.to} style={{ display: 'grid' }}>
              <Card withBorder component={Link} to={step.to} padding="md" c="inherit" className="step">
                <Group justify="space-between" mb="xs">
                  <ThemeIcon variant="light" size="lg" aria-hidden>
                    {step.icon}
                  </ThemeIcon>
                  {index < loop.length - 1 && <IconArrowRight size={16} opacity={0.5} aria-hidden />}
                </Group>
                <Text fw={650}>{step.title}</Text>
                <Text size="sm" c="dimmed">
                  {step.text}
                </Text>
              </Card>
            </li>
          ))}
        </SimpleGrid>
        <SimpleGrid cols={{ base: 2, md: 4 }}>
          <Total label="Records in Datanets">
            {datanets.data?.reduce((sum, datanet) => sum + datanet.recordCount, 0).toLocaleString('en')}
          </Total>
          <Total label="Models published">{models.data?.length}</Total>
          <Total label="Answers with a receipt">
            {receipts.data && (receipts.data[0]?.sequence ?? 0).toLocaleString('en')}
          </Total>
          <Total label="Earned by contributors">
            {earned === undefined ? undefined : <Amount wei={earned} strong />}
          </Total>
        </SimpleGrid>
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <LatestAnswers query={receipts} />
          <Network />
        </SimpleGrid>
      </Stack>
    </>
  )
}

function Network() {
  const { data: network } = useQuery(queries.network)
  if (network === undefined) return null
  const { split, supply, heads } = network
  return (
    <Card withBorder component="section" aria-labelledby="network">
      <Title order={2} size="h4" mb="xs" id="network">
        The network
      </Title>
      <List size="sm" spacing={6}>
        <List.Item>
          Of each fee {split.contributorsBps / 100} % goes to contributors, {split.ownerBps / 100} % to the
          model’s owner, {split.stakersBps / 100} % to its stakers, {split.platformBps / 100} % to the
          platform. Only{' '}
          <Anchor component={Link} to="/governance" size="sm">
            a vote
          </Anchor>{' '}
          changes that.
        </List.Item>
        <List.Item>
          <Amount wei={supply.lockedOnL1Wei} /> locked on L1
          {supply.onL2Wei === null ? (
            '. What exists on L2 is not counted here: another program keeps the balances.'
          ) : (
            <>
              , <Amount wei={supply.onL2Wei} /> on L2
              {supply.lockedOnL1Wei === supply.onL2Wei ? ': equal, to the wei.' : '.'}
            </>
          )}
        </List.Item>
        <List.Item>
          Block {heads.unsafe.toLocaleString('en')}; L1 holds all up to {heads.safe.toLocaleString('en')}.{' '}
          <Anchor component={Link} to="/explorer" size="sm">
            Look into the chain
          </Anchor>
        </List.Item>
      </List>
    </Card>
  )
}

function Total({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Card withBorder padding="sm">
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text fw={700} size="xl" component="div">
        {children ?? '…'}
      </Text>
    </Card>
  )
}
