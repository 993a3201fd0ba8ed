// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { MessageHashUtils } from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title Domain
/// @notice EIP-712 for a contract that has no room for OpenZeppelin's, which besides tells its domain (EIP-5267): name and
///         version are constants of whoever calls, chain and contract those of the call.
library Domain {
    bytes32 private constant TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// @notice The domain's separator.
    function separator(bytes32 nameHash, bytes32 versionHash) internal view returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, nameHash, versionHash, block.chainid, address(this)));
    }

    /// @notice What is signed for a struct.
    function digest(bytes32 nameHash, bytes32 versionHash, bytes32 structHash) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(separator(nameHash, versionHash), structHash);
    }
}
