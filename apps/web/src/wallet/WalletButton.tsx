import { Avatar, Button, Menu, Text } from '@mantine/core'
import { IconLogout, IconWallet } from '@tabler/icons-react'
import { useAccount, useConnect, useDisconnect } from 'wagmi'
import { shorten } from '../components/Address.tsx'

/** Connects one of the wallets that announced themselves, or shows the connected one. */
export function WalletButton() {
  const { address, connector } = useAccount()
  const { connectors, connect, isPending } = useConnect()
  const { disconnect } = useDisconnect()
  return (
    <Menu shadow="md" width={260} position="bottom-end">
      <Menu.Target>
        <Button
          variant={address === undefined ? 'filled' : 'default'}
          leftSection={<IconWallet size={16} aria-hidden />}
          loading={isPending}
          size="sm"
        >
          {address === undefined ? 'Connect wallet' : shorten(address)}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {address !== undefined && (
          <>
            <Menu.Label>{connector?.name}</Menu.Label>
            <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => disconnect()}>
              Disconnect
            </Menu.Item>
            <Menu.Divider />
          </>
        )}
        <Menu.Label>{address === undefined ? 'Wallets on this device' : 'Switch to'}</Menu.Label>
        {connectors.length === 0 && (
          <Text size="sm" p="xs" c="dimmed">
            No wallet announced itself. Install a browser wallet and reload.
          </Text>
        )}
        {connectors.map((each) => (
          <Menu.Item
            key={each.uid}
            leftSection={<Avatar src={each.icon ?? null} size={18} radius="sm" alt="" />}
            onClick={() => connect({ connector: each })}
          >
            {each.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
