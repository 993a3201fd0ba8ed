// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { MerkleSum } from "./MerkleSum.sol";

/// @title LedgerSegment
/// @notice Recomputes a ledger over one segment of packed credits, from the lines that it changes and the nodes beside them.
///
///         What a batch adds to the ledger is packed into about seven bytes an account: `tag 1 ‖ [gap 4 or account 20] ‖
///         amount 1..12`, the tag's low half being the amount's length in bytes. High half 0..13: the credit is for the
///         account so many lines below the one after the last credit's. 14: the same with the number of lines in the next four
///         bytes. 15: for a new account, whose address follows; it gets the ledger's next line. Lines ascend, amounts are above
///         zero, integers are big-endian.
///
///         The same siblings serve before and after: with the last line among those shown, every node that has none of them
///         below it holds the same lines before and after, or none.
library LedgerSegment {
    uint256 private constant LINE_BYTES = 36;
    uint256 private constant NEW_CREDIT_BYTES = 22;

    /// @dev Where the reading stands: in the credits, at which line next, at which of those shown, how many there are in all,
    ///      and how many the ledger has.
    struct Cursor {
        uint256 offset;
        uint256 next;
        uint256 shown;
        uint256 total;
        uint256 count;
    }

    /// @dev A credit as it is packed; `size` zero when what stands there is none.
    struct Packed {
        bool isNew;
        uint256 gap;
        address account;
        uint256 amount;
        uint256 size;
    }

    error LedgerSegmentInvalid();

    /// @notice Computes the ledger after the credits; reverts unless the lines lead to `rootBefore`.
    /// @param width Lines before. Held by the last line being shown: a smaller one leaves the lines behind it out of the
    ///        root, a larger one has none to show.
    /// @param lines `(index 4 ‖ account 20 ‖ cumulative 12)*` before, ascending: all that are credited, and the last.
    /// @return root Hash and sum after.
    /// @return count Lines after; zero when the credits are malformed, and then the root says nothing.
    function rootAfter(
        bytes32 rootBefore,
        uint256 width,
        bytes calldata credits,
        bytes calldata lines,
        bytes calldata siblings
    ) internal pure returns (MerkleSum.Node memory root, uint256 count) {
        uint256 known = lines.length / LINE_BYTES;
        if (lines.length % LINE_BYTES != 0 || (known == 0) != (width == 0)) revert LedgerSegmentInvalid();
        uint256[] memory indexes = new uint256[](known);
        MerkleSum.Node[] memory nodes = new MerkleSum.Node[](known);
        for (uint256 i; i < known; ++i) {
            (indexes[i], nodes[i]) = _nodeAt(lines, i, 0);
            if (indexes[i] >= width || (i != 0 && indexes[i] <= indexes[i - 1])) revert LedgerSegmentInvalid();
        }
        if (width != 0) {
            if (indexes[known - 1] != width - 1) revert LedgerSegmentInvalid();
            if (MerkleSum.rootOf(indexes, nodes, width, siblings).hash != rootBefore) revert LedgerSegmentInvalid();
        }
        (indexes, nodes, count) = _credited(width, known, credits, lines);
        // what changes nothing, or is no credit, leads to no ledger
        if (count != 0) root = MerkleSum.rootOf(indexes, nodes, count, siblings);
    }

    /// @dev The lines after the credits: those shown, changed where they are credited, and the new ones; none of them when the
    ///      credits are malformed.
    function _credited(
        uint256 width,
        uint256 known,
        bytes calldata credits,
        bytes calldata lines
    ) private pure returns (uint256[] memory indexes, MerkleSum.Node[] memory nodes, uint256 count) {
        indexes = new uint256[](known + credits.length / NEW_CREDIT_BYTES);
        nodes = new MerkleSum.Node[](indexes.length);
        for (uint256 i; i < known; ++i) {
            (indexes[i], nodes[i]) = _nodeAt(lines, i, 0);
        }
        Cursor memory cursor = Cursor({ offset: 0, next: 0, shown: 0, total: known, count: width });
        while (cursor.offset < credits.length) {
            Packed memory credit = _read(credits, cursor.offset);
            uint256 index = credit.isNew ? cursor.count : cursor.next + credit.gap;
            if (credit.size == 0 || (!credit.isNew && index >= width)) return (indexes, nodes, 0);
            cursor.offset += credit.size;
            cursor.next = index + 1;
            if (credit.isNew) {
                ++cursor.count;
                indexes[cursor.total] = index;
                nodes[cursor.total++] = MerkleSum.leaf(credit.account, credit.amount);
                continue;
            }
            while (cursor.shown < known && indexes[cursor.shown] < index) ++cursor.shown;
            if (cursor.shown == known || indexes[cursor.shown] != index) revert LedgerSegmentInvalid();
            (, nodes[cursor.shown]) = _nodeAt(lines, cursor.shown, credit.amount);
            // no later proof could show such a line
            if (nodes[cursor.shown].sum > type(uint96).max) return (indexes, nodes, 0);
        }
        count = cursor.count;
        uint256 total = cursor.total;
        assembly ("memory-safe") {
            mstore(indexes, total)
            mstore(nodes, total)
        }
    }

    /// @dev Reads a packed credit.
    function _read(bytes calldata credits, uint256 offset) private pure returns (Packed memory credit) {
        credit.gap = uint8(credits[offset]) >> 4;
        credit.isNew = credit.gap == 15;
        uint256 place = offset + 1;
        uint256 amountSize = uint8(credits[offset]) & 15;
        uint256 end = place + (credit.isNew ? 20 : credit.gap == 14 ? 4 : 0) + amountSize;
        if (amountSize == 0 || amountSize > 12 || end > credits.length) return credit;
        if (credit.isNew) credit.account = address(bytes20(credits[place:place + 20]));
        else if (credit.gap == 14) credit.gap = uint32(bytes4(credits[place:place + 4]));
        credit.amount = uint256(bytes32(credits[end - amountSize:end])) >> (256 - 8 * amountSize);
        // nobody's line, or nothing
        if (credit.amount != 0 && (credit.account != address(0) || !credit.isNew)) credit.size = end - offset;
    }

    function _nodeAt(
        bytes calldata lines,
        uint256 position,
        uint256 more
    ) private pure returns (uint256 index, MerkleSum.Node memory node) {
        address account;
        uint256 cumulative;
        (index, account, cumulative) = _lineAt(lines, position);
        node = MerkleSum.leaf(account, cumulative + more);
    }

    function _lineAt(
        bytes calldata lines,
        uint256 position
    ) private pure returns (uint256 index, address account, uint256 cumulative) {
        uint256 offset = position * LINE_BYTES;
        index = uint32(bytes4(lines[offset:offset + 4]));
        account = address(bytes20(lines[offset + 4:offset + 24]));
        cumulative = uint96(bytes12(lines[offset + 24:offset + 36]));
    }
}
