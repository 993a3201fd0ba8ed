import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { type Claim, table } from '../Claim.ts'

const VERSIONS = ['1.29.0', '1.32.0', '1.37.0']
const root = join(import.meta.dirname, '../..')

export const claim: Claim = {
  says: "The manifests of deploy/ are what Kubernetes' published schemas allow, strictly.",
  async run() {
    const python = process.env['OPENLEDGER_PYTHON'] ?? 'python3'
    const paths = globSync('deploy/*.yaml', { cwd: root }).sort()
    const rows: string[][] = [['manifest', ...VERSIONS]]
    const failures: string[] = []
    let valid = 0
    for (const path of paths) {
      const found = VERSIONS.map((version) => {
        const { status, stdout, stderr } = spawnSync(
          python,
          ['-m', 'kubernetes_validate', '--strict', '-k', version, join(root, path)],
          { encoding: 'utf8' },
        )
        if (status === 0) {
          valid++
          return 'valid'
        }
        const said = `${stdout}${stderr}`
        failures.push(
          said.includes('No module named')
            ? `kubernetes-validate is missing: pip install kubernetes-validate for the Python that OPENLEDGER_PYTHON names`
            : `${path} for ${version}: ${said.trim().slice(0, 300)}`,
        )
        return 'not valid'
      })
      rows.push([path, ...found])
    }
    return {
      figure: valid,
      unit: `of ${paths.length * VERSIONS.length} checks pass`,
      goal: paths.length * VERSIONS.length,
      sense: 'at least',
      failures,
      report: `${table(rows)}\n\nBy kubernetes-validate, which carries the schemas of each version.`,
    }
  },
}
