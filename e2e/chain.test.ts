import { Abi, DevelopmentKeys } from '@openledger/protocol'
import { parseEther } from 'viem'
import { publicActionsL2 } from 'viem/op-stack'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { caller, lower, type Visit, visit } from './People.ts'

describe('viem against the L2', () => {
  let house: Visit

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
  })

  test('a public client reads what a wallet client sent', async () => {
    const { l2, l2Wallet } = house
    const to = DevelopmentKeys.contributor(44).address
    const before = await l2.getBalance({ address: to })
    const hash = await l2Wallet(caller).sendTransaction({ to, value: parseEther('0.5') })
    const receipt = await l2.waitForTransactionReceipt({ hash })
    expect(receipt.status).toBe('success')
    expect(await l2.getBalance({ address: to })).toBe(before + parseEther('0.5'))
    const transaction = await l2.getTransaction({ hash })
    expect({
      from: lower(transaction.from),
      to: lower(transaction.to!),
      blockNumber: transaction.blockNumber,
    }).toEqual({
      from: lower(caller.address),
      to: lower(to),
      blockNumber: receipt.blockNumber,
    })
  })

  test('contract reads, writes, events and reverts come through with their names', async () => {
    const { l2, l2Wallet, deployment } = house
    const wopen = { address: deployment.l2.wopen, abi: Abi.wopenAbi } as const
    const hash = await l2Wallet(caller).writeContract({ ...wopen, functionName: 'deposit', value: 7n })
    const { blockNumber } = await l2.waitForTransactionReceipt({ hash })
    const events = await l2.getContractEvents({
      ...wopen,
      eventName: 'Transfer',
      fromBlock: blockNumber,
      toBlock: blockNumber,
    })
    expect(events.some(({ transactionHash, args }) => transactionHash === hash && args.value === 7n)).toBe(
      true,
    )
    const tooMuch = l2.simulateContract({
      ...wopen,
      functionName: 'withdraw',
      args: [10n ** 30n],
      account: caller,
    })
    await expect(tooMuch).rejects.toThrow(/ERC20InsufficientBalance/)
  })

  test('the OP Stack actions work unchanged', async () => {
    const fee = await house.l2
      .extend(publicActionsL2())
      .estimateL1Fee({ account: caller, to: caller.address, value: 1n })
    expect(fee).toBeGreaterThanOrEqual(0n)
  })

  test('what is sent over the bridge arrives as a deposit transaction, minted to the wei', async () => {
    const { bridge, l1Wallet, l2, client } = house
    const before = await l2.getBalance({ address: caller.address })
    const { l2Receipt } = await bridge.deposit(l1Wallet(DevelopmentKeys.account('deployer')), {
      amountWei: parseEther('3'),
      to: caller.address,
    })
    expect(l2Receipt.status).toBe('success')
    expect((await l2.getTransaction({ hash: l2Receipt.transactionHash })).type).toBe('deposit')
    expect(await l2.getBalance({ address: caller.address })).toBe(before + parseEther('3'))
    await expect
      .poll(
        async () => {
          const { supply } = await client.network()
          return supply.lockedOnL1Wei === supply.onL2Wei
        },
        { timeout: 20_000 },
      )
      .toBe(true)
  })

  test('blocks become safe by what L1 holds of them', async () => {
    const { number } = await house.l2.getBlock({ blockTag: 'latest' })
    await expect
      .poll(async () => (await house.l2.getBlock({ blockTag: 'safe' })).number! >= number!, {
        timeout: 60_000,
        interval: 1_000,
      })
      .toBe(true)
  })
})
