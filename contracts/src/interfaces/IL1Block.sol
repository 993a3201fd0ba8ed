// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IL1Block
/// @notice Predeploy 0x4200000000000000000000000000000000000015: what L2 knows of L1, set by the first transaction of every
///         L2 block. Storage and call data are those of the OP Stack at Isthmus and Jovian; the gas token is OPEN.
interface IL1Block {
    error NotDepositor();

    event GasPayingTokenSet(address indexed token, uint8 indexed decimals, bytes32 name, bytes32 symbol);

    /// @notice Sets the values of an Ecotone block from packed call data (164 bytes with the selector 0x440a5e20):
    ///         baseFeeScalar u32, blobBaseFeeScalar u32, sequenceNumber u64, timestamp u64, number u64, basefee u256,
    ///         blobBaseFee u256, hash, batcherHash. Depositor only.
    function setL1BlockValuesEcotone() external;

    /// @notice Sets the values of an Isthmus block from packed call data (176 bytes with the selector 0x098999be): those of
    ///         Ecotone, then operatorFeeScalar u32, operatorFeeConstant u64. Depositor only.
    function setL1BlockValuesIsthmus() external;

    /// @notice Sets the values of a Jovian block from packed call data (178 bytes with the selector 0x3db6be2b): those of
    ///         Isthmus, then daFootprintGasScalar u16, which is never zero. Depositor only.
    function setL1BlockValuesJovian() external;

    /// @notice Sets the gas token as the portal's deposit says. Depositor only.
    function setGasPayingToken(address token, uint8 decimals, bytes32 name, bytes32 symbol) external;

    /// @notice Account that system deposits come from.
    function DEPOSITOR_ACCOUNT() external pure returns (address);

    /// @notice Number of the L1 block that this L2 block builds on.
    function number() external view returns (uint64);

    /// @notice Its time.
    function timestamp() external view returns (uint64);

    /// @notice Its base fee.
    function basefee() external view returns (uint256);

    /// @notice Its hash.
    function hash() external view returns (bytes32);

    /// @notice Number of L2 blocks before this one on the same L1 block.
    function sequenceNumber() external view returns (uint64);

    /// @notice Weight of the L1 blob base fee in the L1 fee, in millionths.
    function blobBaseFeeScalar() external view returns (uint32);

    /// @notice Weight of the L1 base fee in the L1 fee, in millionths.
    function baseFeeScalar() external view returns (uint32);

    /// @notice Address of the batcher, in the low 20 bytes.
    function batcherHash() external view returns (bytes32);

    /// @notice Blob base fee of the L1 block.
    function blobBaseFee() external view returns (uint256);

    /// @notice Flat part of the operator fee, in wei.
    function operatorFeeConstant() external view returns (uint64);

    /// @notice Part of the operator fee per gas: in millionths of a wei, and from Jovian on in hundreds of wei.
    function operatorFeeScalar() external view returns (uint32);

    /// @notice Gas that a byte of published data counts for against the block's limit; zero before Jovian.
    function daFootprintGasScalar() external view returns (uint16);

    /// @notice Address on L1 of the token that pays for gas, and its decimals.
    function gasPayingToken() external view returns (address token, uint8 decimals);

    /// @notice Its name.
    function gasPayingTokenName() external view returns (string memory);

    /// @notice Its symbol.
    function gasPayingTokenSymbol() external view returns (string memory);

    /// @notice Always true: gas is OPEN.
    function isCustomGasToken() external pure returns (bool);
}
