// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IFeePolicy } from "./IFeePolicy.sol";

/// @title IOpenGovernor
/// @notice Decides by gOPEN votes; what passes waits in the timelock, which owns what governance sets. Votes count as they
///         stood when the vote opened, so what is wrapped or borrowed later votes on nothing.
///
///         The quorum is a share of the OPEN that is free and outside the treasury, not of the gOPEN that happens to be
///         wrapped: while little is wrapped, a few hundred tokens must not be able to govern. What vesting vaults hold back
///         follows from time alone; what the treasury holds on L2 is noted with every proposal.
interface IOpenGovernor {
    /// @notice What governance starts with. It changes all of it by vote.
    struct Settings {
        /// Seconds between a proposal and the start of its vote.
        uint48 votingDelaySeconds;
        /// Seconds that a vote lasts.
        uint32 votingPeriodSeconds;
        /// Votes needed to propose, and to keep a proposal standing.
        uint256 proposalThresholdWei;
        /// Share of the supply outside the treasury that must vote (for or abstaining), in hundredths of a per cent.
        uint256 quorumBps;
    }

    error OpenGovernorQuorumOutOfRange(uint256 quorumBps, uint256 least, uint256 most);
    error OpenGovernorProposalOpen(address proposer, uint256 proposalId);

    event QuorumChanged(uint256 quorumBps);
    event TreasuryNoted(address indexed treasury, uint256 heldWei);

    /// @notice Sets the share that a quorum is, for proposals whose vote has not begun. Governance only, within
    ///         {QUORUM_BPS_MIN} and {QUORUM_BPS_MAX}.
    function setQuorumBps(uint256 quorumBps) external;

    /// @notice Notes what the treasury holds on L2 now, native and as gOPEN; every proposal does so too. Anyone may call:
    ///         whoever lends to the treasury to lower the quorum still has to reach the floor.
    function noteTreasury() external;

    /// @notice Wei of OPEN that vesting has set free by a time, without what the treasury was noted to hold.
    function supplyOutsideTreasury(uint256 timepoint) external view returns (uint256);

    /// @notice When the vesting vaults on L1 began, Unix seconds.
    function GENESIS() external view returns (uint256);

    /// @notice Names the treasury.
    function FEE_POLICY() external view returns (IFeePolicy);

    /// @notice Least share that a quorum may be; and of all free OPEN, the treasury's included, the floor under every quorum.
    function QUORUM_BPS_MIN() external view returns (uint256);

    /// @notice Greatest share that a quorum may be: governance must not be able to lock itself out.
    function QUORUM_BPS_MAX() external view returns (uint256);
}
