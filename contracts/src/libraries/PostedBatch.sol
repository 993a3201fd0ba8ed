// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ICourt } from "../interfaces/ICourt.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";

/// @title PostedBatch
/// @notice Checks and reads what a batch posted, brought along by whoever challenges it.
library PostedBatch {
    /// @notice Reverts unless the batch posted this.
    function requirePosted(ICourt.Posted calldata posted, ISettlement settlement) internal view {
        bytes32 body = keccak256(
            abi.encode(posted.batch, posted.debitsHash, keccak256(abi.encode(posted.groups)), posted.segmentsHash)
        );
        if (
            body != posted.ledger.bodyHash
                || keccak256(abi.encode(posted.ledger)) != settlement.ledgerHash(posted.number)
        ) revert ICourt.CourtNotPosted(posted.number);
    }

    /// @notice The same, while it can be challenged.
    function requireOpen(ICourt.Posted calldata posted, ISettlement settlement) internal view {
        requirePosted(posted, settlement);
        uint256 until = posted.ledger.settledAt + settlement.CHALLENGE_SECONDS();
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
