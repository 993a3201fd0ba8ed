import { Contribution } from '@openledger/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openZeppelinModules } from './OpenZeppelin.ts'
import { FILE_BYTES_MAX, RECORD_CHARACTERS_MAX, splitIntoRecords } from './Records.ts'

const refusal = (code: string, message?: string) =>
  expect.objectContaining({ code, ...(message && { message: expect.stringContaining(message) }) })

test('the records of a file, joined, are the file, whatever it holds', () => {
  const piece = fc.constantFrom(
    ...[
      '{',
      '}',
      ';',
      '"',
      "'",
      '\\',
      '/*',
      '*/',
      '//',
      '\n',
      '\n\n',
      ' ',
      '# ',
      '```',
      'function f()',
      'contract',
      'import',
      '𝒳',
      'x'.repeat(700),
    ],
  )
  const text = fc
    .array(fc.oneof(piece, fc.string()), { minLength: 1, maxLength: 200 })
    .map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(text, fc.constantFrom('a.sol', 'a.md', 'a.txt', 'noending'), (source, name) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what the splitter refuses is another test's matter
      fc.pre(source.trim() !== '' && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffd]/.test(source))
      const records = splitIntoRecords({ name, text: source })
      expect(records.join('')).toBe(source)
      for (const record of records) expect(record.trim()).not.toBe('')
    }),
    { numRuns: 500 },
  )
})

describe('Solidity', () => {
  const source = `// SPDX-License-Identifier: MIT
// Example (token/Example.sol)
pragma solidity ^0.8.20;

import {A} from "./A.sol"; // not a definition

/// @notice A brace in a comment { and in a string do not count.
contract Example {
    string constant OPEN = "{";
${Array.from(
  { length: 8 },
  (_, i) => `
    /// @notice Function number ${i}. ${'It is documented at some length. '.repeat(8)}
    function f${i}() external pure returns (uint256) {
        if (true) { return ${i}; }
        return 0; // }
    }`,
).join('\n')}
}

function free(uint256 a) pure returns (uint256) { return a; }
`
  const records = splitIntoRecords({ name: 'Example.sol', text: source })

  test('begins with licence and path', () => {
    expect(records[0]).toMatch(/^\/\/ SPDX-License-Identifier: MIT\n\/\/ Example \(token\/Example.sol\)/)
  })

  test('keeps each function whole and together with its documentation', () => {
    for (let i = 0; i < 8; i++) {
      const record = records.find((text) => text.includes(`function f${i}(`))!
      expect(record).toContain(`@notice Function number ${i}.`)
      expect(record).toContain(`return ${i}; }\n        return 0; // }\n    }`)
    }
    expect(records.some((text) => text.includes('function free') && text.includes('return a; }'))).toBe(true)
  })
})

test('Markdown is split at headings, not at what only looks like one inside a code fence', () => {
  const filler = 'words and more words '.repeat(20)
  const text = `# One\n\n${filler}\n\n## Two\n\n\`\`\`sh\n# a comment\n\`\`\`\n\n${filler}\n\n# Three\n\n${filler}\n`
  const records = splitIntoRecords({ name: 'README.md', text })
  expect(records.map((record) => record.split('\n')[0])).toEqual(['# One', '## Two', '# Three'])
})

test('plain text is split into paragraphs, long ones further', () => {
  const paragraph = 'A sentence that says little. '.repeat(12).trim()
  const text = `${paragraph}\n\n${paragraph}\n\n${'Longer. '.repeat(400)}`
  const records = splitIntoRecords({ name: 'notes', text })
  expect(records[0]).toBe(`${paragraph}\n\n`)
  expect(records[1]).toBe(`${paragraph}\n\n`)
  expect(records.length).toBeGreaterThan(4)
  for (const record of records) expect(record.length).toBeLessThanOrEqual(RECORD_CHARACTERS_MAX)
})

describe('JSON Lines', () => {
  test('takes the text that training data carries', () => {
    const lines = [
      { text: 'plain' },
      { prompt: 'a question', completion: 'an answer' },
      {
        messages: [
          { role: 'user', content: 'hello' },
          { role: 'assistant', content: 'good day' },
        ],
      },
      'a bare string',
    ]
    const text = lines.map((line) => JSON.stringify(line)).join('\n\n')
    expect(splitIntoRecords({ name: 'data.jsonl', text })).toEqual([
      'plain',
      '{"completion":"an answer","prompt":"a question"}',
      '{"messages":[{"content":"hello","role":"user"},{"content":"good day","role":"assistant"}]}',
      'a bare string',
    ])
  })

  test.each([
    ['{"text": "a"}\n{"text": ', 'line 2 is not JSON'],
    ['{"label": 1}', 'line 1 has no "text"'],
    ['{"messages": [{"role": "user"}]}', 'line 1 has no "text"'],
    ['{"messages": [null]}', 'line 1 has no "text"'],
    ['{"text": "  "}', 'line 1 has no "text"'],
  ])('names the line that is wrong: %j', (text, message) => {
    expect(() => splitIntoRecords({ name: 'data.jsonl', text })).toThrow(refusal('file.json_line', message))
  })
})

describe('what is no text is refused by name', () => {
  test.each([
    ['', 'file.empty'],
    [' \n\t', 'file.empty'],
    ['PK\u0003\u0004', 'file.not_text'],
    ['a\u0000b', 'file.not_text'],
    [new TextDecoder().decode(Uint8Array.of(0x61, 0xff, 0xfe)), 'file.not_text'],
    ['x'.repeat(FILE_BYTES_MAX + 1), 'file.size'],
    ['€'.repeat(FILE_BYTES_MAX / 3 + 1), 'file.size'],
  ])('%#', (text, code) => {
    expect(() => splitIntoRecords({ name: 'upload.bin', text })).toThrow(refusal(code, 'upload.bin'))
  })
})

describe('the first modules', () => {
  const modules = openZeppelinModules()

  test('are 16 to 24, named, and at most 350 kB together', () => {
    expect(modules.length).toBeGreaterThanOrEqual(16)
    expect(modules.length).toBeLessThanOrEqual(24)
    const characters = modules
      .flatMap(({ files }) => files.map(({ text }) => text.length))
      .reduce((a, b) => a + b)
    expect(characters).toBeLessThan(350_000)
  })

  test.each(modules.map((module) => [module.name, module] as const))(
    '%s becomes records that rebuild it',
    (_name, module) => {
      for (const { path, text } of module.files) {
        const records = splitIntoRecords({ name: path, text })
        expect(records.join('')).toBe(text)
        expect(Math.max(...records.map((record) => record.length))).toBeLessThanOrEqual(RECORD_CHARACTERS_MAX)
        expect(Math.min(...records.map((record) => record.trim().length))).toBeGreaterThan(40)
        expect(records[0]).toMatch(/SPDX-License-Identifier: MIT\n\/\/ OpenZeppelin Contracts .*\.sol\)/)
        for (const record of records) expect(record).not.toMatch(/^ from "/)
      }
      const all = module.files.flatMap(({ path, text }) => splitIntoRecords({ name: path, text }))
      expect(Contribution.fromRecords(all).recordCount).toBe(all.length)
    },
  )
})
