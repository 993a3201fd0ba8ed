// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ILicences } from "./ILicences.sol";

/// @title IDatanets
/// @notice Registry of Datanets: who contributed which records, what validators made of them, and the immutable versions
///         that models are trained on. Only hashes are kept here; the bytes live in content-addressed storage, so that
///         content can be withdrawn while the record of it stays.
///
///         A contribution belongs to whoever registers its root first. Its rewards go to its beneficiary, the contributor
///         until they name another account.
interface IDatanets is ILicences {
    struct Datanet {
        address owner;
        /// Receives the contributors' part that no record explains.
        address commons;
        uint32 versionCount;
        uint64 createdAt;
        bytes32 metadataHash;
        string name;
        /// SPDX identifier or the address of the licence text; the terms under which records are offered.
        string licence;
        /// Where verdicts on its contributions can be disputed; nowhere when zero.
        address panel;
        /// Whether nothing is accepted but by that panel.
        bool isPanelOnly;
    }

    struct ContributionInput {
        uint256 datanetId;
        /// Merkle root over the records, in the contributor's order.
        bytes32 recordsRoot;
        uint32 recordCount;
        /// SHA-256 of the stored content, the digest inside its CID.
        bytes32 contentHash;
        string licence;
    }

    struct Contribution {
        uint256 datanetId;
        address contributor;
        uint64 contributedAt;
        uint32 recordCount;
        address beneficiary;
        uint32 acceptedCount;
        uint32 verdictCount;
        bytes32 recordsRoot;
        bytes32 contentHash;
        /// Root over the accepted records; zero before a verdict and when nothing was accepted.
        bytes32 acceptedRoot;
        /// When its contributor took it back; zero while it stands.
        uint64 withdrawnAt;
        /// The panel that it was referred to, which alone records verdicts on it from then on; zero before.
        address panel;
    }

    struct Version {
        bytes32 recordsRoot;
        bytes32 manifestHash;
        uint32 recordCount;
        uint32 parentVersion;
        uint64 publishedAt;
        address publisher;
    }

    error DatanetsUnknownDatanet(uint256 datanetId);
    error DatanetsUnknownContribution(bytes32 contributionId);
    error DatanetsUnknownVersion(uint256 datanetId, uint32 version);
    error DatanetsInvalidName(string name);
    error DatanetsNameTaken(string name, uint256 datanetId);
    error DatanetsZeroAddress();
    error DatanetsNotOwner(uint256 datanetId, address caller);
    error DatanetsNotValidator(uint256 datanetId, address caller);
    error DatanetsNotBeneficiary(bytes32 contributionId, address caller);
    error DatanetsEmptyContribution();
    error DatanetsAlreadyContributed(bytes32 contributionId, address contributor);
    error DatanetsSignatureExpired(uint256 deadline);
    error DatanetsInvalidSignature(address signer);
    error DatanetsInvalidVerdict(bytes32 acceptedRoot, uint32 acceptedCount, uint32 recordCount);
    error DatanetsEmptyVersion();
    error DatanetsWithdrawn(bytes32 contributionId);
    error DatanetsNotPanel(bytes32 contributionId, address caller);
    error DatanetsNotJudged(bytes32 contributionId);
    error DatanetsPanelOnly(uint256 datanetId);

    event DatanetCreated(
        uint256 indexed datanetId,
        address indexed owner,
        string name,
        bytes32 metadataHash,
        string licence,
        address commons
    );
    event DatanetTransferred(uint256 indexed datanetId, address indexed from, address indexed to);
    event CommonsChanged(uint256 indexed datanetId, address commons);
    event MetadataChanged(uint256 indexed datanetId, bytes32 metadataHash);
    event PanelChanged(uint256 indexed datanetId, address indexed panel, bool isOnly);
    event ReferredToPanel(bytes32 indexed contributionId, address indexed panel);
    event ValidatorAdded(uint256 indexed datanetId, address indexed validator);
    event ValidatorRemoved(uint256 indexed datanetId, address indexed validator);
    event Contributed(
        uint256 indexed datanetId,
        bytes32 indexed contributionId,
        address indexed contributor,
        bytes32 recordsRoot,
        uint32 recordCount,
        bytes32 contentHash,
        string licence
    );
    event BeneficiaryChanged(bytes32 indexed contributionId, address indexed from, address indexed to);
    event ContributionWithdrawn(bytes32 indexed contributionId, uint256 indexed datanetId, address indexed contributor);
    event VerdictRecorded(
        bytes32 indexed contributionId,
        address indexed validator,
        uint32 verdict,
        bytes32 acceptedRoot,
        uint32 acceptedCount,
        bytes32 reasonsHash
    );
    event VersionPublished(
        uint256 indexed datanetId,
        uint32 indexed version,
        address indexed publisher,
        bytes32 recordsRoot,
        uint32 recordCount,
        uint32 parentVersion,
        bytes32 manifestHash
    );

    /// @notice Creates a Datanet owned by the caller.
    /// @param name 2 to 63 of a-z, 0-9, full stop and hyphen, starting with a letter or digit; nobody else's.
    /// @param metadataHash Hash of the description, admission rule and schema.
    /// @param licence Terms under which its records are offered.
    /// @param commons Receives the contributors' part that no record explains.
    /// @return datanetId 1, 2, 3, ...
    function createDatanet(
        string calldata name,
        bytes32 metadataHash,
        string calldata licence,
        address commons
    ) external returns (uint256 datanetId);

    /// @notice Hands a Datanet to another owner. Owner only.
    function transferDatanet(uint256 datanetId, address to) external;

