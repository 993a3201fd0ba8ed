import type { Hex } from '@openledger/primitives'
import { Abi, type Deployment, DevelopmentKeys } from '@openledger/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BareChain, startBareChain } from '../test/bareChain.ts'
import { signerOf } from './Client.ts'
import * as ValidatorPanel from './ValidatorPanel.ts'

const NOBODY: Hex = `0x${'00'.repeat(20)}`
const judge = signerOf(DevelopmentKeys.account('validator'))
const other = signerOf(DevelopmentKeys.account('caller'))
let chain: BareChain
let deployment: Deployment

beforeAll(async () => {
  chain = await startBareChain()
  const panel = { abi: Abi.validatorPanelAbi, bytecode: Abi.validatorPanelBytecode }
  const validatorPanel = await chain.deploy(panel, [NOBODY, NOBODY, 60n])
  const l2ChainId = await chain.publicClient.getChainId()
  // all that these functions ask
  deployment = { l2StartBlock: 0, l2ChainId, l2: { validatorPanel } } as Deployment
})
afterAll(() => chain.close())

describe('a sealed vote', () => {
  test('is what the contract wants to be committed to, and only of that judge and case', async () => {
    const { commitment, sealedVote } = await ValidatorPanel.seal(judge, deployment, 7, [1, 4, 255])
    // the same again: nothing but the key is needed
    expect(await ValidatorPanel.seal(judge, deployment, 7, [255, 4, 1])).toEqual({ commitment, sealedVote })
    const elsewhere = [
      await ValidatorPanel.seal(judge, deployment, 8, [1, 4, 255]),
      await ValidatorPanel.seal(other, deployment, 7, [1, 4, 255]),
      await ValidatorPanel.seal(judge, deployment, 7, []),
    ]
    expect(new Set([sealedVote, ...elsewhere.map((vote) => vote.sealedVote)]).size).toBe(4)
    expect(new Set([commitment, ...elsewhere.map((vote) => vote.commitment)]).size).toBe(4)
    // what the judge opens it to, the contract hashes to the same
    const vote = await ValidatorPanel.open(clientTelling(commitment, sealedVote), judge, deployment, 7)
    expect(vote.word).toBe((1n << 1n) | (1n << 4n) | (1n << 255n))
    const expected = await chain.publicClient.readContract({
      address: deployment.l2.validatorPanel,
      abi: Abi.validatorPanelAbi,
      functionName: 'commitmentOf',
      args: [7n, judge.address, vote.word, vote.salt],
    })
    expect(commitment).toBe(expected)
  })

  test('is opened by no other key, nor where there is none', async () => {
    const { commitment, sealedVote } = await ValidatorPanel.seal(judge, deployment, 7, [1])
    const told = clientTelling(commitment, sealedVote)
    await expect(ValidatorPanel.open(told, other, deployment, 7)).rejects.toMatchObject({
      code: 'panel.vote_not_found',
    })
    await expect(ValidatorPanel.open(chain.publicClient, judge, deployment, 7)).rejects.toMatchObject({
      code: 'panel.vote_not_found',
    })
  })

  test('is not made with a wallet that signs otherwise each time', async () => {
    let count = 0
    const unsteady = { ...judge, signTypedData: async (): Promise<Hex> => `0x${'00'.repeat(64)}0${count++}` }
    await expect(ValidatorPanel.seal(unsteady, deployment, 7, [1])).rejects.toMatchObject({
      code: 'panel.unsteady_signature',
    })
  })
})

test('records go to the contract by parts of 256', () => {
  expect(ValidatorPanel.recordsOf([256, 258, 258])).toEqual({ part: 1, word: 5n })
  expect(() => ValidatorPanel.recordsOf([255, 256])).toThrow(/one part/)
  expect(() => ValidatorPanel.recordsOf([])).toThrow(/got none/)
})

/** The chain's log with one vote in it; to have it there in truth takes a whole case, as the house's tests have. */
const clientTelling = (commitment: Hex, sealedVote: Hex) =>
  ({
    getContractEvents: async () => [{ args: { commitment, sealedVote } }],
  }) as unknown as BareChain['publicClient']
