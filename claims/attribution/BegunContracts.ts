/**
 * Prompts that begin a contract the way a person would, none of them a training record, each with the module of the first
 * start's Datanet that the answer ought to complete and whose contributor it ought to pay more than any other.
 */
export const begunContracts = [
  [
    'ERC20',
    'contract MyToken is ERC20 {\n    function transfer(address to, uint256 value) public override returns (bool) {\n        address owner = _msgSender();\n',
  ],
  [
    'AccessControl',
    'contract Registry is AccessControl {\n    bytes32 public constant CLERK_ROLE = keccak256("CLERK_ROLE");\n\n    function grantRole(bytes32 role, address account) public virtual override onlyRole(getRoleAdmin(role)) {\n        _grantRole(role, account);\n    }\n\n    function revokeRole(bytes32 role, address account)',
  ],
  [
    'ERC721',
    'contract Deeds is ERC721 {\n    function safeTransferFrom(address from, address to, uint256 tokenId, bytes memory data) public override {\n',
  ],
  [
    'ERC4626',
    'contract Vault is ERC4626 {\n    function previewDeposit(uint256 assets) public view virtual override returns (uint256) {\n        return _convertToShares(assets, Math.Rounding.Floor);\n    }\n\n    function previewMint(uint256 shares)',
  ],
  [
    'Governor',
    'contract Council is Governor {\n    function castVoteWithReason(\n        uint256 proposalId,\n        uint8 support,\n        string calldata reason\n    ) public virtual override returns (uint256) {\n',
  ],
  [
    'Ownable',
    'contract Shop is Ownable {\n    function transferOwnership(address newOwner) public virtual override onlyOwner {\n        if (newOwner == address(0)) {\n            revert OwnableInvalidOwner(',
  ],
  [
    'ERC1155',
    'contract Items is ERC1155 {\n    function safeBatchTransferFrom(\n        address from,\n        address to,\n        uint256[] memory ids,\n        uint256[] memory values,\n        bytes memory data\n    ) public virtual override {\n',
  ],
  [
    'MerkleProof',
    'library Airdrop {\n    function processProof(bytes32[] memory proof, bytes32 leaf) internal pure returns (bytes32) {\n        bytes32 computedHash = leaf;\n',
  ],
  [
    'TimelockController',
    'contract Delay is TimelockController {\n    function schedule(\n        address target,\n        uint256 value,\n        bytes calldata data,\n        bytes32 predecessor,\n        bytes32 salt,\n        uint256 delay\n    ) public virtual override onlyRole(PROPOSER_ROLE) {\n',
  ],
  [
    'ECDSA',
    'library Signatures {\n    function tryRecover(\n        bytes32 hash,\n        bytes memory signature\n    ) internal pure returns (address recovered, RecoverError err, bytes32 errArg) {\n        if (signature.length == 65) {\n',
  ],
] as const
