import { Avatar, Button, Menu, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconLogout, IconWallet } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import {
  type Connector,
  useConnect,
  useConnection,
  useConnections,
  useConnectors,
  useDisconnect,
} from 'wagmi'
import { shorten } from '../components/Address.tsx'
import { shortMessage } from './shortMessage.ts'

/** Connects one of the wallets that announced themselves, or shows the connected one; one is connected at a time. */
export function WalletButton() {
  const { address, connector: current } = useConnection()
  const connections = useConnections()
  const connectors = useConnectors()
  const { mutateAsync: connect } = useConnect()
  const { mutateAsync: disconnect } = useDisconnect()
  const leave = async () => {
    for (const { connector } of connections) await disconnect({ connector })
  }
  const change = useMutation({
    mutationFn: async (connector: Connector) => {
      await leave()
      await connect({ connector })
    },
    onError: (error) =>
      notifications.show({ color: 'red', title: 'Not connected', message: shortMessage(error) }),
  })
  const others = connectors.filter(({ uid }) => uid !== current?.uid)
  return (
    <Menu shadow="md" width={260} position="bottom-end">
      <Menu.Target>
        <Button
          variant={address === undefined ? 'filled' : 'default'}
          leftSection={<IconWallet size={16} aria-hidden />}
          loading={change.isPending}
          size="sm"
        >
          {address === undefined ? 'Connect wallet' : shorten(address)}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {address !== undefined && (
          <>
            <Menu.Label>{current?.name}</Menu.Label>
            <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void leave()}>
              Disconnect
            </Menu.Item>
            <Menu.Divider />
          </>
        )}
        <Menu.Label>{address === undefined ? 'Wallets on this device' : 'Switch to'}</Menu.Label>
        {others.length === 0 && (
          <Text size="sm" p="xs" c="dimmed">
            No {address === undefined ? '' : 'other '}wallet announced itself. Install a browser wallet and
            reload.
          </Text>
        )}
        {others.map((each) => (
          <Menu.Item
            key={each.uid}
            leftSection={<Avatar src={each.icon ?? null} size={18} radius="sm" alt="" />}
            onClick={() => change.mutate(each)}
          >
            {each.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
