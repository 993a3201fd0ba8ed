import type * as Http from './Http.ts'

/**
 * Writes what is known of a published model, in Markdown: what stands on chain and what was measured, and nothing else.
 * @param run - The run that the model came from.
 */
export function write(model: Http.Model, run: Http.TrainingRun): string {
  const { agreement } = model
  return [
    `# ${model.name}`,
    '',
    `A LoRA adapter, model ${model.id} of OpenLedger, published by ${model.owner} in transaction ${model.transactionHash}.`,
    ...(model.isRetired ? ['', 'Its owner has retired it.'] : []),
    '',
    '## On chain',
    '',
    '| | |',
    '| --- | --- |',
    `| Base | ${run.baseHash} |`,
    `| Adapter | ${model.adapterHash} |`,
    `| Attribution root | ${run.attributionRoot} |`,
    ...versionRows(run),
    `| Pays contributors | ${model.influenceBps / 100} % by influence, ${model.spansBps / 100} % by exact words |`,
    '',
    ...trainedLines(run),
    ...measuredLines(run),
    '',
    agreement === null
      ? 'How well its attribution agrees with training again was not measured.'
      : `Its attribution agrees ${(agreement.agreementPpm / 1e6).toFixed(2)} of 1 with ${agreement.retrainings} trainings without some of the records (95 %: ${(agreement.lowPpm / 1e6).toFixed(2)} to ${(agreement.highPpm / 1e6).toFixed(2)}).`,
    '',
    `\`npm run openledger -- retrain ${model.name}\` trains it again from the chain's record and compares the adapters.`,
    '',
  ].join('\n')
}

/** The same of a trained run that made a model of its own, of which nothing stands on chain but what it learned from. */
export function writeWhole(run: Http.TrainingRun): string {
  return [
    `# ${run.modelName}`,
    '',
    `A model of its own: all weights of a base, trained by ${run.owner} in run ${run.id} of OpenLedger. It is not published on chain, and no answer of it is attributed to the records that it learned.`,
    '',
    '| | |',
    '| --- | --- |',
    `| Base | ${run.baseHash} |`,
    `| Weights | ${run.weightsHash} |`,
    ...versionRows(run),
    '',
    ...trainedLines(run),
    ...measuredLines(run),
    '',
    'Serve it as the base of a server (`OPENLEDGER_BASE_MODEL`): adapters trained over it are attributed like any.',
    '',
  ].join('\n')
}

const versionRows = ({ datanets }: Http.TrainingRun): string[] =>
  datanets.map(({ datanetId, version }) => `| Trained on | Datanet ${datanetId}, version ${version} |`)

/** How a run trains, in a few words. */
export const methodOf = ({ method, rank, alpha, isRankStabilised, dropout }: Http.TrainingConfig): string =>
  method === 'full'
    ? 'All weights'
    : `${method === 'qlora' ? 'QLoRA (base in 4 bits)' : 'LoRA'} of rank ${rank}, alpha ${alpha}${isRankStabilised ? ' (rank-stabilised)' : ''}, dropout ${dropout}`

function trainedLines({ config, datanets, step }: Http.TrainingRun): string[] {
  const isPreference = config.objective === 'preference'
  const times = config.mixture.some((each) => each !== 1)
    ? `, ${datanets.map(({ datanetId }, i) => `Datanet ${datanetId} ${config.mixture[i] ?? 1} times`).join(', ')} an epoch`
    : ''
  return [
    '## How it was trained',
    '',
    `${methodOf(config)}; ${
      isPreference ? `preferences (DPO, beta ${config.preferenceBeta})` : 'likelihood of records'
    }; at most ${config.epochs} epochs of batches of ${config.batchSize}, sequences of ${config.sequenceTokens} tokens, learning rate ${config.learningRate}, seed ${config.seed}${config.rehearsal > 0 && !isPreference ? `; beside them ${config.rehearsal} tokens of the base's own writing for each of the records` : ''}; ${step} steps were taken${times}.`,
    '',
  ]
}

function measuredLines({ config, evaluation, testLoss, baseTestLoss }: Http.TrainingRun): string[] {
  const isPreference = config.objective === 'preference'
  const measure = (loss: number): string => (isPreference ? loss.toFixed(4) : Math.exp(loss).toFixed(2))
  const percent = (ppm: number | null): string =>
    ppm === null ? 'not asked for' : `${(ppm / 1e4).toFixed(1)} %`
  const previous = evaluation?.previous
  const lines = [
    '## Measured on test records, which neither taught nor chose it',
    '',
    `| | model | base |${previous ? ` ${previous.name} |` : ''}`,
    `| --- | --- | --- |${previous ? ' --- |' : ''}`,
    `| ${isPreference ? 'Preference loss' : 'Perplexity'} | ${measure(testLoss!)} | ${measure(baseTestLoss!)} |${previous ? ` ${measure(previous.testLoss)} |` : ''}`,
  ]
  if (evaluation === null) return lines
  const { ours, base, prompts, baseTexts, scale, judged } = evaluation
  const row = (name: string, score: keyof Http.Scores): string =>
    `| ${name} | ${percent(ours[score])} | ${percent(base[score])} |`
  return [
    ...lines,
    row('Exact match', 'exactMatchPpm'),
    row('ROUGE-1', 'rouge1Ppm'),
    row('ROUGE-2', 'rouge2Ppm'),
    row('ROUGE-L', 'rougeLPpm'),
    row("The owner's checks passed", 'checksPassedPpm'),
    '',
    `Answers are to ${prompts} prompts, always with the likeliest token.`,
    '',
    `On texts that the base wrote, perplexity is ${Math.exp(baseTexts.loss).toFixed(2)} where the base has ${Math.exp(baseTexts.baseLoss).toFixed(2)}: what it forgot${scale < 1 ? `, scaled to ${scale.toFixed(2)} of what was learned so that it is not more` : ''}.`,
    ...judgedLines(judged),
  ]
}

/** What a judge chose between this model's answers and others'. */
function judgedLines(judged: Http.Evaluation['judged']): string[] {
  if (judged === null) return []
  if (judged.failure !== null) return ['', `No judge compared its answers: ${judged.failure}`]
  const part = (ppm: number): string => (ppm / 1e4).toFixed(1)
  return judged.rounds.flatMap(({ against, prompts, wins, ties, losses, scorePpm, lowPpm, highPpm }) => [
    '',
    `${judged.judge} chose between its answers and those of ${against} to ${prompts} prompts, each pair in both orders: ${wins} won, ${ties} tied, ${losses} lost; score ${part(scorePpm)} % (95 %: ${part(lowPpm)} to ${part(highPpm)}).`,
  ])
}
