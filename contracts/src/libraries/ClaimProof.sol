// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISettlement } from "../interfaces/ISettlement.sol";
import { MerkleSum } from "./MerkleSum.sol";

/// @title ClaimProof
/// @notice Reads packed claims, `(index 4 ‖ account 20 ‖ cumulative 12)*`, and holds them against a ledger's root.
library ClaimProof {
    uint256 private constant CLAIM_BYTES = 36;

    /// @notice Checks the claims against the ledger's root.
    function prove(
        ISettlement.Ledger calldata posted,
        bytes calldata claims,
        bytes calldata siblings
    ) internal pure returns (address[] memory accounts, uint256[] memory cumulatives) {
        if (claims.length == 0 || claims.length % CLAIM_BYTES != 0) {
            revert ISettlement.SettlementInvalidClaims();
        }
        uint256 count = claims.length / CLAIM_BYTES;
        uint256[] memory indexes = new uint256[](count);
        MerkleSum.Node[] memory nodes = new MerkleSum.Node[](count);
        accounts = new address[](count);
        cumulatives = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            (indexes[i], accounts[i], cumulatives[i]) = _claimAt(claims, i * CLAIM_BYTES);
            if (indexes[i] >= posted.accountCount || (i != 0 && indexes[i] <= indexes[i - 1])) {
                revert ISettlement.SettlementInvalidClaims();
            }
            nodes[i] = MerkleSum.leaf(accounts[i], cumulatives[i]);
        }
        MerkleSum.Node memory root = MerkleSum.rootOf(indexes, nodes, posted.accountCount, siblings);
        if (root.hash != posted.root || root.sum != posted.sum) revert ISettlement.SettlementInvalidProof();
    }

    /// @notice Adds or takes away what another ledger grants to the claimed accounts; those without a line there have none.
    function shift(
        uint256[] memory cumulatives,
        ISettlement.Ledger calldata other,
        bytes calldata claims,
        bytes calldata otherClaims,
        bytes calldata siblings,
        bool isAdded
    ) internal pure {
        uint256 count;
        while (count < cumulatives.length) {
            (uint256 index, address account,) = _claimAt(claims, count * CLAIM_BYTES);
            if (index >= other.accountCount) break;
            if (otherClaims.length < (count + 1) * CLAIM_BYTES) revert ISettlement.SettlementInvalidClaims();
            (uint256 otherIndex, address otherAccount,) = _claimAt(otherClaims, count * CLAIM_BYTES);
            if (otherIndex != index || otherAccount != account) revert ISettlement.SettlementInvalidClaims();
            ++count;
        }
        if (otherClaims.length != count * CLAIM_BYTES) revert ISettlement.SettlementInvalidClaims();
        if (count == 0) return;
        (, uint256[] memory others) = prove(other, otherClaims, siblings);
        for (uint256 i; i < count; ++i) {
            cumulatives[i] = isAdded ? cumulatives[i] + others[i] : cumulatives[i] - others[i];
        }
    }

    function _claimAt(
        bytes calldata claims,
        uint256 offset
    ) private pure returns (uint256 index, address account, uint256 cumulative) {
        assembly ("memory-safe") {
            let place := add(claims.offset, offset)
            let word := calldataload(place)
            index := shr(224, word)
            account := shr(96, shl(32, word))
            cumulative := shr(160, calldataload(add(place, 24)))
        }
    }
}
