// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { VestingWallet } from "@openzeppelin/contracts/finance/VestingWallet.sol";

import { IVestingVault } from "../interfaces/IVestingVault.sol";

/// @title VestingVault
/// @notice See {IVestingVault}. OpenZeppelin's `VestingWallet` that starts where the cliff ends, so that the vesting is
///         linear from zero after it.
///
///         Invariant: what was released never exceeds what the schedule allows; no account can stop or hasten it.
contract VestingVault is IVestingVault, VestingWallet {
    uint64 private immutable _GENESIS;

    /// @param beneficiary First owner; ownership of what has not vested yet can be handed on.
    /// @param genesisTimestamp Start of the cliff.
    /// @param cliffSeconds Time in which nothing vests; 0 for none.
    /// @param durationSeconds Time after the cliff over which everything vests.
    constructor(
        address beneficiary,
        uint64 genesisTimestamp,
        uint64 cliffSeconds,
        uint64 durationSeconds
    ) VestingWallet(beneficiary, genesisTimestamp + cliffSeconds, durationSeconds) {
        _GENESIS = genesisTimestamp;
    }

    /// @inheritdoc IVestingVault
    function cliff() external view returns (uint256) {
        return start();
    }

    /// @inheritdoc IVestingVault
    function genesis() external view returns (uint256) {
        return _GENESIS;
    }
}
