// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Hashes } from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title RecordTree
/// @notice The Merkle tree over records as `@openledger/primitives` builds it: leaves are hashed twice, pairs are hashed
///         sorted, an odd node moves up unchanged, and no leaves at all give zero.
library RecordTree {
    /// @notice Gives the root over those records that a bit map names, 256 to a word, lowest bit first.
    /// @param recordIds keccak256 of each record's text, of all of them in order.
    /// @return root Over the named ones, in their order.
    /// @return count How many these are.
    function rootOf(
        bytes32[] calldata recordIds,
        uint256[] memory named
    ) internal pure returns (bytes32 root, uint32 count) {
        bytes32[] memory nodes = new bytes32[](recordIds.length);
        for (uint256 i; i < recordIds.length; ++i) {
            if (named[i >> 8] >> (i & 255) & 1 == 1) nodes[count++] = keccak256(abi.encode(recordIds[i]));
        }
        if (count == 0) return (0, 0);
        for (uint256 width = count; width > 1; width = (width + 1) / 2) {
            for (uint256 i; i < width; i += 2) {
                nodes[i / 2] = i + 1 < width ? Hashes.commutativeKeccak256(nodes[i], nodes[i + 1]) : nodes[i];
            }
        }
        root = nodes[0];
    }
}
