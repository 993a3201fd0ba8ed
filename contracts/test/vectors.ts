import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Bytes, createGrowingMerkleSum, type Hex, MerkleSum, packSiblings } from '@openledger/primitives'
import { Abi, Contribution, DevelopmentKeys, Receipt, TypedData } from '@openledger/protocol'
import { Credits, emptyBook, packClaims } from '@openledger/settlement'
import { encodeAbiParameters, encodeFunctionData, keccak256 } from 'viem'

/**
 * What TypeScript makes and the contracts must accept: ledger proofs, receipt hashes, signatures. Written to
 * `fixtures/vectors.json`, which the Solidity tests read, by running this file; a Vitest test keeps it true.
 */

/** The chain and the addresses that the signatures are for; the Solidity tests put the contracts there. */
const CHAIN_ID = 161_200
const DATANETS: Hex = '0xda7a0000000000000000000000000000000000d1'
const MODELS: Hex = '0xda7a0000000000000000000000000000000000d2'
const SETTLEMENT: Hex = '0xda7a0000000000000000000000000000000000d3'
const WOPEN: Hex = '0xda7a0000000000000000000000000000000000d4'
const DEADLINE = 1_790_000_000n

const signer = DevelopmentKeys.contributor(0)
const hash = (text: string): Hex => keccak256(Bytes.toHex(Bytes.fromUtf8(text)))

function ledger(size: number) {
  const accounts = Array.from({ length: size }, (_, i) => hash(`account ${size}/${i}`).slice(0, 42) as Hex)
  const amounts = accounts.map((account) => BigInt(`0x${account.slice(2, 22)}`))
  const tree = createGrowingMerkleSum()
  tree.put(
    accounts.map((account, index) => ({
      index,
      node: MerkleSum.leaf(Bytes.fromHex(account), amounts[index]!),
    })),
  )
  return {
    rootHash: Bytes.toHex(tree.root().hash),
    rootSum: tree.root().sum.toString(),
    accounts,
    amounts: amounts.map(String),
    siblings: accounts.map((_, i) => Bytes.toHex(packSiblings(tree.prove([i])))),
  }
}

/** Credits of every form: near, far, new; and the ledger before and after them. */
function credits() {
  const accountCount = 70_000
  const account = (index: number): Hex => hash(`credit ${index}`).slice(0, 42) as Hex
  const book = emptyBook()
  Credits.apply(
    book,
    Array.from({ length: accountCount }, (_, index) => ({
      account: account(index),
      amountWei: BigInt(index + 1),
      index,
      isNew: true,
    })),
  )
  const placed = [0, 13, 27, 28, 43, 69_999, 70_000, 70_001].map((index, i) => ({
    account: account(index),
    amountWei: 10n ** BigInt(3 * i),
    index,
    isNew: index >= accountCount,
  }))
  const shown = placed.filter(({ isNew }) => !isNew).map(({ index }) => index)
  const before = {
    rootBefore: Bytes.toHex(book.tree.root().hash),
    lines: packClaims(shown.map((index) => ({ index, ...book.lines[index]! }))),
    siblings: Bytes.toHex(packSiblings(book.tree.prove(shown))),
  }
  Credits.apply(book, placed)
  return {
    packed: Credits.pack(placed),
    accountCount,
    ...before,
    rootAfter: Bytes.toHex(book.tree.root().hash),
    sum: book.tree.root().sum.toString(),
    accountCountAfter: book.lines.length,
  }
}

function receipts() {
  const domain = TypedData.contractDomain('OpenLedger Settlement', CHAIN_ID, SETTLEMENT)
  let previousHash: Hex = Receipt.ZERO_HASH
  return [1n, 2n, 3n].map((sequence) => {
    const receipt: Receipt.Receipt = {
      sequence,
      previousHash,
      payer: signer.address.toLowerCase() as Hex,
      modelId: 7n * sequence,
      promptHash: hash(`prompt ${sequence}`),
      answerHash: hash(`answer ${sequence}`),
      inputTokens: 2 ** 32 - Number(sequence),
      outputTokens: Number(sequence),
      feeWei: 10n ** 18n / sequence,
      splitVersion: Number(sequence),
      stakeVersion: Number(sequence) - 1,
      sharesRoot: hash(`shares ${sequence}`),
      attributionHash: hash(`attribution ${sequence}`),
      inferenceCommitment: hash(`inference ${sequence}`),
      timestamp: DEADLINE + sequence,
    }
    previousHash = Receipt.hash(receipt)
    // the Solidity test decodes the receipt from the call itself, field order and types included
    const call = encodeFunctionData({ abi: Abi.auditAbi, functionName: 'hashReceipt', args: [receipt] })
    return { call, hash: previousHash, digest: Receipt.digest(receipt, domain) }
  })
}

