/** SPDX identifiers of the licences whose terms let anyone have the text, and what was made of it. */
const OPEN = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'Unlicense',
  'CC0-1.0',
  'CC-BY-4.0',
  'CC-BY-SA-4.0',
  'MPL-2.0',
  'GPL-2.0-only',
  'GPL-3.0-only',
  'GPL-3.0-or-later',
])

/**
 * Says whether licences let anyone have a text: all that it is under must, its contribution's and its Datanet's. What is
 * not known to be open is not.
 */
export const areOpen = (...licences: readonly string[]): boolean =>
  licences.every((licence) => OPEN.has(licence))
