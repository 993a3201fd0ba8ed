import { DevelopmentKeys } from '@openledger/protocol'
import { type Chain, createWalletClient, type EIP1193RequestFn, type Hex, http, numberToHex } from 'viem'
import type { HDAccount } from 'viem/accounts'

/**
 * Announces the publicly known development accounts as browser wallets (EIP-6963), so that a person without a wallet
 * extension can take every part on a development network. Never announced on any other network.
 */
export function announceDevelopmentWallets(chains: readonly [Chain, ...Chain[]]): void {
  const wallets: readonly (readonly [string, string, HDAccount])[] = [
    ['caller', 'Development: caller', DevelopmentKeys.account('caller')],
    ['builder', 'Development: model builder', DevelopmentKeys.account('builder')],
    ['contributor-0', 'Development: first contributor', DevelopmentKeys.contributor(0)],
    ['contributor-40', 'Development: new contributor', DevelopmentKeys.contributor(40)],
    ['backer', 'Development: backer', DevelopmentKeys.account('backer')],
    ['voter', 'Development: voter', DevelopmentKeys.account('voter')],
  ]
  for (const [id, name, account] of wallets) {
    const detail = Object.freeze({
      info: { uuid: crypto.randomUUID(), name, icon: icon(name), rdns: `org.openledger.development.${id}` },
      provider: createProvider(`openledger-development-wallet-${id}`, account, chains),
    })
    const announce = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
    window.addEventListener('eip6963:requestProvider', announce)
    announce()
  }
}

/** An EIP-1193 provider that signs with a local key and sends everything else to the node of the chain it is on. */
function createProvider(storageKey: string, account: HDAccount, chains: readonly [Chain, ...Chain[]]) {
  const listeners = new Map<string, Set<(value: unknown) => void>>()
  const clientOf = (chain: Chain) => createWalletClient({ account, chain, transport: http() })
  let client = clientOf(chains[0])

  /** As a wallet does: only to a chain it knows, and everyone is told. @throws EIP-3326's 4902 otherwise. */
  function switchTo(chainId: Hex): null {
    const chain = chains.find(({ id }) => numberToHex(id) === chainId)
    if (chain === undefined) {
      const known = chains.map(({ id }) => id).join(' or ')
      throw Object.assign(new Error(`Expected chain ${known}, got ${Number(chainId)}.`), { code: 4902 })
    }
    client = clientOf(chain)
    for (const listener of listeners.get('chainChanged') ?? []) listener(chainId)
    return null
  }
  const request = async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> => {
    const list = (params ?? []) as readonly unknown[]
    switch (method) {
      case 'eth_requestAccounts':
        localStorage.setItem(storageKey, 'connected')
        return [account.address]
      case 'eth_accounts':
        // as a wallet does: nothing until the person has said yes
        return localStorage.getItem(storageKey) === null ? [] : [account.address]
      case 'eth_chainId':
        return numberToHex(client.chain.id)
      case 'wallet_switchEthereumChain':
      case 'wallet_addEthereumChain':
        return switchTo((list[0] as { chainId: Hex }).chainId)
      case 'wallet_revokePermissions':
        localStorage.removeItem(storageKey)
        return null
      case 'wallet_requestPermissions':
        localStorage.setItem(storageKey, 'connected')
        return [{ parentCapability: 'eth_accounts' }]
      case 'personal_sign':
        return account.signMessage({ message: { raw: list[0] as Hex } })
      case 'eth_signTypedData_v4': {
        const { domain, types, primaryType, message } = JSON.parse(list[1] as string)
        const { EIP712Domain: _, ...rest } = types
        return account.signTypedData({ domain, types: rest, primaryType, message })
      }
      case 'eth_sendTransaction': {
        const { to, data, value, gas } = list[0] as { to?: Hex; data?: Hex; value?: Hex; gas?: Hex }
        return client.sendTransaction({
          to: to ?? null,
          ...(data === undefined ? {} : { data }),
          ...(value === undefined ? {} : { value: BigInt(value) }),
          ...(gas === undefined ? {} : { gas: BigInt(gas) }),
        })
      }
      default:
        return client.request({ method, params } as Parameters<typeof client.request>[0])
    }
  }
  return {
    request: request as EIP1193RequestFn,
    on: (event: string, listener: (value: unknown) => void) => {
      listeners.set(event, (listeners.get(event) ?? new Set()).add(listener))
    },
    removeListener: (event: string, listener: (value: unknown) => void) => {
      listeners.get(event)?.delete(listener)
    },
  }
}

function icon(name: string): string {
  const letter = name.replace('Development: ', '')[0]!.toUpperCase()
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="#0b7285"/><text x="12" y="17" font-family="sans-serif" font-size="13" fill="#fff" text-anchor="middle">${letter}</text></svg>`
  return `data:image/svg+xml;base64,${btoa(svg)}`
}
