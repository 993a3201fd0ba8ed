import { pack, splitAfter } from './TextPieces.ts'

/** A section shorter than this is read together with the next. */
const SECTION_CHARACTERS_MIN = 200

/** Splits Markdown by headings, and sections that are too long by paragraphs; code fences stay whole where they fit. */
export function splitMarkdown(text: string, max: number): string[] {
  const sections: string[] = []
  let fence: string | undefined
  for (const line of splitAfter(text, /\n/g)) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1]
    const isHeading = fence === undefined && /^ {0,3}#{1,6}(\s|$)/.test(line)
    if (sections.length === 0 || isHeading) sections.push(line)
    else sections[sections.length - 1] += line
    if (mark !== undefined) {
      if (fence === undefined) fence = mark
      else if (mark.startsWith(fence)) fence = undefined
    }
  }
  return pack(sections, { min: SECTION_CHARACTERS_MIN, max })
}
