// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { StorageSlot } from "@openzeppelin/contracts/utils/StorageSlot.sol";

import { IL1Block } from "../interfaces/IL1Block.sol";

/// @title L1Block
/// @notice See {IL1Block}. Placed at genesis as runtime code: there is no constructor and there are no immutables.
///
///         Invariant: the order of the variables below is the storage layout of the OP Stack. The state transition reads
///         slots 1, 3, 7 and 8 by number to charge the L1 and operator fees.
contract L1Block is IL1Block {
    // slot 0
    uint64 public number;
    uint64 public timestamp;
    // slots 1 and 2
    uint256 public basefee;
    bytes32 public hash;
    // slot 3
    uint64 public sequenceNumber;
    uint32 public blobBaseFeeScalar;
    uint32 public baseFeeScalar;
    // slot 4
    bytes32 public batcherHash;
    /// @dev Slots 5 and 6: overhead and scalar of before Ecotone, never set on this chain.
    uint256[2] private _beforeEcotone;
    // slots 7 and 8
    uint256 public blobBaseFee;
    uint64 public operatorFeeConstant;
    uint32 public operatorFeeScalar;
    uint16 public daFootprintGasScalar;

    /// @dev Slots of the gas token as OP's custom gas token release has them.
    bytes32 private constant TOKEN_SLOT = bytes32(uint256(keccak256("opstack.gaspayingtoken")) - 1);
    bytes32 private constant NAME_SLOT = bytes32(uint256(keccak256("opstack.gaspayingtokenname")) - 1);
    bytes32 private constant SYMBOL_SLOT = bytes32(uint256(keccak256("opstack.gaspayingtokensymbol")) - 1);
    bytes32 private constant DEFAULT_NAME = "OpenLedger";
    bytes32 private constant DEFAULT_SYMBOL = "OPEN";
    uint8 private constant DECIMALS = 18;
    uint256 private constant ADDRESS_BITS = 160;

    modifier onlyDepositor() {
        if (msg.sender != DEPOSITOR_ACCOUNT()) revert NotDepositor();
        _;
    }

    /// @inheritdoc IL1Block
    function setL1BlockValuesEcotone() external onlyDepositor {
        _setEcotone();
    }

    /// @inheritdoc IL1Block
    function setL1BlockValuesIsthmus() external onlyDepositor {
        _setIsthmus();
    }

    /// @inheritdoc IL1Block
    function setL1BlockValuesJovian() external onlyDepositor {
        _setIsthmus();
        daFootprintGasScalar = uint16(_word(176, 2));
    }

    /// @inheritdoc IL1Block
    function setGasPayingToken(address token, uint8 decimals, bytes32 name, bytes32 symbol) external onlyDepositor {
        StorageSlot.getUint256Slot(TOKEN_SLOT).value = uint256(decimals) << ADDRESS_BITS | uint160(token);
        StorageSlot.getBytes32Slot(NAME_SLOT).value = name;
        StorageSlot.getBytes32Slot(SYMBOL_SLOT).value = symbol;
        emit GasPayingTokenSet(token, decimals, name, symbol);
    }

    /// @inheritdoc IL1Block
    function gasPayingToken() external view returns (address token, uint8 decimals) {
        uint256 packed = StorageSlot.getUint256Slot(TOKEN_SLOT).value;
        return (address(uint160(packed)), packed == 0 ? DECIMALS : uint8(packed >> ADDRESS_BITS));
    }

    /// @inheritdoc IL1Block
    function gasPayingTokenName() external view returns (string memory) {
        return _text(StorageSlot.getBytes32Slot(NAME_SLOT).value, DEFAULT_NAME);
    }

    /// @inheritdoc IL1Block
    function gasPayingTokenSymbol() external view returns (string memory) {
        return _text(StorageSlot.getBytes32Slot(SYMBOL_SLOT).value, DEFAULT_SYMBOL);
    }

    /// @inheritdoc IL1Block
    function isCustomGasToken() external pure returns (bool) {
        return true;
    }

    /// @notice Release of the OP Stack interface that this contract answers to.
    function version() external pure returns (string memory) {
        return "1.7.0+openledger";
    }

    /// @inheritdoc IL1Block
    // forge-lint: disable-next-line(mixed-case-function)
    function DEPOSITOR_ACCOUNT() public pure returns (address) {
        return 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;
    }

    function _setIsthmus() private {
        _setEcotone();
        operatorFeeScalar = uint32(_word(164, 4));
        operatorFeeConstant = uint64(_word(168, 8));
    }

    function _setEcotone() private {
        baseFeeScalar = uint32(_word(4, 4));
        blobBaseFeeScalar = uint32(_word(8, 4));
        sequenceNumber = uint64(_word(12, 8));
        timestamp = uint64(_word(20, 8));
        number = uint64(_word(28, 8));
        basefee = _word(36, 32);
        blobBaseFee = _word(68, 32);
        hash = bytes32(_word(100, 32));
        batcherHash = bytes32(_word(132, 32));
    }

    /// @dev Reads `size` bytes of call data as a number. Call data that is too short reverts.
    function _word(uint256 offset, uint256 size) private pure returns (uint256) {
        return uint256(bytes32(msg.data[offset:offset + size])) >> (256 - 8 * size);
    }

    function _text(bytes32 stored, bytes32 otherwise) private pure returns (string memory) {
        bytes32 text = stored == 0 ? otherwise : stored;
        uint256 length;
        while (length < 32 && text[length] != 0) ++length;
        bytes memory result = new bytes(length);
        for (uint256 i; i < length; ++i) {
            result[i] = text[i];
        }
        return string(result);
    }
}
