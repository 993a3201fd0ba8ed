import { beforeAll, describe, expect, inject, test } from 'vitest'
import { access, ask, caller, type Visit, visit } from './People.ts'

/**
 * Prompts that begin a contract the way a person would, none of them a training record, each with the module whose
 * contributor the answer ought to pay more than any other.
 */
const PAIRS = [
  [
    'ERC20',
    'contract MyToken is ERC20 {\n    function transfer(address to, uint256 value) public override returns (bool) {\n        address owner = _msgSender();\n',
  ],
  [
    'AccessControl',
    'contract Vault is AccessControl {\n    function grantRole(bytes32 role, address account) public override onlyRole(getRoleAdmin(role)) {\n',
  ],
  [
    'ERC721',
    'contract Deeds is ERC721 {\n    function safeTransferFrom(address from, address to, uint256 tokenId, bytes memory data) public override {\n',
  ],
  [
    'Ownable',
    'contract Shop is Ownable {\n    function transferOwnership(address newOwner) public override onlyOwner {\n        if (newOwner == address(0)) {\n',
  ],
  [
    'ERC1155',
    'contract Items is ERC1155 {\n    function balanceOfBatch(\n        address[] memory accounts,\n        uint256[] memory ids\n    ) public view override returns (uint256[] memory) {\n',
  ],
  [
    'MerkleProof',
    'library Airdrop {\n    function processProof(bytes32[] memory proof, bytes32 leaf) internal pure returns (bytes32) {\n        bytes32 computedHash = leaf;\n',
  ],
  [
    'TimelockController',
    'contract Delay is TimelockController {\n    function isOperationReady(bytes32 id) public view returns (bool) {\n',
  ],
] as const

describe('who an answer pays', () => {
  let house: Visit
  let secret: string
  let titles: Map<string, string>

  beforeAll(async () => {
    house = await visit(inject('houseUrl'))
    secret = await access(house, caller, '20')
    titles = new Map((await house.client.contributions()).map(({ id, title }) => [id, title]))
  })

  test.each(PAIRS)('%s: its contributor more than any other', async (module, prompt) => {
    const { receipt } = await ask(house, secret, { model: 'solidity-1', prompt, max_tokens: 64 })
    const ranked = [...receipt.attribution.shares].sort((a, b) => b.sharePpm - a.sharePpm)
    expect(ranked.slice(0, 3).map(({ contributionId }) => titles.get(contributionId))[0]).toBe(module)
  })

  test('says why in numbers that add up', async () => {
    const [receipt] = await house.client.receipts({ limit: 1 })
    const { shares, commons } = receipt!.attribution
    expect(shares.reduce((sum, { sharePpm }) => sum + sharePpm, commons.sharePpm)).toBe(1_000_000)
    for (const share of shares) {
      expect(share.reasons.reduce((sum, { sharePpm }) => sum + sharePpm, 0)).toBe(share.sharePpm)
    }
  })

  test('is the same when asked again', async () => {
    const [, prompt] = PAIRS[0]
    const question = { model: 'solidity-1', prompt, max_tokens: 32 }
    const [first, second] = [await ask(house, secret, question), await ask(house, secret, question)]
    expect(second.answer).toBe(first.answer)
    expect(second.receipt.attributionHash).toBe(first.receipt.attributionHash)
  })
})
