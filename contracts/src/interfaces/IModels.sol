// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IModels
/// @notice Registry of published models: what each was made from, what it costs, and how its data is paid. All that a
///         model is made from is fixed at publication; only its prices, its owner and its retirement can follow.
interface IModels {
    struct ModelInput {
        /// Unique, and the name under which the model is called.
        string name;
        bytes32 baseHash;
        bytes32 adapterHash;
        /// Hash of the training configuration and engine version.
        bytes32 configHash;
        /// Hash of the evaluation.
        bytes32 metricsHash;
        /// Root of the attribution index that answers are scored against.
        bytes32 attributionRoot;
        /// Datanets it was trained on, and the version of each, in the same order.
        uint256[] datanetIds;
        uint32[] datanetVersions;
        uint128 inputPriceWei;
        uint128 outputPriceWei;
        /// Weights of the two estimators in hundredths of a per cent; they sum to 10,000.
        uint16 influenceBps;
        uint16 spansBps;
        /// Measured agreement of the attribution with retraining, in millionths.
        uint32 agreementPpm;
    }

    struct Model {
        string name;
        bytes32 baseHash;
        bytes32 adapterHash;
        bytes32 configHash;
        bytes32 metricsHash;
        bytes32 attributionRoot;
        uint256[] datanetIds;
        uint32[] datanetVersions;
        /// Wei per prompt token.
        uint128 inputPriceWei;
        /// Wei per answer token.
        uint128 outputPriceWei;
        address owner;
        /// Zero while the model is served. Beside the owner, because settlement reads both with every group of receipts.
        uint64 retiredAt;
        uint32 agreementPpm;
        uint16 influenceBps;
        uint16 spansBps;
        uint64 publishedAt;
    }

    error ModelsUnknownModel(uint256 modelId);
    error ModelsInvalidName(string name);
    error ModelsNameTaken(string name, uint256 modelId);
    error ModelsZeroAddress();
    error ModelsNotOwner(uint256 modelId, address caller);
    error ModelsRetired(uint256 modelId);
    error ModelsInvalidWeights(uint16 influenceBps, uint16 spansBps);
    error ModelsInvalidAgreement(uint32 agreementPpm);
    error ModelsDatanetMismatch(uint256 datanetIds, uint256 datanetVersions);
    error ModelsUnknownVersion(uint256 datanetId, uint32 version);
    error ModelsSignatureExpired(uint256 deadline);
    error ModelsInvalidSignature(address signer);

    event ModelPublished(uint256 indexed modelId, address indexed owner, ModelInput input);
    event PricesChanged(uint256 indexed modelId, uint128 inputPriceWei, uint128 outputPriceWei);
    event ModelTransferred(uint256 indexed modelId, address indexed from, address indexed to);
    event ModelRetired(uint256 indexed modelId);

    /// @notice Publishes a model signed by its owner; anyone may relay it.
    /// @dev    The signature needs no nonce: a name can be taken once, so it cannot be replayed.
    /// @param owner Signer (key or ERC-1271 wallet), and receiver of the model owner's part of every fee.
    /// @param deadline Last second at which the signature counts.
    /// @param signature EIP-712 over `Publication(bytes32 modelHash,address owner,uint256 deadline)` with
    ///        `modelHash = keccak256(abi.encode(input))`, domain "OpenLedger Models", "1".
    /// @return modelId 1, 2, 3, ...
    function publishModel(
        ModelInput calldata input,
        address owner,
        uint256 deadline,
        bytes calldata signature
    ) external returns (uint256 modelId);

    /// @notice Sets the prices of answers from now on. Owner only.
    function setPrices(uint256 modelId, uint128 inputPriceWei, uint128 outputPriceWei) external;

    /// @notice Hands a model, and its owner's part of future fees, to another account. Owner only.
    function transferModel(uint256 modelId, address to) external;

    /// @notice Stops a model for good: answers given later cannot be settled. Owner only.
    function retire(uint256 modelId) external;

    /// @notice Number of models published; the highest id.
    function modelCount() external view returns (uint256);

    /// @notice Reads a model. Reverts when there is none.
    function get(uint256 modelId) external view returns (Model memory);

    /// @notice Id of the model with this name; 0 when there is none.
    function idOf(string calldata name) external view returns (uint256);

    /// @notice Owner of a model, and when it was retired (0 while it is served). Reverts when there is no such model.
    function ownerOf(uint256 modelId) external view returns (address owner, uint64 retiredAt);

    /// @notice EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
