import type { Http } from '@openledger/protocol'
import { useQueryClient } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { type CompletionRequest, streamCompletion } from './streamCompletion.ts'

/** An answer as it comes: its text grows, its receipt comes last. */
export type Answer = {
  readonly prompt: string
  readonly text: string
  readonly receipt: Http.SignedReceipt | undefined
  /** Of the other models, where several answered together. */
  readonly mergedReceipts: readonly Http.SignedReceipt[]
}

/** Asks a model and keeps what comes. */
export function useAnswer() {
  const queryClient = useQueryClient()
  const [answer, setAnswer] = useState<Answer>()
  const [failure, setFailure] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  const running = useRef<AbortController>(undefined)

  async function ask(request: Omit<CompletionRequest, 'signal'>): Promise<void> {
    const { prompt } = request
    const controller = new AbortController()
    running.current = controller
    setFailure(undefined)
    const begun = { prompt, receipt: undefined, mergedReceipts: [] }
    setAnswer({ ...begun, text: '' })
    setBusy(true)
    try {
      for await (const part of streamCompletion({ ...request, signal: controller.signal })) {
        if (part.kind === 'text')
          setAnswer((before) => ({ ...begun, text: (before?.text ?? '') + part.text }))
        else {
          const { answer: text, receipt, mergedReceipts = [] } = part
          setAnswer({ prompt, text, receipt, mergedReceipts })
        }
      }
    } catch (error) {
      if (!controller.signal.aborted) setFailure((error as Error).message)
    } finally {
      setBusy(false)
      await queryClient.invalidateQueries({ queryKey: ['account'] })
      await queryClient.invalidateQueries({ queryKey: ['api-keys'] })
    }
  }
  return { answer, failure, isBusy, ask, stop: () => running.current?.abort() }
}
