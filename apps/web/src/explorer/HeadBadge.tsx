import { Badge } from '@mantine/core'
import type { Http } from '@openledger/protocol'
import { HEADS } from './heads.ts'

/** How sure a block is. */
export function HeadBadge({ status }: { status: Http.Block['status'] }) {
  const { label, colour, means } = HEADS[status]
  return (
    <Badge size="sm" color={colour} title={means}>
      {label}
    </Badge>
  )
}
