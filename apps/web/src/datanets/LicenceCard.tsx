import { Button, Card, Group, NumberInput, Text, Title } from '@mantine/core'
import { Bytes } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useConnection } from 'wagmi'
import { client, queries } from '../api.ts'
import { Amount } from '../components/Amount.tsx'
import { AsyncView } from '../components/AsyncView.tsx'
import { OpenInput } from '../components/OpenInput.tsx'
import { weiOf } from '../components/weiOf.ts'
import { moment } from '../components/words.ts'
import { shortMessage } from '../wallet/shortMessage.ts'
import { TransactionState } from '../wallet/TransactionState.tsx'
import { useTransact } from '../wallet/useTransact.ts'

const DAY_SECONDS = 86_400

/** What a Datanet's licence costs, the connected wallet's own, and what its contributions earned by licences. */
export function LicenceCard({ datanet }: { datanet: Http.Datanet }) {
  const { address } = useConnection()
  const network = useQuery(queries.network)
  const licence = useQuery(queries.licence(datanet.id, address))
  const transact = useTransact()
  const queryClient = useQueryClient()
  const claim = useMutation({
    mutationFn: () => client.claimLicenceFees(address!),
    onSuccess: () => queryClient.invalidateQueries(),
  })
  const isOwner = address?.toLowerCase() === datanet.owner
  const registry =
    network.data && ({ address: network.data.deployment.l2.datanets, abi: datanetsAbi } as const)
  return (
    <Card withBorder component="section" aria-labelledby="licence">
      <Title order={2} size="h4" mb={4} id="licence">
        Licence
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {datanet.isOpen
          ? `${datanet.licence} lets anyone read these texts and train on them.`
          : `${datanet.licence} is not open: whoever holds a licence reads the texts and trains on them. Its fees go to the contributors, by accepted record.`}
      </Text>
      <AsyncView query={licence}>
        {({ terms, until, owedWei }) => (
          <Group gap="md" align="center">
            {terms === null ? (
              !datanet.isOpen && <Text size="sm">No licence is sold.</Text>
            ) : (
              <>
                <Text size="sm" component="div">
                  <Amount wei={terms.priceWei} strong /> for {terms.durationSeconds / DAY_SECONDS} days,{' '}
                  {terms.ownerBps / 100} % of it the owner’s
                </Text>
                <Button
                  size="xs"
                  disabled={!transact.isReady || registry === undefined || address === undefined}
                  loading={transact.isBusy}
                  onClick={() =>
                    transact.start(() =>
                      transact.send({
                        ...registry!,
                        functionName: 'buyLicence',
                        args: [BigInt(datanet.id), terms.version, address!],
                        valueWei: BigInt(terms.priceWei),
                      }),
                    )
                  }
                >
                  {until === null ? 'Buy a licence' : 'Make it longer'}
                </Button>
              </>
            )}
            {until !== null && <Text size="sm">Yours until {moment(until)}.</Text>}
            {BigInt(owedWei) > 0n && (
              <Button size="xs" variant="light" loading={claim.isPending} onClick={() => claim.mutate()}>
                Take <Amount wei={owedWei} /> earned by licences
              </Button>
            )}
          </Group>
        )}
      </AsyncView>
      {isOwner && !datanet.isOpen && registry !== undefined && (
        <Terms
          transact={transact}
          send={(priceWei, days) =>
            transact.send({
              ...registry,
              functionName: 'setLicenceTerms',
              args: [
                BigInt(datanet.id),
                priceWei,
                BigInt(days * DAY_SECONDS),
                0,
                Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(datanet.licence))),
              ],
            })
          }
        />
      )}
      <TransactionState progress={transact.progress} />
      {claim.error !== null && (
        <Text size="sm" c="red" mt="xs" role="alert">
          {shortMessage(claim.error)}
        </Text>
      )}
    </Card>
  )
}

/** What the owner sells from now on; the whole fee goes to the contributors. */
function Terms({
  transact,
  send,
}: {
  transact: ReturnType<typeof useTransact>
  send: (priceWei: bigint, days: number) => Promise<unknown>
}) {
  const [price, setPrice] = useState('')
  const [days, setDays] = useState<number | string>(30)
  const priceWei = weiOf(price)
  return (
    <Group align="flex-end" gap="xs" mt="sm">
      <OpenInput label="Price of a licence" value={price} onChange={setPrice} />
      <NumberInput label="Days" value={days} onChange={setDays} min={0} max={3_650} w={90} size="xs" />
      <Button
        size="xs"
        variant="light"
        disabled={priceWei === undefined || typeof days !== 'number' || !transact.isReady}
        loading={transact.isBusy}
        onClick={() => transact.start(() => send(priceWei!, days as number))}
      >
        {days === 0 ? 'End the sale' : 'Sell on these terms'}
      </Button>
    </Group>
  )
}
