import { Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { useRouterState } from '@tanstack/react-router'
import { type ReactNode, useEffect, useRef } from 'react'

/** Where a person last came to, and the heading that took the focus; a page opened directly keeps the browser's own. */
const arrived: { at: string; heading?: HTMLElement } = { at: window.location.pathname }

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
    const isNewPlace = address !== undefined && address !== arrived.at
    // the heading that stood there while the page was loading has gone, and the focus with it
    const hasLostFocus = arrived.heading?.isConnected === false && document.activeElement === document.body
    if (heading.current === null || (!isNewPlace && !hasLostFocus)) return
    heading.current.focus({ preventScroll: true })
    arrived.heading = heading.current
    if (address !== undefined) arrived.at = address
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
