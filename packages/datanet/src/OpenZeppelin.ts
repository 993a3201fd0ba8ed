import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A well-known part of the library, to be contributed as one. */
export type SourceModule = {
  readonly name: string
  readonly files: readonly { readonly path: string; readonly text: string }[]
}

/** What each module consists of, below the package's folder. */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  ERC20: [
    'token/ERC20/ERC20.sol',
    'token/ERC20/IERC20.sol',
    'token/ERC20/extensions/IERC20Metadata.sol',
    'token/ERC20/extensions/ERC20Burnable.sol',
    'token/ERC20/extensions/ERC20Capped.sol',
    'token/ERC20/extensions/ERC20Pausable.sol',
  ],
  ERC20Permit: [
    'token/ERC20/extensions/ERC20Permit.sol',
    'token/ERC20/extensions/IERC20Permit.sol',
    'utils/Nonces.sol',
  ],
  ERC20Votes: [
    'token/ERC20/extensions/ERC20Votes.sol',
    'governance/utils/Votes.sol',
    'governance/utils/IVotes.sol',
  ],
  SafeERC20: ['token/ERC20/utils/SafeERC20.sol'],
  ERC4626: ['token/ERC20/extensions/ERC4626.sol'],
  ERC721: [
    'token/ERC721/ERC721.sol',
    'token/ERC721/IERC721.sol',
    'token/ERC721/IERC721Receiver.sol',
    'token/ERC721/utils/ERC721Utils.sol',
    'token/ERC721/extensions/ERC721Burnable.sol',
    'token/ERC721/extensions/ERC721URIStorage.sol',
  ],
  ERC1155: [
    'token/ERC1155/ERC1155.sol',
    'token/ERC1155/IERC1155.sol',
    'token/ERC1155/extensions/ERC1155Supply.sol',
  ],
  ERC2981: ['token/common/ERC2981.sol'],
  AccessControl: [
    'access/AccessControl.sol',
    'access/IAccessControl.sol',
    'access/extensions/AccessControlEnumerable.sol',
  ],
  Ownable: ['access/Ownable.sol', 'access/Ownable2Step.sol'],
  Governor: [
    'governance/Governor.sol',
    'governance/extensions/GovernorCountingSimple.sol',
    'governance/extensions/GovernorSettings.sol',
  ],
  TimelockController: ['governance/TimelockController.sol'],
  VestingWallet: ['finance/VestingWallet.sol', 'finance/VestingWalletCliff.sol'],
  ReentrancyGuard: ['utils/ReentrancyGuard.sol', 'utils/ReentrancyGuardTransient.sol'],
  Pausable: ['utils/Pausable.sol'],
  ECDSA: ['utils/cryptography/ECDSA.sol'],
  EIP712: ['utils/cryptography/EIP712.sol'],
  MerkleProof: ['utils/cryptography/MerkleProof.sol'],
  Address: ['utils/Address.sol'],
  Clones: ['proxy/Clones.sol'],
  ERC1967Proxy: [
    'proxy/ERC1967/ERC1967Proxy.sol',
    'proxy/ERC1967/ERC1967Utils.sol',
    'proxy/Proxy.sol',
    'proxy/utils/UUPSUpgradeable.sol',
  ],
  Initializable: ['proxy/utils/Initializable.sol'],
  DoubleEndedQueue: ['utils/structs/DoubleEndedQueue.sol'],
}

/** Reads well-known modules of the installed OpenZeppelin Contracts package (MIT), one for each first contributor. */
export function openZeppelinModules(): SourceModule[] {
  const directory = dirname(createRequire(import.meta.url).resolve('@openzeppelin/contracts/package.json'))
  return Object.entries(MODULES).map(([name, paths]) => ({
    name,
    files: paths.map((path) => ({ path, text: readFileSync(join(directory, path), 'utf8') })),
  }))
}
