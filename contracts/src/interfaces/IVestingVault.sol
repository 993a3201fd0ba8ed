// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IVestingVault
/// @notice Holds one allocation and lets it go evenly over time, to its owner, after an optional cliff in which nothing
///         vests. With a cliff of 12 months and a duration of 36, the first wei comes after month 12 and the last with
///         month 48.
interface IVestingVault {
    /// @notice End of the cliff: the first second at which something may have vested.
    function cliff() external view returns (uint256);

    /// @notice Start of the allocation, where the cliff begins.
    function genesis() external view returns (uint256);
}
