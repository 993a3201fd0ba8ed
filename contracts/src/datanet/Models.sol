// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import { IDatanets } from "../interfaces/IDatanets.sol";
import { IModels } from "../interfaces/IModels.sol";
import { Name } from "../libraries/Name.sol";

/// @title Models
/// @notice See {IModels}.
///
///         Invariants: a name names one model for ever; nothing a model was made from changes after publication; every
///         Datanet version it names existed when it was published.
contract Models is IModels, EIP712 {
    bytes32 private constant PUBLICATION_TYPEHASH =
        keccak256("Publication(bytes32 modelHash,address owner,uint256 deadline)");
    uint256 private constant BPS = 10_000;
    uint256 private constant PPM = 1_000_000;

    /// @notice Registry that the versions a model names must exist in.
    IDatanets public immutable DATANETS;

    uint256 private _modelCount;
    mapping(uint256 modelId => Model) private _models;
    mapping(bytes32 nameHash => uint256 modelId) private _idOf;

    constructor(IDatanets datanets) EIP712("OpenLedger Models", "1") {
        if (address(datanets) == address(0)) revert ModelsZeroAddress();
        DATANETS = datanets;
    }

    modifier onlyOwner(uint256 modelId) {
        if (_existing(modelId).owner != msg.sender) revert ModelsNotOwner(modelId, msg.sender);
        _;
    }

    /// @inheritdoc IModels
    function publishModel(
        ModelInput calldata input,
        address owner,
        uint256 deadline,
        bytes calldata signature
    ) external returns (uint256 modelId) {
        if (block.timestamp > deadline) revert ModelsSignatureExpired(deadline);
        bytes32 nameHash = keccak256(bytes(input.name));
        if (_idOf[nameHash] != 0) revert ModelsNameTaken(input.name, _idOf[nameHash]);
        _requireValid(input);
        bytes32 structHash = keccak256(abi.encode(PUBLICATION_TYPEHASH, keccak256(abi.encode(input)), owner, deadline));
        if (!SignatureChecker.isValidSignatureNowCalldata(owner, _hashTypedDataV4(structHash), signature)) {
            revert ModelsInvalidSignature(owner);
        }

        modelId = ++_modelCount;
        _idOf[nameHash] = modelId;
        Model storage model = _models[modelId];
        model.name = input.name;
        model.baseHash = input.baseHash;
        model.adapterHash = input.adapterHash;
        model.configHash = input.configHash;
        model.metricsHash = input.metricsHash;
        model.attributionRoot = input.attributionRoot;
        model.datanetIds = input.datanetIds;
        model.datanetVersions = input.datanetVersions;
        model.inputPriceWei = input.inputPriceWei;
        model.outputPriceWei = input.outputPriceWei;
        model.owner = owner;
        model.influenceBps = input.influenceBps;
        model.spansBps = input.spansBps;
        model.agreementPpm = input.agreementPpm;
        model.publishedAt = uint64(block.timestamp);
        emit ModelPublished(modelId, owner, input);
    }

    /// @inheritdoc IModels
    function setPrices(uint256 modelId, uint128 inputPriceWei, uint128 outputPriceWei) external onlyOwner(modelId) {
        Model storage model = _models[modelId];
        if (model.retiredAt != 0) revert ModelsRetired(modelId);
        model.inputPriceWei = inputPriceWei;
        model.outputPriceWei = outputPriceWei;
        emit PricesChanged(modelId, inputPriceWei, outputPriceWei);
    }

    /// @inheritdoc IModels
    function transferModel(uint256 modelId, address to) external onlyOwner(modelId) {
        if (to == address(0)) revert ModelsZeroAddress();
        _models[modelId].owner = to;
        emit ModelTransferred(modelId, msg.sender, to);
    }

    /// @inheritdoc IModels
    function retire(uint256 modelId) external onlyOwner(modelId) {
        Model storage model = _models[modelId];
        if (model.retiredAt != 0) revert ModelsRetired(modelId);
        model.retiredAt = uint64(block.timestamp);
        emit ModelRetired(modelId);
    }

    /// @inheritdoc IModels
    function modelCount() external view returns (uint256) {
        return _modelCount;
    }

    /// @inheritdoc IModels
    function get(uint256 modelId) external view returns (Model memory) {
        return _existing(modelId);
    }

    /// @inheritdoc IModels
    function idOf(string calldata name) external view returns (uint256) {
        return _idOf[keccak256(bytes(name))];
    }

    /// @inheritdoc IModels
    function ownerOf(uint256 modelId) external view returns (address owner, uint64 retiredAt) {
        Model storage model = _existing(modelId);
        return (model.owner, model.retiredAt);
    }

    /// @inheritdoc IModels
    // forge-lint: disable-next-line(mixed-case-function)
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _requireValid(ModelInput calldata input) private view {
        if (!Name.isValid(input.name)) revert ModelsInvalidName(input.name);
        if (uint256(input.influenceBps) + input.spansBps != BPS) {
            revert ModelsInvalidWeights(input.influenceBps, input.spansBps);
        }
        if (input.agreementPpm > PPM) revert ModelsInvalidAgreement(input.agreementPpm);
        if (input.datanetIds.length != input.datanetVersions.length) {
            revert ModelsDatanetMismatch(input.datanetIds.length, input.datanetVersions.length);
        }
        for (uint256 i; i < input.datanetIds.length; ++i) {
            uint32 version = input.datanetVersions[i];
            if (version == 0 || version > DATANETS.versionCountOf(input.datanetIds[i])) {
                revert ModelsUnknownVersion(input.datanetIds[i], version);
            }
        }
    }

    function _existing(uint256 modelId) private view returns (Model storage model) {
        model = _models[modelId];
        if (model.owner == address(0)) revert ModelsUnknownModel(modelId);
    }
}
