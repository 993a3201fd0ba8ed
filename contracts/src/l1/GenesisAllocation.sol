// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import { IGenesisAllocation } from "../interfaces/IGenesisAllocation.sol";
import { Allocation } from "../libraries/Allocation.sol";
import { Open } from "./Open.sol";
import { VestingVault } from "./VestingVault.sol";

/// @title GenesisAllocation
/// @notice See {IGenesisAllocation}. Everything happens in the constructor; afterwards this contract only remembers.
///
///         Invariant: it never holds OPEN once deployed.
contract GenesisAllocation is IGenesisAllocation {
    using SafeERC20 for Open;

    uint256 public constant COMMUNITY = Allocation.COMMUNITY;
    uint256 public constant ECOSYSTEM = Allocation.ECOSYSTEM;
    uint256 public constant INVESTORS = Allocation.INVESTORS;
    uint256 public constant TEAM = Allocation.TEAM;
    uint256 public constant LIQUIDITY = Allocation.LIQUIDITY;
    /// @notice 21.55 % of the supply.
    uint256 public constant FLOAT = Allocation.FLOAT;
    uint256 public constant COMMUNITY_AT_GENESIS = Allocation.COMMUNITY_AT_GENESIS;

    Open public immutable OPEN;
    VestingVault public immutable COMMUNITY_VAULT;
    VestingVault public immutable ECOSYSTEM_VAULT;
    VestingVault public immutable INVESTORS_VAULT;
    VestingVault public immutable TEAM_VAULT;

    /// @param genesisTimestamp Start of every schedule.
    constructor(Beneficiaries memory to, uint64 genesisTimestamp) {
        if (to.community == address(0) || to.liquidity == address(0)) revert GenesisAllocationZeroAddress();
        OPEN = new Open(address(this));

        uint64 communitySeconds = uint64(Allocation.COMMUNITY_MONTHS * Allocation.MONTH_SECONDS);
        uint64 cliffSeconds = uint64(Allocation.INSIDERS_CLIFF_MONTHS * Allocation.MONTH_SECONDS);
        uint64 insidersSeconds = uint64(Allocation.INSIDERS_MONTHS * Allocation.MONTH_SECONDS);
        COMMUNITY_VAULT = new VestingVault(to.community, genesisTimestamp, 0, communitySeconds);
        ECOSYSTEM_VAULT = new VestingVault(to.ecosystem, genesisTimestamp, 0, communitySeconds);
        INVESTORS_VAULT = new VestingVault(to.investors, genesisTimestamp, cliffSeconds, insidersSeconds);
        TEAM_VAULT = new VestingVault(to.team, genesisTimestamp, cliffSeconds, insidersSeconds);

        _fund(COMMUNITY_VAULT, to.community, COMMUNITY - COMMUNITY_AT_GENESIS);
        _fund(ECOSYSTEM_VAULT, to.ecosystem, ECOSYSTEM);
        _fund(INVESTORS_VAULT, to.investors, INVESTORS);
        _fund(TEAM_VAULT, to.team, TEAM);
        _release(to.community, COMMUNITY_AT_GENESIS);
        _release(to.liquidity, LIQUIDITY);
        uint256 unspent = OPEN.balanceOf(address(this));
        if (unspent != 0) revert GenesisAllocationUnspent(unspent);
    }

    function _fund(VestingVault vault, address beneficiary, uint256 amount) private {
        emit VaultFunded(address(vault), beneficiary, amount);
        OPEN.safeTransfer(address(vault), amount);
    }

    function _release(address beneficiary, uint256 amount) private {
        emit ReleasedAtGenesis(beneficiary, amount);
        OPEN.safeTransfer(beneficiary, amount);
    }
}
