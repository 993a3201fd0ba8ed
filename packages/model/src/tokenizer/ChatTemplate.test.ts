import { Template } from '@huggingface/jinja'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createChatTemplate } from './ChatTemplate.ts'

const values = {
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello' },
  ],
  bos_token: '<s>',
  eos_token: '</s>',
  add_generation_prompt: true,
}

describe('templates as people write them', () => {
  test.each([
    "{% for message in messages %}{{ message['content'] }}{{ '\\n' }}{% endfor %}",
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content | trim + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    '{% set ns = namespace(found=false) %}{% for m in messages[1:] %}{% if loop.first %}{% set ns.found = true %}{% endif %}{{ loop.index0 }}:{{ m.content | upper }};{% endfor %}{{ ns.found }}{{ messages | length }}',
    '{% macro tell(m) %}[{{ m.role }}]{{ m.content }}{% endmacro %}{% for i in range(2, -1, -1) %}{{ tell(messages[i]) }}{% endfor %}{{ range(3) | join(",") }}{{ none }}{{ True }}',
    '{% if strftime_now is defined %}today{% else %}26 Jul 2024{% endif %}{{ messages | tojson }}',
  ])('are written out as the library does it: %s', (text) => {
    // the library has a clock, and we have none
    const expected = new Template(text).render(values).replace('today', '26 Jul 2024')
    expect(createChatTemplate(text).render(values)).toBe(expected)
  })
})

describe('templates of an attacker', () => {
  test.each([
    ['an endless loop', '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}'],
    ['a huge range', '{% for a in range(10 ** 12) %}{% endfor %}'],
    ['an endless range', '{{ range(0, 1, 0) }}'],
    [
      'texts that double',
      `{% set ns = namespace(s="x") %}{% for a in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}`,
    ],
    [
      'lists that double',
      `{% set ns = namespace(l=[1]) %}{% for a in range(64) %}{% set ns.l = ns.l + ns.l %}{% endfor %}{{ ns.l }}`,
    ],
    ['lists in lists', `{% set s = "a" %}${'{% set s = [s, s] %}'.repeat(40)}{{ s }}`],
    ['objects in objects', `{% set s = "a" %}${'{% set s = {"a": s, "b": s} %}'.repeat(40)}{{ s | tojson }}`],
    [
      'a value that holds itself',
      '{% set ns = namespace(l=[]) %}{% set l = [ns, ns] %}{% set ns.l = l %}{{ l }}',
    ],
    ['a loop that prints', `{% for a in range(99999) %}{{ "${'x'.repeat(1_000)}" }}{% endfor %}`],
    ['a macro that calls itself', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}'],
    [
      'two calls in each',
      '{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}',
    ],
    ['a wide indent', `{{ "a\\n" | indent(2 ** 40) }}`],
    ['its own refusal', "{{ raise_exception('no tools') }}"],
  ])('%s ends soon, in words', (_, text) => {
    const began = performance.now()
    expect(() => createChatTemplate(text).render(values)).toThrow()
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  /** Programs of nested loops, doubling and macros: few are sensible, none may run long. */
  const { program } = fc.letrec((tie) => ({
    text: fc.constantFrom(
      'x',
      '{{ s }}',
      '{{ messages | tojson }}',
      '{{ range(900) | join }}',
      '{{ f(i) }}',
      '{{ s | upper }}',
    ),
    loop: fc
      .tuple(fc.constantFrom('range(999)', 'range(99999)', 'messages', 'range(10 ** 9)', 's'), tie('program'))
      .map(([over, body]) => `{% for i in ${over} %}${body}{% endfor %}`),
    set: fc.constantFrom(
      '{% set s = s ~ s %}',
      '{% set s = [s, s] %}',
      '{% set s = s + s %}',
      '{% set s = "ab" * 9 %}',
    ),
    macro: (tie('program') as fc.Arbitrary<string>).map((body) => `{% macro f(i) %}${body}{% endmacro %}`),
    program: fc
      .array(fc.oneof({ depthSize: 'small' }, tie('text'), tie('set'), tie('loop'), tie('macro')), {
        maxLength: 4,
      })
      .map((parts) => parts.join('')),
  }))
  test('made at random end soon, with a text or in words', () => {
    fc.assert(
      fc.property(program as fc.Arbitrary<string>, (body) => {
        const began = performance.now()
        try {
          expect(typeof createChatTemplate(`{% set s = "y" %}${body}`).render(values)).toBe('string')
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
        }
        expect(performance.now() - began).toBeLessThan(5_000)
      }),
      { numRuns: 300 },
    )
  })
})
