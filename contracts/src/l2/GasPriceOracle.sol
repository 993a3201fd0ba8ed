// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IGasPriceOracle } from "../interfaces/IGasPriceOracle.sol";
import { IL1Block } from "../interfaces/IL1Block.sol";
import { FastLz } from "../libraries/FastLz.sol";

/// @title GasPriceOracle
/// @notice See {IGasPriceOracle}. Placed at genesis as runtime code; it has no state of its own.
contract GasPriceOracle is IGasPriceOracle {
    IL1Block private constant L1_BLOCK = IL1Block(0x4200000000000000000000000000000000000015);

    /// @inheritdoc IGasPriceOracle
    uint256 public constant DECIMALS = 6;

    /// @dev Linear regression from FastLZ to Brotli size, in millionths of a byte (Fjord specification).
    int256 private constant COST_INTERCEPT = -42_585_600;
    int256 private constant COST_FASTLZ_COEF = 836_500;
    int256 private constant MIN_TRANSACTION_SIZE = 100e6;
    uint256 private constant SIGNATURE_BYTES = 68;
    uint256 private constant CALLDATA_GAS = 16;
    uint256 private constant JOVIAN_OPERATOR_FEE_FACTOR = 100;

    /// @inheritdoc IGasPriceOracle
    function getL1Fee(bytes calldata unsignedTx) external view returns (uint256) {
        return _l1Cost(FastLz.compressedLength(unsignedTx) + SIGNATURE_BYTES);
    }

    /// @inheritdoc IGasPriceOracle
    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256) {
        uint256 size = unsignedTxSize + SIGNATURE_BYTES;
        return _l1Cost(size + size / 255 + 16);
    }

    /// @inheritdoc IGasPriceOracle
    function getL1GasUsed(bytes calldata unsignedTx) external pure returns (uint256) {
        return _estimatedSize(FastLz.compressedLength(unsignedTx) + SIGNATURE_BYTES) * CALLDATA_GAS / 10 ** DECIMALS;
    }

    /// @inheritdoc IGasPriceOracle
    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        (bool fits, uint256 scaled) = _tryMultiply(gasUsed, L1_BLOCK.operatorFeeScalar());
        // saturates where the specification does
        if (!fits) scaled = type(uint256).max;
        uint256 constantPart = L1_BLOCK.operatorFeeConstant();
        if (!isJovian()) return scaled / 10 ** DECIMALS + constantPart;
        (fits, scaled) = _tryMultiply(scaled, JOVIAN_OPERATOR_FEE_FACTOR);
        if (!fits || scaled > type(uint256).max - constantPart) return type(uint256).max;
        return scaled + constantPart;
    }

    /// @inheritdoc IGasPriceOracle
    function gasPrice() external view returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function baseFee() external view returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function l1BaseFee() external view returns (uint256) {
        return L1_BLOCK.basefee();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFee() external view returns (uint256) {
        return L1_BLOCK.blobBaseFee();
    }

    /// @inheritdoc IGasPriceOracle
    function baseFeeScalar() external view returns (uint32) {
        return L1_BLOCK.baseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFeeScalar() external view returns (uint32) {
        return L1_BLOCK.blobBaseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function decimals() external pure returns (uint256) {
        return DECIMALS;
    }

    /// @inheritdoc IGasPriceOracle
    function overhead() external pure returns (uint256) {
        revert GasPriceOracleDeprecated();
    }

    /// @inheritdoc IGasPriceOracle
    function scalar() external pure returns (uint256) {
        revert GasPriceOracleDeprecated();
    }

    /// @inheritdoc IGasPriceOracle
    function isEcotone() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isFjord() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isIsthmus() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isJovian() public view returns (bool) {
        return L1_BLOCK.daFootprintGasScalar() != 0;
    }

    /// @notice Release of the OP Stack interface that this contract answers to.
    function version() external pure returns (string memory) {
        return "1.6.0+openledger";
    }

    function _l1Cost(uint256 fastLzSize) private view returns (uint256) {
        uint256 feeScaled = uint256(L1_BLOCK.baseFeeScalar()) * CALLDATA_GAS * L1_BLOCK.basefee()
            + uint256(L1_BLOCK.blobBaseFeeScalar()) * L1_BLOCK.blobBaseFee();
        return _estimatedSize(fastLzSize) * feeScaled / 10 ** (2 * DECIMALS);
    }

    function _estimatedSize(uint256 fastLzSize) private pure returns (uint256) {
        int256 size = COST_INTERCEPT + COST_FASTLZ_COEF * int256(fastLzSize);
        return uint256(size < MIN_TRANSACTION_SIZE ? MIN_TRANSACTION_SIZE : size);
    }

    function _tryMultiply(uint256 a, uint256 b) private pure returns (bool, uint256) {
        if (b != 0 && a > type(uint256).max / b) return (false, 0);
        return (true, a * b);
    }
}
