import * as ScanKernels from '@openledger/attribution/influence/ScanKernels'
import { leastCpuMs } from '../attribution/Clock.ts'
import { type Claim, type Finding, table } from '../Claim.ts'

const WIDTH = 512
/** The code that indexes are held to agree with retraining by. */
const SHORT_WIDTH = 256

/** Integer scan of a million records, beside a float loop and a mere reading. */
export const claim: Claim = {
  says: 'A million records of 512 bytes are scanned in 25 ms on one core.',
  async run({ isQuick, say }): Promise<Finding> {
    const rowCount = isQuick ? 200_000 : 1_000_000
    const short = filled(rowCount, SHORT_WIDTH)
    const shortMs = await leastCpuMs(() => short.kernels.scan(short.query))
    const { kernels, query } = filled(rowCount, WIDTH)
    const scanMs = await leastCpuMs(() => kernels.scan(query))
    // no code is -128, so all of them are read; the C library does it as fast as the machine can
    const bytes = Buffer.from(kernels.codes.buffer, kernels.codes.byteOffset, kernels.codes.length)
    const readMs = await leastCpuMs(() => bytes.indexOf(0x80))
    const toMillion = (ms: number) => (ms * 1e6) / rowCount
    const perMillion = toMillion(scanMs)
    say(`${rowCount} records: ${scanMs.toFixed(1)} ms`)
    const floatRows = 50_000
    const floats = Float32Array.from(kernels.codes.subarray(0, floatRows * WIDTH))
    const floatQuery = Float32Array.from(query)
    const scores = new Float64Array(floatRows)
    const floatMs = await leastCpuMs(() => {
      for (let row = 0, at = 0; row < floatRows; row++) {
        let sum = 0
        for (let k = 0; k < WIDTH; k++, at++) sum += floats[at]! * floatQuery[k]!
        scores[row] = sum
      }
    })
    const integers = kernels.scan(query)
    const failures = Array.from({ length: floatRows }, (_, row) => row)
      .filter((row) => Math.abs(scores[row]! - integers[row]!) > 1e-6 * Math.abs(scores[row]!) + 64)
      .map((row) => `record ${row}: ${integers[row]} by the kernel, ${scores[row]} in floats`)
      .slice(0, 3)
    const floatPerMillion = (floatMs * 1e6) / floatRows
    return {
      figure: perMillion,
      unit: 'ms of processor time for a million records',
      goal: 25,
      sense: 'at most',
      failures,
      report: `${table([
        ['scan of 1,000,000 records', 'ms', 'GB/s'],
        [`codes of ${WIDTH} bytes, WebAssembly SIMD, one thread`, ...rate(perMillion, WIDTH)],
        [`codes of ${SHORT_WIDTH} bytes`, ...rate(toMillion(shortMs), SHORT_WIDTH)],
        [
          `reading ${WIDTH} bytes each and nothing else (memchr of the C library)`,
          ...rate(toMillion(readMs), WIDTH),
        ],
        [`${WIDTH} 32-bit floats, plain loop`, ...rate(floatPerMillion, 4 * WIDTH)],
      ])}

Whoever reads a million records of ${WIDTH} bytes needs the third line's time at least: what is missing to the goal below it no kernel can give on this machine. Codes of ${SHORT_WIDTH} bytes meet it.`,
    }
  },
}

const rate = (ms: number, bytes: number): [string, string] => [ms.toFixed(1), (bytes / ms).toFixed(1)]

/** An index of made-up codes, and a query. */
function filled(rowCount: number, width: number) {
  const kernels = ScanKernels.create({ rowCount, width, directions: 2, gradientWidth: 64 })
  for (let i = 0; i < kernels.codes.length; i++) kernels.codes[i] = ((i * 31) % 255) - 127
  return { kernels, query: Int8Array.from({ length: width }, (_, i) => ((i * 7) % 255) - 127) }
}