    /// @notice Names the account that holds the commons from now on. Owner only.
    function setCommons(uint256 datanetId, address commons) external;

    /// @notice Points to a new description. Owner only.
    function setMetadata(uint256 datanetId, bytes32 metadataHash) external;

    /// @notice Lets `validator` record verdicts and publish versions. Owner only.
    function addValidator(uint256 datanetId, address validator) external;

    /// @notice Takes that right back; verdicts already recorded stay. Owner only.
    function removeValidator(uint256 datanetId, address validator) external;

    /// @notice Names the contract before which verdicts can be disputed from now on, as {IValidatorPanel} does it; zero for
    ///         none. What was referred to another stays there. Owner only.
    /// @param isOnly Whether every record has to be judged there: named validators then accept nothing.
    function setPanel(uint256 datanetId, address panel, bool isOnly) external;

    /// @notice Puts a contribution that has a verdict before the calling panel, for good: neither the owner nor named
    ///         validators record verdicts on it any more. The panel of its Datanet only.
    function referToPanel(bytes32 contributionId) external;

    /// @notice Registers a contribution signed by its contributor; anyone may relay it.
    /// @dev    The signature needs no nonce: a root can be registered once per Datanet, so it cannot be replayed.
    /// @param contributor Signer (key or ERC-1271 wallet) and first beneficiary.
    /// @param deadline Last second at which the signature counts.
    /// @param signature EIP-712 over `Contribution(uint256 datanetId,bytes32 recordsRoot,uint32 recordCount,bytes32
    ///        contentHash,string licence,address contributor,uint256 deadline)`, domain "OpenLedger Datanets", "1".
    /// @return contributionId keccak256(abi.encode(datanetId, recordsRoot)).
    function contribute(
        ContributionInput calldata input,
        address contributor,
        uint256 deadline,
        bytes calldata signature
    ) external returns (bytes32 contributionId);

    /// @notice Sends a contribution's future rewards to another account. Current beneficiary only.
    function setBeneficiary(bytes32 contributionId, address to) external;

    /// @notice Does the same with the current beneficiary's signature; anyone may relay it.
    /// @param signature EIP-712 over `BeneficiaryChange(bytes32 contributionId,address to,uint256 nonce,uint256
    ///        deadline)` with `nonce = beneficiaryNonceOf(contributionId)`.
    function setBeneficiaryWithSignature(
        bytes32 contributionId,
        address to,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Takes a contribution back, for good, with its contributor's signature; anyone may relay it. No verdict is
    ///         recorded on it any more, no version published from now on holds it, and it earns nothing of later licences.
    ///         Versions that have it, and models trained on them, stay.
    /// @param signature EIP-712 over `Withdrawal(bytes32 contributionId,uint256 deadline)`.
    function withdrawContribution(bytes32 contributionId, uint256 deadline, bytes calldata signature) external;

    /// @notice Records what a validator accepted of a contribution. Validators of its Datanet only, where it is under its
    ///         panel alone nothing but a rejection; of a contribution that was referred to a panel, that panel only. A later verdict replaces an earlier one; both stay in the log,
    ///         numbered.
    /// @param acceptedRoot Root over the accepted records; zero when none.
    /// @param acceptedCount At most the contribution's record count; zero exactly when the root is zero.
    /// @param reasonsHash Hash of the stated reason for every rejected record.
    function recordVerdict(
        bytes32 contributionId,
        bytes32 acceptedRoot,
        uint32 acceptedCount,
        bytes32 reasonsHash
    ) external;

    /// @notice Publishes an immutable version over accepted records. Owner or validators only.
    /// @param parentVersion Version this one grew from; 0 for none.
    /// @param manifestHash Hash of the list of contributions and records behind the root.
    /// @return version 1, 2, 3, ... within the Datanet.
    function publishVersion(
        uint256 datanetId,
        bytes32 recordsRoot,
        uint32 recordCount,
        uint32 parentVersion,
        bytes32 manifestHash
    ) external returns (uint32 version);

    /// @notice Number of Datanets created; the highest id.
    function datanetCount() external view returns (uint256);

    /// @notice The Datanet of a name; 0 when there is none.
    function idOf(string calldata name) external view returns (uint256);

    /// @notice Reads a Datanet. Reverts when there is none.
    function get(uint256 datanetId) external view returns (Datanet memory);

    /// @notice Reads a contribution. Reverts when there is none.
    function contributionOf(bytes32 contributionId) external view returns (Contribution memory);

    /// @notice Reads a version. Reverts when there is none.
    function versionOf(uint256 datanetId, uint32 version) external view returns (Version memory);

    /// @notice Number of versions a Datanet has, its newest; zero also for a Datanet that does not exist.
    function versionCountOf(uint256 datanetId) external view returns (uint32);

    /// @notice Says whether an account may record verdicts for a Datanet.
    function isValidator(uint256 datanetId, address account) external view returns (bool);

    /// @notice Account that a contribution's rewards go to. Reverts when there is no such contribution.
    function beneficiaryOf(bytes32 contributionId) external view returns (address);

    /// @notice The same of many contributions, in their order: an answer pays dozens and asks for all of them at once.
    function beneficiariesOf(bytes32[] calldata contributionIds) external view returns (address[] memory);

    /// @notice Number that the next `setBeneficiaryWithSignature` of a contribution must carry.
    function beneficiaryNonceOf(bytes32 contributionId) external view returns (uint256);

    /// @notice Account that holds a Datanet's commons. Reverts when there is no such Datanet.
    function commonsOf(uint256 datanetId) external view returns (address);

    /// @notice EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
