import { Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { useRouterState } from '@tanstack/react-router'
import { type ReactNode, useEffect, useRef } from 'react'

/** The address whose heading last had the focus; a page that was opened directly keeps the browser's own. */
const arrived = { at: window.location.pathname }

/**
 * A page's heading with one sentence that says what it is for.
 *
 * It names the document, and takes the focus when a person comes from another page, so that keyboards and screen
 * readers are where the eyes are.
 */
export function PageTitle({ title, children }: { title: string; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null)
  const address = useRouterState({ select: ({ resolvedLocation }) => resolvedLocation?.pathname })
  useDocumentTitle(`${title} · OpenLedger`)
  useEffect(() => {
    if (address === undefined || address === arrived.at) return
    arrived.at = address
    heading.current?.focus({ preventScroll: true })
  }, [address])
  return (
    <header className="page-title">
      <Title order={1} size="h2" ref={heading} tabIndex={-1} className="page-heading">
        {title}
      </Title>
      {children !== undefined && (
        <Text c="dimmed" mt={4} maw={680} component="div">
          {children}
        </Text>
      )}
    </header>
  )
}
