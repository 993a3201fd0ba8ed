import '@mantine/charts/styles.css'
import { LineChart } from '@mantine/charts'
import type { Http } from '@openledger/protocol'

type Props = { metrics: readonly Http.Metric[]; stepCount: number }

/** The loss of a run, step by step. */
export default function LossChart({ metrics, stepCount }: Props) {
  const first = metrics[0]!
  const last = metrics.at(-1)!
  return (
    <div
      role="img"
      aria-label={`Training loss from ${first.trainingLoss.toFixed(2)} at step ${first.step} to ${last.trainingLoss.toFixed(2)} at step ${last.step}`}
    >
      <LineChart
        h={260}
        data={metrics.map(({ step, trainingLoss, validationLoss }) => ({
          step,
          training: trainingLoss,
          validation: validationLoss ?? undefined,
        }))}
        dataKey="step"
        series={[
          { name: 'training', color: 'cyan.6' },
          { name: 'validation', color: 'orange.6' },
        ]}
        withLegend
        withDots={false}
        connectNulls
        curveType="linear"
        xAxisProps={{ type: 'number', domain: [0, stepCount] }}
        yAxisProps={{ domain: ['auto', 'auto'] }}
        valueFormatter={(value) => value.toFixed(2)}
      />
    </div>
  )
}
