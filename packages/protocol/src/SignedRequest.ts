import { BaseError, CanonicalJson, type Hex } from '@openledger/primitives'
import { hashTypedData, isAddressEqual, type PublicClient, recoverAddress } from 'viem'
import * as TypedData from './TypedData.ts'

/** A request as it comes in: what is asked, by whom, until when, and the wallet's signature. */
export type SignedRequest<Payload extends CanonicalJson.Json = CanonicalJson.Json> = {
  readonly payload: Payload
  readonly account: Hex
  /** Unix seconds. */
  readonly deadline: number
  readonly signature: Hex
}

/** Longer than a person needs, short enough that used requests can be forgotten. */
export const VALIDITY_SECONDS_MAX = 3_600

/** Gives what a wallet signs to ask for an action (EIP-712, primary type `Request`). */
export const typedDataOf = (
  action: TypedData.Action,
  { payload, account, deadline }: Omit<SignedRequest, 'signature'>,
  chainId: number,
) =>
  ({
    domain: TypedData.serverDomain(chainId),
    types: TypedData.request,
    primaryType: 'Request',
    message: { action, payloadHash: CanonicalJson.hash(payload), account, deadline: BigInt(deadline) },
  }) as const

/**
 * Checks that a wallet asked for an action and still means it.
 *
 * Whether it asked before is for the caller to check with the digest, in the transaction that carries the request out.
 *
 * @param nowSeconds - Unix time.
 * @returns The digest that was signed: the request's name in `used_requests`.
 * @throws {RequestExpiredError} after its deadline.
 * @throws {RequestDeadlineError} when the deadline is further away than `VALIDITY_SECONDS_MAX`.
 * @throws {SignatureInvalidError} when the account did not sign exactly this for this chain.
 */
export async function verifyRequest(
  action: TypedData.Action,
  request: SignedRequest,
  context: { readonly client: PublicClient; readonly chainId: number; readonly nowSeconds: number },
): Promise<Hex> {
  const { client, chainId, nowSeconds } = context
  if (request.deadline < nowSeconds) throw new RequestExpiredError(request.deadline, nowSeconds)
  if (request.deadline > nowSeconds + VALIDITY_SECONDS_MAX) {
    throw new RequestDeadlineError(request.deadline, nowSeconds)
  }
  const digest = hashTypedData(typedDataOf(action, request, chainId))
  await verifySignature(client, { account: request.account, digest, signature: request.signature })
  return digest
}

/**
 * Checks a signature over a digest: by a key, or by a wallet contract (ERC-1271) on the client's chain.
 * @throws {SignatureInvalidError}
 */
export async function verifySignature(
  client: PublicClient,
  { account, digest, signature }: { account: Hex; digest: Hex; signature: Hex },
): Promise<void> {
  if (await isKeySignature(account, digest, signature)) return
  const code = await client.getCode({ address: account })
  if (code !== undefined && (await isWalletSignature(client, { account, digest, signature }))) return
  throw new SignatureInvalidError(account)
}

async function isKeySignature(account: Hex, digest: Hex, signature: Hex): Promise<boolean> {
  try {
    return isAddressEqual(await recoverAddress({ hash: digest, signature }), account)
  } catch {
    // not 65 bytes, or no point on the curve: no key made it
    return false
  }
}

const ERC1271_MAGIC = '0x1626ba7e'
const erc1271Abi = [
  {
    type: 'function',
    name: 'isValidSignature',
    stateMutability: 'view',
    inputs: [
      { name: 'hash', type: 'bytes32' },
      { name: 'signature', type: 'bytes' },
    ],
    outputs: [{ type: 'bytes4' }],
  },
] as const

async function isWalletSignature(
  client: PublicClient,
  { account, digest, signature }: { account: Hex; digest: Hex; signature: Hex },
): Promise<boolean> {
  const answer = await client
    .readContract({
      address: account,
      abi: erc1271Abi,
      functionName: 'isValidSignature',
      args: [digest, signature],
    })
    .catch((error: Error) => {
      // a wallet that reverts has refused; a node that cannot be reached has said nothing
      if (error.name === 'ContractFunctionExecutionError') return undefined
      throw error
    })
  return answer === ERC1271_MAGIC
}

export class RequestExpiredError extends BaseError {
  constructor(deadline: number, nowSeconds: number) {
    super({
      code: 'request.expired',
      message: `Expected a request whose deadline is still to come, but it ran out ${nowSeconds - deadline} s ago. Sign it again.`,
      context: { deadline, nowSeconds },
    })
  }
}

export class RequestDeadlineError extends BaseError {
  constructor(deadline: number, nowSeconds: number) {
    super({
      code: 'request.deadline',
      message: `Expected a deadline within ${VALIDITY_SECONDS_MAX} s, got one ${deadline - nowSeconds} s away. Sign it again with a nearer one.`,
      context: { deadline, nowSeconds, maxSeconds: VALIDITY_SECONDS_MAX },
    })
  }
}

export class RequestReplayedError extends BaseError {
  constructor(digest: Hex) {
    super({
      code: 'request.replayed',
      message:
        'Expected a request that was not carried out before, but this one was. Sign a new one with another deadline to ask again.',
      context: { digest },
    })
  }
}

export class SignatureInvalidError extends BaseError {
  constructor(account: Hex) {
    super({
      code: 'signature.invalid',
      message: `Expected the signature of ${account} over exactly this content for this chain. Check the account, the chain and that nothing was changed after signing.`,
      context: { account },
    })
  }
}
