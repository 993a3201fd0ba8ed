import { Anchor, Badge, Button, Card, Collapse, Group, Text, Title } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import type { Http } from '@openledger/protocol'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useConnection } from 'wagmi'
import { queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { Figure, Figures } from '../components/Figure.tsx'
import { DownloadMenu } from './DownloadMenu.tsx'
import { OwnerPanel } from './OwnerPanel.tsx'
import { perplexity } from './perplexity.ts'
import { StakePanel } from './StakePanel.tsx'

const hundredths = (ppm: number): string => (ppm / 1e6).toFixed(2)

/** A published model: how good, how dear, how used; ask it, stake behind it, or run it as its owner. */
export function ModelCard({ model }: { model: Http.Model }) {
  const [opened, { toggle }] = useDisclosure()
  const [isOwning, owning] = useDisclosure()
  const { address } = useConnection()
  const network = useQuery(queries.network)
  const isOwner = address !== undefined && address.toLowerCase() === model.owner.toLowerCase()
  return (
    <Card withBorder component="article" aria-label={model.name}>
      <Group justify="space-between" wrap="nowrap" mb={4} align="flex-start">
        <Title order={2} size="h4" style={{ overflowWrap: 'anywhere' }}>
          {model.name}
        </Title>
        {model.isRetired ? (
          <Badge color="gray" style={{ flexShrink: 0 }}>
            retired
          </Badge>
        ) : (
          <Button component={Link} to={`/chat?model=${model.name}`} size="xs" style={{ flexShrink: 0 }}>
            Ask it
          </Button>
        )}
      </Group>
      <Text size="sm" mb="sm">
        Perplexity {perplexity(model.testLoss)} on test records, where the base has{' '}
        {perplexity(model.baseTestLoss)}: lower is better.
      </Text>
      <Text size="sm" mb="sm">
        {model.agreement === null
          ? 'How well its attribution agrees with retraining was not measured.'
          : `What its attribution says of records agrees ${hundredths(model.agreement.agreementPpm)} of 1 with ${model.agreement.retrainings} trainings without them (95 %: ${hundredths(model.agreement.lowPpm)} to ${hundredths(model.agreement.highPpm)}); comparing words alone agrees ${hundredths(model.agreement.bm25Ppm)}.`}
      </Text>
      <Figures mb="sm">
        <Figure label="Answers">{model.answerCount.toLocaleString('en')}</Figure>
        <Figure label="Per token">
          <Amount wei={model.outputPriceWei} />
        </Figure>
        <Figure label="Contributors’ part">
          <Amount wei={model.earnedWei} />
        </Figure>
        <Figure label="Staked behind it">
          <Amount wei={model.stakedWei} />
        </Figure>
      </Figures>
      <Group gap="md">
        <Button size="compact-sm" variant="light" onClick={toggle} aria-expanded={opened}>
          Stake behind it
        </Button>
        {isOwner && !model.isRetired && (
          <Button size="compact-sm" variant="light" onClick={owning.toggle} aria-expanded={isOwning}>
            Manage it
          </Button>
        )}
        <Anchor component={Link} to={`/training-runs/${model.trainingRunId}`} size="sm">
          How it was trained
        </Anchor>
        <DownloadMenu model={model} isOwner={isOwner} />
      </Group>
      <Collapse expanded={opened}>{opened && <StakePanel model={model} />}</Collapse>
      <Collapse expanded={isOwner && isOwning}>
        {isOwner && isOwning && network.data !== undefined && (
          <OwnerPanel model={model} account={address} deployment={network.data.deployment} />
        )}
      </Collapse>
    </Card>
  )
}
