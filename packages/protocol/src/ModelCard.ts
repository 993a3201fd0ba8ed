import type * as Http from './Http.ts'

/**
 * Writes what is known of a published model, in Markdown: what stands on chain and what was measured, and nothing else.
 * @param run - The run that the model came from.
 */
export function write(model: Http.Model, run: Http.TrainingRun): string {
  const { config, evaluation } = run
  const isPreference = config.objective === 'preference'
  const measure = (loss: number): string => (isPreference ? loss.toFixed(4) : Math.exp(loss).toFixed(2))
  const percent = (ppm: number | null): string =>
    ppm === null ? 'not asked for' : `${(ppm / 1e4).toFixed(1)} %`
  const rows = (scores: (each: Http.Scores) => number | null): string =>
    `${percent(scores(evaluation!.ours))} | ${percent(scores(evaluation!.base))} |`
  const times = config.mixture.some((each) => each !== 1)
    ? `, ${run.datanets.map(({ datanetId }, i) => `Datanet ${datanetId} ${config.mixture[i] ?? 1} times`).join(', ')} an epoch`
    : ''
  const lines = [
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
    ...run.datanets.map(
      ({ datanetId, version }) => `| Trained on | Datanet ${datanetId}, version ${version} |`,
    ),
    `| Pays contributors | ${model.influenceBps / 100} % by influence, ${model.spansBps / 100} % by exact words |`,
    '',
    '## How it was trained',
    '',
    `${config.method === 'qlora' ? 'QLoRA (base in 4 bits)' : 'LoRA'} of rank ${config.rank}, alpha ${config.alpha}${config.isRankStabilised ? ' (rank-stabilised)' : ''}, dropout ${config.dropout}; ${
      isPreference ? `preferences (DPO, beta ${config.preferenceBeta})` : 'likelihood of records'
    }; at most ${config.epochs} epochs of batches of ${config.batchSize}, sequences of ${config.sequenceTokens} tokens, learning rate ${config.learningRate}, seed ${config.seed}${config.rehearsal > 0 && !isPreference ? `; beside them ${config.rehearsal} tokens of the base's own writing for each of the records` : ''}; ${run.step} steps were taken${times}.`,
    '',
    '## Measured on test records, which neither taught nor chose the adapter',
    '',
    `| | model | base |${evaluation?.previous ? ` ${evaluation.previous.name} |` : ''}`,
    `| --- | --- | --- |${evaluation?.previous ? ' --- |' : ''}`,
    `| ${isPreference ? 'Preference loss' : 'Perplexity'} | ${measure(model.testLoss)} | ${measure(model.baseTestLoss)} |${evaluation?.previous ? ` ${measure(evaluation.previous.testLoss)} |` : ''}`,
  ]
  if (evaluation !== null) {
    lines.push(
      ...[
        `| Exact match | ${rows((each) => each.exactMatchPpm)}`,
        `| ROUGE-1 | ${rows((each) => each.rouge1Ppm)}`,
      ],
      ...[`| ROUGE-2 | ${rows((each) => each.rouge2Ppm)}`, `| ROUGE-L | ${rows((each) => each.rougeLPpm)}`],
      `| The owner's checks passed | ${rows((each) => each.checksPassedPpm)}`,
      '',
      `Answers are to ${evaluation.prompts} prompts, always with the likeliest token.`,
      '',
      `On texts that the base wrote, perplexity is ${Math.exp(evaluation.baseTexts.loss).toFixed(2)} where the base has ${Math.exp(evaluation.baseTexts.baseLoss).toFixed(2)}: what it forgot${evaluation.scale < 1 ? `, scaled to ${evaluation.scale.toFixed(2)} of what was learned so that it is not more` : ''}.`,
      ...judgedLines(evaluation.judged),
    )
  }
  const { agreement } = model
  lines.push(
    '',
    agreement === null
      ? 'How well its attribution agrees with training again was not measured.'
      : `Its attribution agrees ${(agreement.agreementPpm / 1e6).toFixed(2)} of 1 with ${agreement.retrainings} trainings without some of the records (95 %: ${(agreement.lowPpm / 1e6).toFixed(2)} to ${(agreement.highPpm / 1e6).toFixed(2)}).`,
    '',
    `\`npm run openledger -- retrain ${model.name}\` trains it again from the chain's record and compares the adapters.`,
    '',
  )
  return lines.join('\n')
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
