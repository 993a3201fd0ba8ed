import type { Http } from '@openledger/protocol'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useConnection } from 'wagmi'
import { z } from 'zod'

const heldSchema = z.object({ id: z.string(), secret: z.string() })

/** The API key that this tab holds for the connected account; it goes when the tab closes. */
export function useApiKey() {
  const { address } = useConnection()
  const queryClient = useQueryClient()
  const name = `openledger-api-key-${address?.toLowerCase()}`
  const { data } = useQuery({
    queryKey: ['held-api-key', address],
    queryFn: () => {
      const held = sessionStorage.getItem(name)
      return held === null ? null : heldSchema.parse(JSON.parse(held))
    },
    enabled: address !== undefined,
  })
  return {
    held: data ?? undefined,
    hold: async ({ id, secret }: Pick<Http.ApiKey, 'id'> & { secret: string }) => {
      sessionStorage.setItem(name, JSON.stringify({ id, secret }))
      await queryClient.invalidateQueries({ queryKey: ['held-api-key'] })
    },
    forget: async () => {
      sessionStorage.removeItem(name)
      await queryClient.invalidateQueries({ queryKey: ['held-api-key'] })
    },
  }
}
