import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Claim, closingLine, isMet, KINDS, type Kind } from './Claim.ts'
import { pageOf, readPages, writeSection } from './Pages.ts'

/**
 * Runs the claims of one kind, all or the named one: `npm run bench -- chain --quick`.
 *
 * Exit status 0 means met, 1 short, 2 that no such claim exists.
 */
const [kind, ...words] = process.argv.slice(2)
const isKind = (word: string | undefined): word is Kind => KINDS.some((known) => known === word)
if (!isKind(kind)) {
  console.error(`Expected one of ${KINDS.join(', ')}; got ${kind ?? 'nothing'}.`)
  process.exit(2)
}
const names = globSync('*.ts', { cwd: join(import.meta.dirname, kind) })
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => basename(path, '.ts'))
  .filter((name) => /^[a-z]/.test(name))
  .sort()
const isQuick = words.includes('--quick')
const [wanted, ...rest] = words.filter((word) => word !== '--quick')
if (wanted !== undefined && !names.includes(wanted)) {
  console.error(`Expected one of ${names.join(', ')}; got ${wanted}.`)
  process.exit(2)
}

let short = 0
for (const name of wanted === undefined ? names : [wanted]) {
  const { claim } = (await import(pathToFileURL(join(import.meta.dirname, kind, `${name}.ts`)).href)) as {
    claim: Claim
  }
  const title = `${kind}: ${name}`
  // a full run leaves its table in the documents; a quick one is for the person at the terminal
  const isRecorded = !isQuick && rest.length === 0
  if (isRecorded) pageOf(readPages(), title)
  console.log(claim.says)
  const finding = await claim.run({ isQuick, words: rest, say: (line) => console.log(line) })
  console.log(`\n${finding.report}\n`)
  for (const failure of finding.failures ?? []) console.log(`failed: ${failure}`)
  const closing = closingLine(name, finding)
  const today = new Date().toISOString().slice(0, 10)
  if (isRecorded)
    writeSection(
      title,
      `${claim.says}\n\n\`npm run ${kind} -- ${name}\` on ${today}: ${closing}.\n\n${finding.report}`,
    )
  console.log(closing)
  if (!isMet(finding)) short += 1
}
process.exit(short > 0 ? 1 : 0)
