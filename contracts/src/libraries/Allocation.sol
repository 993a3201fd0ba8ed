// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Allocation
/// @notice Who OPEN was divided among at genesis, and how much of it the vesting vaults have set free by a time. One table
///         for both chains: {GenesisAllocation} hands the supply out by it on L1, {OpenGovernor} reckons its quorum with it
///         on L2, where the vaults cannot be asked.
library Allocation {
    uint256 internal constant MONTH_SECONDS = 2_629_800;
    uint256 internal constant COMMUNITY_MONTHS = 48;
    uint256 internal constant INSIDERS_CLIFF_MONTHS = 12;
    uint256 internal constant INSIDERS_MONTHS = 36;

    uint256 internal constant COMMUNITY = 517_100_000 ether;
    uint256 internal constant ECOSYSTEM = 100_000_000 ether;
    uint256 internal constant INVESTORS = 182_900_000 ether;
    uint256 internal constant TEAM = 150_000_000 ether;
    uint256 internal constant LIQUIDITY = 50_000_000 ether;
    /// @dev 21.55 % of the supply.
    uint256 internal constant FLOAT = 215_500_000 ether;
    uint256 internal constant COMMUNITY_AT_GENESIS = FLOAT - LIQUIDITY;

    /// @notice Wei of OPEN that no vault holds back at a time, whether or not it was fetched. Before genesis: the float.
    function freeAt(uint256 genesis, uint256 timestamp) internal pure returns (uint256) {
        uint256 elapsed = timestamp > genesis ? timestamp - genesis : 0;
        uint256 cliff = INSIDERS_CLIFF_MONTHS * MONTH_SECONDS;
        uint256 sinceCliff = elapsed > cliff ? elapsed - cliff : 0;
        uint256 months = COMMUNITY_MONTHS * MONTH_SECONDS;
        uint256 insiders = INSIDERS_MONTHS * MONTH_SECONDS;
        return FLOAT + _vested(COMMUNITY - COMMUNITY_AT_GENESIS, elapsed, months) + _vested(ECOSYSTEM, elapsed, months)
            + _vested(INVESTORS, sinceCliff, insiders) + _vested(TEAM, sinceCliff, insiders);
    }

    function _vested(uint256 amount, uint256 elapsed, uint256 duration) private pure returns (uint256) {
        return elapsed >= duration ? amount : amount * elapsed / duration;
    }
}
