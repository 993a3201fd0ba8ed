// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ICourt } from "../interfaces/ICourt.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";

/// @title PostedBatch
/// @notice Checks and reads what a batch posted, brought along by whoever challenges it.
library PostedBatch {
    uint256 private constant BATCH_BYTES = 7 * 32;
    uint256 private constant GROUP_BYTES = 10 * 32;

    /// @notice Hash of all that a batch posts besides its ledger: `keccak256(abi.encode(batch, debitsHash,
    ///         keccak256(abi.encode(groups)), segmentsHash))`.
    /// @dev Structs of words are encoded as they stand in call data; whoever calls reads their fields, which checks them.
    function bodyHash(
        ISettlement.Batch calldata batch,
        bytes32 debitsHash,
        ISettlement.Group[] calldata groups,
        bytes32 segmentsHash
    ) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, 0x20)
            mstore(add(free, 0x20), groups.length)
            let size := mul(groups.length, GROUP_BYTES)
            calldatacopy(add(free, 0x40), groups.offset, size)
            let groupsHash := keccak256(free, add(size, 0x40))
            calldatacopy(free, batch, BATCH_BYTES)
            let end := add(free, BATCH_BYTES)
            mstore(end, debitsHash)
            mstore(add(end, 0x20), groupsHash)
            mstore(add(end, 0x40), segmentsHash)
            hash := keccak256(free, add(BATCH_BYTES, 0x60))
        }
    }

    /// @notice Reverts unless the batch posted this.
    function requirePosted(ICourt.Posted calldata posted, ISettlement settlement) internal view {
        if (
            bodyHash(posted.batch, posted.debitsHash, posted.groups, posted.segmentsHash) != posted.ledger.bodyHash
                || keccak256(abi.encode(posted.ledger)) != settlement.ledgerHash(posted.number)
        ) revert ICourt.CourtNotPosted(posted.number);
    }

    /// @notice The same, while it can be challenged.
    function requireOpen(ICourt.Posted calldata posted, ISettlement settlement) internal view {
        requirePosted(posted, settlement);
        uint256 until = settlement.finalAt(posted.ledger.settledAt);
        if (block.timestamp > until) revert ICourt.CourtWindowOver(posted.number, until);
    }

    /// @notice Number of its receipts.
    function countOf(ICourt.Posted calldata posted) internal pure returns (uint256 count) {
        for (uint256 i; i < posted.groups.length; ++i) {
            count += posted.groups[i].receiptCount;
        }
    }

    /// @notice Sum of their fees.
    function feesOf(ICourt.Posted calldata posted) internal pure returns (uint256 feesWei) {
        for (uint256 i; i < posted.groups.length; ++i) {
            feesWei += posted.groups[i].feeWei;
        }
    }

    /// @notice The debit at an offset of packed debits, and where the next one is.
    function debitAt(
        bytes calldata debits,
        uint256 offset
    ) internal pure returns (address payer, uint256 amount, uint256 next) {
        uint256 size = uint8(debits[offset + 20]);
        payer = address(bytes20(debits[offset:offset + 20]));
        next = offset + 21 + size;
        amount = uint256(bytes32(debits[offset + 21:next])) >> (256 - 8 * size);
    }
}