async function contribution() {
  const made = Contribution.fromRecords(['pragma solidity 0.8.37;', 'contract Été {}'])
  const input = {
    datanetId: 1n,
    recordsRoot: made.recordsRoot,
    recordCount: made.recordCount,
    contentHash: made.contentHash,
    licence: 'MIT',
  }
  const signature = await signer.signTypedData({
    domain: TypedData.contractDomain('OpenLedger Datanets', CHAIN_ID, DATANETS),
    types: TypedData.contribution,
    primaryType: 'Contribution',
    message: { ...input, contributor: signer.address, deadline: DEADLINE },
  })
  const call = encodeFunctionData({
    abi: Abi.datanetsAbi,
    functionName: 'contribute',
    args: [input, signer.address, DEADLINE, signature],
  })
  return { call, id: Contribution.id(1n, made.recordsRoot) }
}

async function publication() {
  const input = {
    name: 'solidity-1',
    baseHash: hash('base'),
    adapterHash: hash('adapter'),
    configHash: hash('config'),
    metricsHash: hash('metrics'),
    attributionRoot: hash('attribution'),
    datanetIds: [1n],
    datanetVersions: [1],
    inputPriceWei: 2_000_000_000n,
    outputPriceWei: 6_000_000_000n,
    influenceBps: 7_000,
    spansBps: 3_000,
    agreementPpm: 640_000,
  }
  const publish = Abi.modelsAbi.find((entry) => entry.type === 'function' && entry.name === 'publishModel')!
  const modelHash = keccak256(encodeAbiParameters([publish.inputs[0]!], [input]))
  const signature = await signer.signTypedData({
    domain: TypedData.contractDomain('OpenLedger Models', CHAIN_ID, MODELS),
    types: TypedData.publication,
    primaryType: 'Publication',
    message: { modelHash, owner: signer.address, deadline: DEADLINE },
  })
  const call = encodeFunctionData({
    abi: Abi.modelsAbi,
    functionName: 'publishModel',
    args: [input, signer.address, DEADLINE, signature],
  })
  return { call }
}

/** An EIP-3009 authorization as an x402 client signs it. */
async function authorization() {
  const message = {
    from: signer.address,
    to: SETTLEMENT,
    value: 3n * 10n ** 18n,
    validAfter: DEADLINE - 600n,
    validBefore: DEADLINE + 60n,
    nonce: hash('nonce'),
  }
  const signature = await signer.signTypedData({
    domain: { name: 'Wrapped OPEN', version: '1', chainId: CHAIN_ID, verifyingContract: WOPEN },
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
    message,
  })
  const { from, to, value, validAfter, validBefore, nonce } = message
  const call = encodeFunctionData({
    abi: Abi.wopenAbi,
    functionName: 'transferWithAuthorization',
    args: [from, to, value, validAfter, validBefore, nonce, signature],
  })
  return { call, value: value.toString() }
}

/** Makes all vectors, as the text of the file. */
export async function makeVectors(): Promise<string> {
  const vectors = {
    chainId: CHAIN_ID,
    datanets: DATANETS,
    models: MODELS,
    settlement: SETTLEMENT,
    wopen: WOPEN,
    deadline: DEADLINE.toString(),
    signer: signer.address.toLowerCase(),
    ledgers: [1, 2, 3, 5, 8, 13].map(ledger),
    receipts: receipts(),
    credits: credits(),
    contribution: await contribution(),
    publication: await publication(),
    authorization: await authorization(),
  }
  return `${JSON.stringify(vectors, null, 2)}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL('./fixtures/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL('vectors.json', folder), await makeVectors())
}
