import { createAgent, PaymentRefusedError, provisionAgent, RegistryCalls } from '@openledger/agent'
import { Open } from '@openledger/primitives'
import { Abi, createSender, DevelopmentKeys } from '@openledger/protocol'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { openledger, succeed } from './CommandLine.ts'
import { lower, type Visit, visit } from './People.ts'

const owner = DevelopmentKeys.account('agentOwner')
const sessionAccount = DevelopmentKeys.account('agentSession')

describe('an agent with a wallet of its own', () => {
  let house: Visit
  let wallet: `0x${string}`

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
    const { timestamp } = await house.l2.getBlock()
    const provisioned = await provisionAgent({
      publicClient: house.l2,
      owner: createSender({ publicClient: house.l2, walletClient: house.l2Wallet(owner) }),
      deployment: house.deployment,
      name: 'end-to-end',
      description: 'Asks one question.',
      sessionKey: lower(sessionAccount.address),
      session: {
        limitPerPaymentWei: Open.parse('0.1'),
        limitTotalWei: Open.parse('0.15'),
        expiresAt: timestamp + 3_600n,
      },
      fundWei: Open.parse('1'),
      serverUrl: house.url,
    })
    wallet = provisioned.wallet
  })

  test('has an ERC-8004 identity that its wallet holds', async () => {
    const [agent] = (await house.client.agents()).filter((each) => each.wallet === wallet)
    expect(agent!.name).toBe('end-to-end')
    const holder = await house.l2.readContract({
      address: house.deployment.l2.agentIdentity,
      abi: Abi.agentIdentityAbi,
      functionName: 'ownerOf',
      args: [BigInt(agent!.id)],
    })
    expect(lower(holder)).toBe(wallet)
  })

  test('finds a model through MCP, pays by x402, and is stopped at its limit', async () => {
    const agent = createAgent({
      wallet,
      sessionAccount,
      chainId: house.deployment.l2ChainId,
      serverUrl: house.url,
    })
    const model = await agent.findModel('solidity')
    const question = { model: model.name, prompt: 'contract Agent is ERC20 {', maxTokens: 60 }
    const answer = await agent.ask(question)
    expect(answer.receipt.payer).toBe(wallet)
    expect((await house.client.transaction(answer.paymentTransaction)).success).toBe(true)
    const spend = async (): Promise<never> => {
      for (;;) await agent.ask(question)
    }
    const before = await sessionOf()
    await expect(spend()).rejects.toThrow(PaymentRefusedError)
    expect((await sessionOf()).spentWei).toBeLessThanOrEqual(before.limitTotalWei)
  })

  test('cannot get a payment beyond its limit past the chain itself', async () => {
    const { deployment, l2, l2Wallet } = house
    const authorization = {
      from: wallet,
      to: deployment.l2.settlement,
      value: Open.parse('0.2'),
      validAfter: 0n,
      validBefore: 2n ** 40n,
      nonce: `0x${'42'.repeat(32)}` as const,
    }
    const signature = await sessionAccount.signTypedData({
      domain: {
        name: 'Wrapped OPEN',
        version: '1',
        chainId: deployment.l2ChainId,
        verifyingContract: deployment.l2.wopen,
      },
      types: {
        TransferWithAuthorization: [
          { name: 'from', type: 'address' },
          { name: 'to', type: 'address' },
          { name: 'value', type: 'uint256' },
          { name: 'validAfter', type: 'uint256' },
          { name: 'validBefore', type: 'uint256' },
          { name: 'nonce', type: 'bytes32' },
        ],
      },
      primaryType: 'TransferWithAuthorization',
      message: authorization,
    })
    const { value, validAfter, validBefore, nonce } = authorization
    const call = {
      address: deployment.l2.settlement,
      abi: [...Abi.settlementAbi, ...Abi.agentWalletAbi.filter((item) => item.type === 'error')],
      functionName: 'depositWithAuthorization',
      args: [wallet, value, validAfter, validBefore, nonce, signature],
    } as const
    await expect(l2.simulateContract({ ...call, account: owner })).rejects.toThrow(/SessionLimitExceeded/)
    // sent all the same, past every check but the contract's own
    const before = await l2.getBalance({ address: wallet })
    const hash = await l2Wallet(owner).writeContract({ ...call, gas: 500_000n })
    expect((await l2.waitForTransactionReceipt({ hash })).status).toBe('reverted')
    expect(await l2.getBalance({ address: wallet })).toBe(before)
  })

  test('is made, asked, stopped and emptied by the command line', async () => {
    const environment = { OPENLEDGER_URL: house.url }
    const asOwner = (...words: string[]) => succeed(['--as', 'agentOwner', ...words], environment)
    const made = await asOwner(
      'create-agent',
      'made-by-hand',
      '--total',
      '0.3',
      '--fund',
      '0.5',
      '--days',
      '1',
    )
    const [, id] = /agent (\d+), made-by-hand/.exec(made)!
    const [, key, itsWallet] = /KEY=(0x[0-9a-f]{64}) .* agent-ask (0x[0-9a-fA-F]{40})/.exec(made)!
    const asAgent = () =>
      openledger(['agent-ask', itsWallet!, 'solidity-1', 'contract Agent is', '--max-tokens', '8'], {
        ...environment,
        OPENLEDGER_PRIVATE_KEY: key!,
      })
    expect(await asAgent()).toMatchObject({
      status: 0,
      output: expect.stringMatching(/receipt \d+: 0\.\d+ OPEN/),
    })

    // nobody rates an agent of their own
    expect(await openledger(['--as', 'agentOwner', 'rate-agent', id!, '100'], environment)).toMatchObject({
      status: 1,
      output: expect.stringContaining('somebody else'),
    })
    // nor does it count for who sends it past the command line
    const sender = createSender({ publicClient: house.l2, walletClient: house.l2Wallet(owner) })
    await sender.send(RegistryCalls.rate(house.deployment.l2.agentReputation, BigInt(id!), 100))
    await succeed(['--as', 'caller', 'rate-agent', id!, '80'], environment)
    await succeed(['--as', 'builder', 'rate-agent', id!, '70'], environment)
    const validator = DevelopmentKeys.account('validator').address
    const asked = await asOwner('request-validation', id!, validator, 'answers of this week')
    const [request] = /0x[0-9a-f]{64}/.exec(asked)!
    await succeed(['--as', 'validator', 'answer-validation', request, '90'], environment)
    expect((await house.client.agents()).find((each) => each.id === id)).toMatchObject({
      // its owner sells no answers: nobody can have paid for one
      rating: { count: 0, average: null },
      ratings: [
        { score: 80, proof: null },
        { score: 70, proof: null },
      ],
      validation: { count: 1, average: 90 },
    })

    // its owner's stake pays a client whose work fails
    await asOwner('pool', 'agent', id!, '20')
    const guaranteed = await asOwner('request-validation', id!, validator, 'one answer for a client')
    const [work] = /0x[0-9a-f]{64}/.exec(guaranteed)!
    const client = `0x${'c1'.repeat(20)}` as const
    await asOwner('guarantee-work', work, client, '5', '--pass', '60')
    const forfeit = ['--as', 'caller', 'guarantee', work, '--forfeit']
    expect(await openledger(forfeit, environment)).toMatchObject({
      status: 1,
      output: expect.stringContaining('NotFailed'),
    })
    await succeed(['--as', 'validator', 'answer-validation', work, '59'], environment)
    expect(await succeed(forfeit, environment)).toContain('forfeited')
    expect(await house.l2.getBalance({ address: client })).toBe(Open.parse('5'))
    expect(await asOwner('pool', 'agent', id!)).toMatch(/\b15 OPEN/)

    await asOwner('top-up-agent', id!, '0.25')
    await asOwner('revoke-agent', id!)
    expect(await asAgent()).toMatchObject({
      status: 1,
      output: expect.stringMatching(/SessionUnknown|refused/),
    })
    expect(await openledger(['--as', 'caller', 'empty-agent', id!], environment)).toMatchObject({ status: 1 })
    await asOwner('empty-agent', id!)
    const agent = (await house.client.agents()).find((each) => each.id === id)
    expect(agent).toMatchObject({ walletWei: '0', sessions: [{ revoked: true }] })
  })

  const sessionOf = () =>
    house.l2.readContract({
      address: wallet,
      abi: Abi.agentWalletAbi,
      functionName: 'sessionOf',
      args: [sessionAccount.address],
    })
})
