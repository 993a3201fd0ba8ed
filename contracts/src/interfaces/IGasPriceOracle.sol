// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IGasPriceOracle
/// @notice Predeploy 0x420000000000000000000000000000000000000F: what a transaction pays beside its L2 gas. The fee rules
///         are those of Fjord (L1 fee) and Isthmus (operator fee), in force from genesis.
interface IGasPriceOracle {
    error GasPriceOracleDeprecated();

    /// @notice L1 fee in wei of a transaction.
    /// @param unsignedTx The transaction, RLP-encoded without signature; 68 bytes are added for it.
    function getL1Fee(bytes calldata unsignedTx) external view returns (uint256);

    /// @notice Bound that the L1 fee of a transaction of this size keeps below, in nearly all cases.
    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256);

    /// @notice L1 gas of a transaction, as an estimate from its compressed size.
    function getL1GasUsed(bytes calldata unsignedTx) external view returns (uint256);

    /// @notice Operator fee in wei of a transaction that uses this gas.
    function getOperatorFee(uint256 gasUsed) external view returns (uint256);

    /// @notice Base fee of this L2 block.
    function gasPrice() external view returns (uint256);

    /// @notice Base fee of this L2 block.
    function baseFee() external view returns (uint256);

    /// @notice See {IL1Block-basefee}.
    function l1BaseFee() external view returns (uint256);

    /// @notice See {IL1Block-blobBaseFee}.
    function blobBaseFee() external view returns (uint256);

    /// @notice See {IL1Block-baseFeeScalar}.
    function baseFeeScalar() external view returns (uint32);

    /// @notice See {IL1Block-blobBaseFeeScalar}.
    function blobBaseFeeScalar() external view returns (uint32);

    /// @notice Decimals of the scalars.
    function decimals() external pure returns (uint256);

    /// @notice Decimals of the scalars.
    function DECIMALS() external view returns (uint256);

    /// @notice Reverts: replaced at Ecotone.
    function overhead() external pure returns (uint256);

    /// @notice Reverts: replaced at Ecotone.
    function scalar() external pure returns (uint256);

    /// @notice True.
    function isEcotone() external pure returns (bool);

    /// @notice True.
    function isFjord() external pure returns (bool);

    /// @notice True.
    function isIsthmus() external pure returns (bool);

    /// @notice Whether the block is of Jovian, as its L1 attributes tell.
    function isJovian() external view returns (bool);
}
