import { Group, MultiSelect, NumberInput, Text } from '@mantine/core'

/** A model that answers together with others, and how much of it. */
export type Weighted = { readonly name: string; readonly weight: number }

type Props = {
  model: string
  /** Of all models that can be asked. */
  names: readonly string[]
  /** `model` first; empty where it answers alone. */
  adapters: readonly Weighted[]
  onChange: (adapters: readonly Weighted[]) => void
}

const OTHERS_MAX = 3
const WEIGHT_MAX = 4

/** Chooses models that answer together with the first one, and the weight of each. */
export function MergeInput({ model, names, adapters, onChange }: Props) {
  const others = names.filter((name) => name !== model)
  if (others.length === 0) return null
  const weightOf = (name: string): number => adapters.find((one) => one.name === name)?.weight ?? 1
  const choose = (chosen: readonly string[]): void =>
    onChange(chosen.length === 0 ? [] : [model, ...chosen].map((name) => ({ name, weight: weightOf(name) })))
  return (
    <>
      <MultiSelect
        label="Together with"
        description="Several models can answer as one; each is paid for its part."
        placeholder={adapters.length === 0 ? 'None' : ''}
        data={others}
        value={adapters.slice(1).map(({ name }) => name)}
        onChange={choose}
        maxValues={OTHERS_MAX}
        searchable={others.length > 8}
        clearable
      />
      {adapters.length > 0 && (
        <Group gap="sm" align="flex-end">
          {adapters.map(({ name, weight }) => (
            <NumberInput
              key={name}
              label={`Weight of ${name}`}
              value={weight}
              onChange={(value) =>
                onChange(adapters.map((one) => (one.name === name ? { name, weight: Number(value) } : one)))
              }
              min={-WEIGHT_MAX}
              max={WEIGHT_MAX}
              step={0.25}
              decimalScale={6}
              w={150}
            />
          ))}
          <Text size="xs" c="dimmed">
            A model costs its price for its weight’s part of the tokens, and from 1 on for all of them.
          </Text>
        </Group>
      )}
    </>
  )
}
