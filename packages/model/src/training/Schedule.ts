/** How the learning rate goes over a training. */
export type Schedule = {
  readonly kind: 'cosine' | 'linear' | 'constant'
  readonly learningRateMax: number
  readonly stepsTotal: number
  /** Steps of linear rise from 0. */
  readonly warmUpSteps: number
}

/** Gives the learning rate of a step, counted from 0; falls to a hundredth of the largest, never to 0. */
export function learningRateAt(step: number, schedule: Schedule): number {
  const { kind, learningRateMax, stepsTotal, warmUpSteps } = schedule
  if (step < warmUpSteps) return (learningRateMax * (step + 1)) / warmUpSteps
  const share = Math.min(1, (step - warmUpSteps) / Math.max(1, stepsTotal - warmUpSteps))
  const falls = { constant: 1, linear: 1 - share, cosine: (1 + Math.cos(Math.PI * share)) / 2 }
  return learningRateMax * Math.max(0.01, falls[kind])
}
