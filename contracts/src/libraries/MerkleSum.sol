// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title MerkleSum
/// @notice Proofs in a Merkle tree whose root carries the sum of its leaves, so that a ledger cannot promise more than it
///         says in total.
///
///         Leaf `i` is account `i` of the ledger, hashed `keccak256(keccak256(account ‖ amount))` with 20 and 32 bytes.
///         A node is `keccak256(leftHash ‖ leftSum ‖ rightHash ‖ rightSum)`. The tree is padded with empty leaves (zero
///         hash, zero sum) to a power of two; the index of the leaf gives the side at each step.
library MerkleSum {
    struct Node {
        bytes32 hash;
        uint256 sum;
    }

    function leaf(address account, uint256 amount) internal pure returns (Node memory) {
        return Node(keccak256(bytes.concat(keccak256(abi.encodePacked(account, amount)))), amount);
    }

    /// @notice Says whether `siblings` (bottom up) lead from the leaf at `index` to the root, sums included.
    /// @dev Sums are added with overflow checks: a proof whose sums wrap around reverts.
    function verify(
        bytes32 rootHash,
        uint256 rootSum,
        Node memory node,
        uint256 index,
        Node[] calldata siblings
    ) internal pure returns (bool) {
        for (uint256 i; i < siblings.length; ++i) {
            Node calldata sibling = siblings[i];
            node.hash = index & 1 == 0
                ? keccak256(abi.encode(node.hash, node.sum, sibling.hash, sibling.sum))
                : keccak256(abi.encode(sibling.hash, sibling.sum, node.hash, node.sum));
            node.sum += sibling.sum;
            index >>= 1;
        }
        return index == 0 && node.sum == rootSum && node.hash == rootHash;
    }
}
