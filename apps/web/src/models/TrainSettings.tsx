import { Group, NumberInput, Select, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import type { Http } from '@openledger/protocol'

/** What the settings change: a run's configuration, and a pattern that becomes one of its checks. */
export type SettingValues = Http.TrainingConfig & { readonly pattern: string }

type InputProps = ReturnType<UseFormReturnType<SettingValues>['getInputProps']>

type Setting = {
  readonly name: keyof SettingValues
  readonly label: string
  readonly description: string
} & (
  | { readonly kind: 'number'; readonly min: number; readonly max?: number; readonly step?: number }
  | { readonly kind: 'choice'; readonly choices: readonly (readonly [value: string, label: string])[] }
  | { readonly kind: 'text'; readonly placeholder: string }
)

/** Rows of what may be set, each with its reason; none has to be. */
const SETTINGS: readonly (readonly Setting[])[] = [
  [
    {
      kind: 'choice',
      name: 'objective',
      label: 'It learns',
      description: 'Preferences need records with two answers',
      choices: [
        ['likelihood', 'to say what records say'],
        ['preference', 'which of two answers is better (DPO)'],
      ],
    },
    {
      kind: 'choice',
      name: 'method',
      label: 'It trains',
      description: '4 bits take a sixth of the base’s memory',
      choices: [
        ['lora', 'an adapter (LoRA)'],
        ['qlora', 'an adapter over 4 bits (QLoRA)'],
        ['full', 'all weights: a model of its own'],
      ],
    },
    {
      kind: 'number',
      name: 'dropout',
      label: 'Dropout',
      description: 'Helps small Datanets not to be learned by heart',
      min: 0,
      max: 0.5,
      step: 0.05,
    },
  ],
  [
    {
      kind: 'number',
      name: 'rehearsal',
      label: 'Rehearsal',
      description:
        'Tokens of the base’s own writing learned for each of the records, so that it keeps what the base knows; 0 is faster and forgets',
      min: 0,
      max: 4,
      step: 0.25,
    },
    {
      kind: 'number',
      name: 'forgettingMax',
      label: 'May forget',
      description:
        'Part that perplexity on the base’s texts may rise by: what forgot more is scaled back; 100 is no bound',
      min: 0.01,
      max: 100,
      step: 0.05,
    },
  ],
  [
    {
      kind: 'choice',
      name: 'gate',
      label: 'Publish only if',
      description: 'On the test records',
      choices: [
        ['none', 'I say so'],
        ['base', 'better than the base'],
        ['previous', 'better than my model before'],
      ],
    },
    {
      kind: 'text',
      name: 'pattern',
      label: 'Answers should match',
      description: 'A pattern; the part that does is measured',
      placeholder: '^[0-9]+$',
    },
  ],
  [
    {
      kind: 'number',
      name: 'rank',
      label: 'Rank',
      description: 'Room to learn; more is slower to serve',
      min: 1,
      max: 64,
    },
    {
      kind: 'number',
      name: 'epochs',
      label: 'Epochs',
      description: 'Times each record is seen',
      min: 1,
      max: 50,
    },
    {
      kind: 'number',
      name: 'batchSize',
      label: 'Batch size',
      description: 'Records a step',
      min: 1,
      max: 64,
    },
    {
      kind: 'number',
      name: 'learningRate',
      label: 'Learning rate',
      description: 'Size of a step',
      min: 0.000001,
      max: 0.1,
      step: 0.0005,
    },
    {
      kind: 'number',
      name: 'patience',
      label: 'Patience',
      description: 'Measurements without progress before it stops; 0 never',
      min: 0,
      max: 6,
    },
    { kind: 'number', name: 'seed', label: 'Seed', description: 'Same seed, same model', min: 0 },
  ],
]

/** The settings of a run as fields of a form. */
export function TrainSettings({
  getInputProps,
}: {
  getInputProps: (name: keyof SettingValues) => InputProps
}) {
  return SETTINGS.map((row, i) => (
    <Group
      key={row[0]!.name}
      grow
      preventGrowOverflow={false}
      align="flex-start"
      mb={i + 1 < SETTINGS.length ? 'sm' : 0}
    >
      {row.map((setting) => (
        <SettingField key={setting.name} setting={setting} props={getInputProps(setting.name)} />
      ))}
    </Group>
  ))
}

function SettingField({ setting, props }: { setting: Setting; props: InputProps }) {
  const { label, description } = setting
  const own = { label, description, ...props }
  switch (setting.kind) {
    case 'number': {
      const { min, max, step = 1 } = setting
      const limits = { min, ...(max === undefined ? {} : { max }) }
      return <NumberInput {...own} {...limits} step={step} decimalScale={step < 1 ? 6 : 0} />
    }
    case 'choice':
      return (
        <Select
          {...own}
          allowDeselect={false}
          data={setting.choices.map(([value, words]) => ({ value, label: words }))}
        />
      )
    case 'text':
      return <TextInput {...own} placeholder={setting.placeholder} />
    default:
      return setting satisfies never
  }
}
