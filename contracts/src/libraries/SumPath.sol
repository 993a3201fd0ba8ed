// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { MerkleSum } from "./MerkleSum.sol";

/// @title SumPath
/// @notice The way from one leaf of a {MerkleSum} tree to its root, for trees whose width nobody posts: every sibling is
///         there, the empty ones too. Leaves and nodes are hashes of texts of different length, so a path cannot be cut.
library SumPath {
    /// @notice A leaf's place and the nodes beside its way up: `(hash 32 ‖ sum 12)*`, from the bottom.
    struct Path {
        uint256 index;
        bytes siblings;
    }

    /// @notice Where a path leads.
    struct Summit {
        bytes32 root;
        /// Sum of all leaves.
        uint256 total;
        /// Sum of the leaves to the left.
        uint256 before;
        /// Whether nothing stands to the right.
        bool isLast;
    }

    uint256 private constant SIBLING_BYTES = 44;

    error SumPathInvalid();

    /// @notice Climbs from a leaf.
    function climb(Path calldata path, bytes32 hash, uint256 sum) internal pure returns (Summit memory summit) {
        bytes calldata siblings = path.siblings;
        uint256 depth = siblings.length / SIBLING_BYTES;
        if (siblings.length % SIBLING_BYTES != 0 || depth > 64 || path.index >> depth != 0 || sum >> 96 != 0) {
            revert SumPathInvalid();
        }
        summit = Summit({ root: hash, total: sum, before: 0, isLast: true });
        for (uint256 level; level < depth; ++level) {
            uint256 offset = level * SIBLING_BYTES;
            bytes32 sibling = bytes32(siblings[offset:offset + 32]);
            uint256 siblingSum = uint96(bytes12(siblings[offset + 32:offset + SIBLING_BYTES]));
            if (path.index >> level & 1 == 1) {
                summit.root = MerkleSum.join(sibling, siblingSum, summit.root, summit.total);
                summit.before += siblingSum;
            } else {
                summit.root = MerkleSum.join(summit.root, summit.total, sibling, siblingSum);
                if (sibling != 0) summit.isLast = false;
            }
            summit.total += siblingSum;
        }
    }
}
