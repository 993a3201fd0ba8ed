// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Clones } from "@openzeppelin/contracts/proxy/Clones.sol";

import { IAgentWalletFactory } from "../interfaces/IAgentWalletFactory.sol";
import { IWOPEN } from "../interfaces/IWOPEN.sol";
import { AgentWallet } from "./AgentWallet.sol";

/// @title AgentWalletFactory
/// @notice See {IAgentWalletFactory}.
///
///         Invariant: only the owner that an address was computed for ever becomes its first owner.
contract AgentWalletFactory is IAgentWalletFactory {
    /// @inheritdoc IAgentWalletFactory
    address public immutable IMPLEMENTATION;

    constructor(IWOPEN wopen) {
        IMPLEMENTATION = address(new AgentWallet(wopen));
    }

    /// @inheritdoc IAgentWalletFactory
    function createWallet(address owner, bytes32 salt) external returns (address wallet) {
        wallet = walletOf(owner, salt);
        if (wallet.code.length != 0) return wallet;

        emit WalletCreated(wallet, owner, salt);
        Clones.cloneDeterministic(IMPLEMENTATION, _ownedSalt(owner, salt));
        AgentWallet(payable(wallet)).initialize(owner);
    }

    /// @inheritdoc IAgentWalletFactory
    function walletOf(address owner, bytes32 salt) public view returns (address wallet) {
        return Clones.predictDeterministicAddress(IMPLEMENTATION, _ownedSalt(owner, salt));
    }

    function _ownedSalt(address owner, bytes32 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, salt));
    }
}
