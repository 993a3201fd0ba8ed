// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import { IDatanets } from "../interfaces/IDatanets.sol";
import { Name } from "../libraries/Name.sol";
import { Licences } from "./Licences.sol";

/// @title Datanets
/// @notice See {IDatanets}.
///
///         Licences are {Licences}' part. Invariants: a contribution's contributor, root and count never change; a published
///         version never changes; nobody but the beneficiary (or their signature) redirects a contribution's rewards.
contract Datanets is IDatanets, Licences, EIP712 {
    bytes32 private constant CONTRIBUTION_TYPEHASH = keccak256(
        "Contribution(uint256 datanetId,bytes32 recordsRoot,uint32 recordCount,bytes32 contentHash,string licence,address contributor,uint256 deadline)"
    );
    bytes32 private constant BENEFICIARY_CHANGE_TYPEHASH =
        keccak256("BeneficiaryChange(bytes32 contributionId,address to,uint256 nonce,uint256 deadline)");

    bytes32 private constant WITHDRAWAL_TYPEHASH = keccak256("Withdrawal(bytes32 contributionId,uint256 deadline)");

    uint256 private _datanetCount;
    mapping(uint256 datanetId => Datanet) private _datanets;
    mapping(bytes32 nameHash => uint256 datanetId) private _idOf;
    mapping(uint256 datanetId => mapping(address account => bool)) private _validators;
    mapping(uint256 datanetId => mapping(uint32 version => Version)) private _versions;
    mapping(bytes32 contributionId => Contribution) private _contributions;
    mapping(bytes32 contributionId => uint256) private _beneficiaryNonces;

    constructor() EIP712("OpenLedger Datanets", "1") { }

    modifier onlyOwner(uint256 datanetId) {
        _requireOwner(datanetId);
        _;
    }

    /// @inheritdoc IDatanets
    function createDatanet(
        string calldata name,
        bytes32 metadataHash,
        string calldata licence,
        address commons
    ) external returns (uint256 datanetId) {
        if (!Name.isValid(name)) revert DatanetsInvalidName(name);
        if (commons == address(0)) revert DatanetsZeroAddress();
        bytes32 nameHash = keccak256(bytes(name));
        if (_idOf[nameHash] != 0) revert DatanetsNameTaken(name, _idOf[nameHash]);

        datanetId = ++_datanetCount;
        _idOf[nameHash] = datanetId;
        _datanets[datanetId] = Datanet({
            owner: msg.sender,
            commons: commons,
            versionCount: 0,
            createdAt: uint64(block.timestamp),
            metadataHash: metadataHash,
            name: name,
            licence: licence,
            panel: address(0),
            isPanelOnly: false
        });
        emit DatanetCreated(datanetId, msg.sender, name, metadataHash, licence, commons);
    }

    /// @inheritdoc IDatanets
    function transferDatanet(uint256 datanetId, address to) external onlyOwner(datanetId) {
        if (to == address(0)) revert DatanetsZeroAddress();
        _datanets[datanetId].owner = to;
        emit DatanetTransferred(datanetId, msg.sender, to);
    }

    /// @inheritdoc IDatanets
    function setCommons(uint256 datanetId, address commons) external onlyOwner(datanetId) {
        if (commons == address(0)) revert DatanetsZeroAddress();
        _datanets[datanetId].commons = commons;
        emit CommonsChanged(datanetId, commons);
    }

    /// @inheritdoc IDatanets
    function setMetadata(uint256 datanetId, bytes32 metadataHash) external onlyOwner(datanetId) {
        _datanets[datanetId].metadataHash = metadataHash;
        emit MetadataChanged(datanetId, metadataHash);
    }

    /// @inheritdoc IDatanets
    function addValidator(uint256 datanetId, address validator) external onlyOwner(datanetId) {
        if (validator == address(0)) revert DatanetsZeroAddress();
        _validators[datanetId][validator] = true;
        emit ValidatorAdded(datanetId, validator);
    }

    /// @inheritdoc IDatanets
    function removeValidator(uint256 datanetId, address validator) external onlyOwner(datanetId) {
        _validators[datanetId][validator] = false;
        emit ValidatorRemoved(datanetId, validator);
    }

    /// @inheritdoc IDatanets
    function setPanel(uint256 datanetId, address panel, bool isOnly) external onlyOwner(datanetId) {
        if (isOnly && panel == address(0)) revert DatanetsZeroAddress();
        _datanets[datanetId].panel = panel;
        _datanets[datanetId].isPanelOnly = isOnly;
        emit PanelChanged(datanetId, panel, isOnly);
    }

    /// @inheritdoc IDatanets
    function referToPanel(bytes32 contributionId) external {
        Contribution storage contribution = _standing(contributionId);
        if (contribution.verdictCount == 0) revert DatanetsNotJudged(contributionId);
        if (contribution.panel == msg.sender) return;
        if (contribution.panel != address(0) || _datanets[contribution.datanetId].panel != msg.sender) {
            revert DatanetsNotPanel(contributionId, msg.sender);
        }
        contribution.panel = msg.sender;
        emit ReferredToPanel(contributionId, msg.sender);
    }

    /// @inheritdoc IDatanets
    function contribute(
        ContributionInput calldata input,
        address contributor,
        uint256 deadline,
        bytes calldata signature
    ) external returns (bytes32 contributionId) {
        if (block.timestamp > deadline) revert DatanetsSignatureExpired(deadline);
        _existing(input.datanetId);
        if (input.recordCount == 0 || input.recordsRoot == 0) revert DatanetsEmptyContribution();
        contributionId = keccak256(abi.encode(input.datanetId, input.recordsRoot));
        Contribution storage contribution = _contributions[contributionId];
        if (contribution.contributor != address(0)) {
            revert DatanetsAlreadyContributed(contributionId, contribution.contributor);
        }
        _requireSignature(
            contributor,
            keccak256(
                abi.encode(
                    CONTRIBUTION_TYPEHASH,
                    input.datanetId,
                    input.recordsRoot,
                    input.recordCount,
                    input.contentHash,
                    keccak256(bytes(input.licence)),
                    contributor,
                    deadline
                )
            ),
            signature
        );

        contribution.datanetId = input.datanetId;
        contribution.contributor = contributor;
        contribution.contributedAt = uint64(block.timestamp);
        contribution.recordCount = input.recordCount;
        contribution.beneficiary = contributor;
        contribution.recordsRoot = input.recordsRoot;
        contribution.contentHash = input.contentHash;
        emit Contributed(
            input.datanetId,
            contributionId,
            contributor,
            input.recordsRoot,
            input.recordCount,
            input.contentHash,
            input.licence
        );
    }

    /// @inheritdoc IDatanets
    function setBeneficiary(bytes32 contributionId, address to) external {
        if (_existing(contributionId).beneficiary != msg.sender) {
            revert DatanetsNotBeneficiary(contributionId, msg.sender);
        }
        _setBeneficiary(contributionId, to);
    }

    /// @inheritdoc IDatanets
    function setBeneficiaryWithSignature(
        bytes32 contributionId,
        address to,
        uint256 deadline,
        bytes calldata signature
    ) external {
        if (block.timestamp > deadline) revert DatanetsSignatureExpired(deadline);
        _requireSignature(
            _existing(contributionId).beneficiary,
            keccak256(
                abi.encode(
                    BENEFICIARY_CHANGE_TYPEHASH, contributionId, to, _beneficiaryNonces[contributionId], deadline
                )
            ),
            signature
        );
        _setBeneficiary(contributionId, to);
    }

    /// @inheritdoc IDatanets
    function withdrawContribution(bytes32 contributionId, uint256 deadline, bytes calldata signature) external {
        if (block.timestamp > deadline) revert DatanetsSignatureExpired(deadline);
        Contribution storage contribution = _standing(contributionId);
        _requireSignature(
            contribution.contributor, keccak256(abi.encode(WITHDRAWAL_TYPEHASH, contributionId, deadline)), signature
        );
        contribution.withdrawnAt = uint64(block.timestamp);
        _setRecordCount(contribution.datanetId, contributionId, contribution.beneficiary, 0);
        emit ContributionWithdrawn(contributionId, contribution.datanetId, contribution.contributor);
    }

    /// @inheritdoc IDatanets
    function recordVerdict(
        bytes32 contributionId,
        bytes32 acceptedRoot,
        uint32 acceptedCount,
        bytes32 reasonsHash
    ) external {
        Contribution storage contribution = _standing(contributionId);
        if (contribution.panel != address(0)) {
            if (contribution.panel != msg.sender) revert DatanetsNotPanel(contributionId, msg.sender);
        } else if (!_validators[contribution.datanetId][msg.sender]) {
            revert DatanetsNotValidator(contribution.datanetId, msg.sender);
        } else if (acceptedCount != 0 && _datanets[contribution.datanetId].isPanelOnly) {
            revert DatanetsPanelOnly(contribution.datanetId);
        }
        if (acceptedCount > contribution.recordCount || (acceptedCount == 0) != (acceptedRoot == 0)) {
            revert DatanetsInvalidVerdict(acceptedRoot, acceptedCount, contribution.recordCount);
        }

        _setRecordCount(contribution.datanetId, contributionId, contribution.beneficiary, acceptedCount);
        contribution.acceptedRoot = acceptedRoot;
        contribution.acceptedCount = acceptedCount;
        uint32 verdict = ++contribution.verdictCount;
        emit VerdictRecorded(contributionId, msg.sender, verdict, acceptedRoot, acceptedCount, reasonsHash);
    }

    /// @inheritdoc IDatanets
    function publishVersion(
        uint256 datanetId,
        bytes32 recordsRoot,
        uint32 recordCount,
        uint32 parentVersion,
        bytes32 manifestHash
    ) external returns (uint32 version) {
        Datanet storage datanet = _existing(datanetId);
        if (datanet.owner != msg.sender && !_validators[datanetId][msg.sender]) {
            revert DatanetsNotValidator(datanetId, msg.sender);
        }
        if (recordCount == 0 || recordsRoot == 0) revert DatanetsEmptyVersion();
        if (parentVersion > datanet.versionCount) revert DatanetsUnknownVersion(datanetId, parentVersion);

        version = ++datanet.versionCount;
        _versions[datanetId][version] = Version({
            recordsRoot: recordsRoot,
            manifestHash: manifestHash,
            recordCount: recordCount,
            parentVersion: parentVersion,
            publishedAt: uint64(block.timestamp),
            publisher: msg.sender
        });
        emit VersionPublished(datanetId, version, msg.sender, recordsRoot, recordCount, parentVersion, manifestHash);
    }

    /// @inheritdoc IDatanets
    function datanetCount() external view returns (uint256) {
        return _datanetCount;
    }

    /// @inheritdoc IDatanets
    function idOf(string calldata name) external view returns (uint256) {
        return _idOf[keccak256(bytes(name))];
    }

    /// @inheritdoc IDatanets
    function get(uint256 datanetId) external view returns (Datanet memory) {
        return _existing(datanetId);
    }

    /// @inheritdoc IDatanets
    function contributionOf(bytes32 contributionId) external view returns (Contribution memory) {
        return _existing(contributionId);
    }

    /// @inheritdoc IDatanets
    function versionOf(uint256 datanetId, uint32 version) external view returns (Version memory) {
        if (version == 0 || version > _existing(datanetId).versionCount) {
            revert DatanetsUnknownVersion(datanetId, version);
        }
        return _versions[datanetId][version];
    }

    /// @inheritdoc IDatanets
    function versionCountOf(uint256 datanetId) external view returns (uint32) {
        return _datanets[datanetId].versionCount;
    }

    /// @inheritdoc IDatanets
    function isValidator(uint256 datanetId, address account) external view returns (bool) {
        return _validators[datanetId][account];
    }

    /// @inheritdoc IDatanets
    function beneficiaryOf(bytes32 contributionId) external view returns (address) {
        return _existing(contributionId).beneficiary;
    }

    /// @inheritdoc IDatanets
    function beneficiariesOf(bytes32[] calldata contributionIds) external view returns (address[] memory accounts) {
        accounts = new address[](contributionIds.length);
        for (uint256 i; i < contributionIds.length; ++i) {
            accounts[i] = _existing(contributionIds[i]).beneficiary;
        }
    }

    /// @inheritdoc IDatanets
    function beneficiaryNonceOf(bytes32 contributionId) external view returns (uint256) {
        return _beneficiaryNonces[contributionId];
    }

    /// @inheritdoc IDatanets
    function commonsOf(uint256 datanetId) external view returns (address) {
        return _existing(datanetId).commons;
    }

    /// @inheritdoc IDatanets
    // forge-lint: disable-next-line(mixed-case-function)
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _setBeneficiary(bytes32 contributionId, address to) private {
        if (to == address(0)) revert DatanetsZeroAddress();
        Contribution storage contribution = _contributions[contributionId];
        address from = contribution.beneficiary;
        // what it earned until now stays with whom it earned it for
        _count(contribution.datanetId, contributionId, from);
        contribution.beneficiary = to;
        // every change, signed or sent, makes older signatures worthless
        ++_beneficiaryNonces[contributionId];
        emit BeneficiaryChanged(contributionId, from, to);
    }

    function _requireSignature(address signer, bytes32 structHash, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, _hashTypedDataV4(structHash), signature)) {
            revert DatanetsInvalidSignature(signer);
        }
    }

    function _existing(uint256 datanetId) private view returns (Datanet storage datanet) {
        datanet = _datanets[datanetId];
        if (datanet.owner == address(0)) revert DatanetsUnknownDatanet(datanetId);
    }

    /// @inheritdoc Licences
    function _requireOwner(uint256 datanetId) internal view override {
        if (_existing(datanetId).owner != msg.sender) revert DatanetsNotOwner(datanetId, msg.sender);
    }

    /// @inheritdoc Licences
    function _ownersOf(uint256 datanetId) internal view override returns (address owner, address commons) {
        Datanet storage datanet = _existing(datanetId);
        return (datanet.owner, datanet.commons);
    }

    /// @inheritdoc Licences
    function _payeeOf(bytes32 contributionId) internal view override returns (uint256 datanetId, address beneficiary) {
        Contribution storage contribution = _existing(contributionId);
        return (contribution.datanetId, contribution.beneficiary);
    }

    function _standing(bytes32 contributionId) private view returns (Contribution storage contribution) {
        contribution = _existing(contributionId);
        if (contribution.withdrawnAt != 0) revert DatanetsWithdrawn(contributionId);
    }

    function _existing(bytes32 contributionId) private view returns (Contribution storage contribution) {
        contribution = _contributions[contributionId];
        if (contribution.contributor == address(0)) revert DatanetsUnknownContribution(contributionId);
    }
}
