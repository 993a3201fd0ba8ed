// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { MerkleSum } from "./MerkleSum.sol";

/// @title LedgerSegment
/// @notice Recomputes a ledger's root over one segment of packed credits, from the lines that it changes and the nodes beside
///         them.
///
///         The same siblings serve before and after: with the last line among those shown, every node that has none of them
///         below it holds the same lines before and after, or none.
library LedgerSegment {
    uint256 private constant LINE_BYTES = 36;

    /// @dev Where the reading stands: in the credits, at which line next, at which of those shown, how many there are in all,
    ///      and how many the ledger has.
    struct Cursor {
        uint256 offset;
        uint256 next;
        uint256 shown;
        uint256 total;
        uint256 count;
    }

    error LedgerSegmentInvalid();

    /// @notice Computes the root after the credits; reverts unless the lines lead to `rootBefore`.
    /// @param width Lines before. Held by the last line being shown: a smaller one leaves the lines behind it out of the
    ///        root, a larger one has none to show.
    /// @param lines `(index 4 ‖ account 20 ‖ cumulative 12)*` before, ascending: all that are credited, and the last.
    function rootAfter(
        bytes32 rootBefore,
        uint256 width,
        bytes calldata credits,
        bytes calldata lines,
        bytes calldata siblings
    ) internal pure returns (bytes32) {
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
        uint256 count;
        (indexes, nodes, count) = _credited(width, known, credits, lines);
        return MerkleSum.rootOf(indexes, nodes, count, siblings).hash;
    }

    /// @dev The lines after the credits: those shown, changed where they are credited, and the new ones.
    function _credited(
        uint256 width,
        uint256 known,
        bytes calldata credits,
        bytes calldata lines
    ) private pure returns (uint256[] memory indexes, MerkleSum.Node[] memory nodes, uint256 count) {
        // a new line takes 22 bytes of credits at least
        indexes = new uint256[](known + credits.length / 22);
        nodes = new MerkleSum.Node[](indexes.length);
        for (uint256 i; i < known; ++i) {
            (indexes[i], nodes[i]) = _nodeAt(lines, i, 0);
        }
        Cursor memory cursor = Cursor({ offset: 0, next: 0, shown: 0, total: known, count: width });
        while (cursor.offset < credits.length) {
            (bool isNew, uint256 gap, address account, uint256 amount) = _read(credits, cursor);
            if (isNew) {
                indexes[cursor.total] = cursor.count++;
                nodes[cursor.total++] = MerkleSum.leaf(account, amount);
                cursor.next = cursor.count;
                continue;
            }
            uint256 index = cursor.next + gap;
            while (cursor.shown < known && indexes[cursor.shown] < index) ++cursor.shown;
            if (cursor.shown == known || indexes[cursor.shown] != index) revert LedgerSegmentInvalid();
            (, nodes[cursor.shown]) = _nodeAt(lines, cursor.shown, amount);
            cursor.next = index + 1;
        }
        count = cursor.count;
        uint256 total = cursor.total;
        assembly ("memory-safe") {
            mstore(indexes, total)
            mstore(nodes, total)
        }
    }

    /// @dev Reads a packed credit as {Credits} describes it, and moves behind it.
    function _read(
        bytes calldata credits,
        Cursor memory cursor
    ) private pure returns (bool isNew, uint256 gap, address account, uint256 amount) {
        uint256 offset = cursor.offset;
        gap = uint8(credits[offset]) >> 4;
        uint256 size = uint8(credits[offset]) & 15;
        ++offset;
        isNew = gap == 15;
        if (isNew) {
            account = address(bytes20(credits[offset:offset + 20]));
            offset += 20;
        } else if (gap == 14) {
            gap = uint32(bytes4(credits[offset:offset + 4]));
            offset += 4;
        }
        amount = uint256(bytes32(credits[offset:offset + size])) >> (256 - 8 * size);
        cursor.offset = offset + size;
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
