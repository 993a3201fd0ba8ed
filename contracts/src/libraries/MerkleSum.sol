// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title MerkleSum
/// @notice Proofs in a Merkle tree whose root carries the sum of its leaves, so that a ledger cannot promise more than it
///         says in total.
///
///         Leaf `i` is account `i` of the ledger, hashed `keccak256(keccak256(account ‖ amount))` with 20 and 32 bytes.
///         A node is `keccak256(leftHash ‖ leftSum ‖ rightHash ‖ rightSum)`. A level with an odd number of nodes gets an
///         empty one (zero hash, zero sum); the index of the leaf gives the side offset each step.
library MerkleSum {
    struct Node {
        bytes32 hash;
        uint256 sum;
    }

    error MerkleSumInvalidProof();

    /// @dev Bytes of a sibling in a proof: hash, then a sum of 96 bits.
    uint256 private constant SIBLING_BYTES = 44;

    function leaf(address account, uint256 amount) internal pure returns (Node memory) {
        return Node(leafHash(account, amount), amount);
    }

    function leafHash(address account, uint256 amount) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore(0x00, shl(96, account))
            mstore(0x14, amount)
            mstore(0x00, keccak256(0x00, 0x34))
            hash := keccak256(0x00, 0x20)
        }
    }

    /// @notice Computes the root that some leaves and the nodes beside them lead to, in a tree of `width` leaves.
    /// @param indexes Ascending, each once, below `width`. Overwritten, like `nodes`.
    /// @param siblings `(hash 32 ‖ sum 12)*`: nodes that the leaves do not make themselves, level by level from the bottom,
    ///        left to right, without the empty ones beyond the end.
    /// @dev Sums of 96 bits, fewer than 2^64 of them, cannot overflow.
    function rootOf(
        uint256[] memory indexes,
        Node[] memory nodes,
        uint256 width,
        bytes calldata siblings
    ) internal pure returns (Node memory) {
        uint256 count = indexes.length;
        uint256 offset;
        if (count == 0) revert MerkleSumInvalidProof();
        unchecked {
            for (; width > 1; width = (width + 1) >> 1) {
                uint256 parents;
                for (uint256 i; i < count; ++i) {
                    uint256 index = indexes[i];
                    Node memory node = nodes[i];
                    if (index & 1 == 1) {
                        _joinLeft(node, siblings, offset);
                        offset += SIBLING_BYTES;
                    } else if (index + 1 == width) {
                        _joinRight(node, 0, 0);
                    } else if (i + 1 < count && indexes[i + 1] == index + 1) {
                        Node memory right = nodes[++i];
                        _joinRight(node, right.hash, right.sum);
                    } else {
                        (bytes32 hash, uint256 sum) = _sibling(siblings, offset);
                        _joinRight(node, hash, sum);
                        offset += SIBLING_BYTES;
                    }
                    indexes[parents] = index >> 1;
                    nodes[parents++] = node;
                }
                count = parents;
            }
        }
        if (count != 1 || indexes[0] != 0 || offset != siblings.length) revert MerkleSumInvalidProof();
        return nodes[0];
    }

    function _sibling(bytes calldata siblings, uint256 offset) private pure returns (bytes32 hash, uint256 sum) {
        if (offset + SIBLING_BYTES > siblings.length) revert MerkleSumInvalidProof();
        assembly ("memory-safe") {
            hash := calldataload(add(siblings.offset, offset))
            sum := shr(160, calldataload(add(siblings.offset, add(offset, 32))))
        }
    }

    function _joinLeft(Node memory node, bytes calldata siblings, uint256 offset) private pure {
        (bytes32 hash, uint256 sum) = _sibling(siblings, offset);
        node.hash = join(hash, sum, node.hash, node.sum);
        unchecked {
            node.sum += sum;
        }
    }

    function _joinRight(Node memory node, bytes32 hash, uint256 sum) private pure {
        node.hash = join(node.hash, node.sum, hash, sum);
        unchecked {
            node.sum += sum;
        }
    }

    /// @notice Hash of the node over two others.
    function join(bytes32 left, uint256 leftSum, bytes32 right, uint256 rightSum) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, left)
            mstore(add(free, 0x20), leftSum)
            mstore(add(free, 0x40), right)
            mstore(add(free, 0x60), rightSum)
            hash := keccak256(free, 0x80)
        }
    }
}
