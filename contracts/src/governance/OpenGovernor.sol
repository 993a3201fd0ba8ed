// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Governor } from "@openzeppelin/contracts/governance/Governor.sol";
import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { GovernorCountingSimple } from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import { GovernorSettings } from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import { GovernorTimelockControl } from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import { GovernorVotes } from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import { IVotes } from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title OpenGovernor
/// @notice Decides by gOPEN votes; what passes waits in the timelock, which owns what governance sets.
///
///         The quorum is an amount of votes, not a share of the gOPEN that happens to be wrapped: while little is wrapped,
///         a few hundred tokens must not be able to govern. Only a passed proposal changes it, and proposals already under
///         way keep the quorum they started with.
contract OpenGovernor is Governor, GovernorSettings, GovernorCountingSimple, GovernorVotes, GovernorTimelockControl {
    using Checkpoints for Checkpoints.Trace208;

    error OpenGovernorZeroQuorum();

    event QuorumChanged(uint256 quorumWei);

    Checkpoints.Trace208 private _quorumHistory;

    /// @param initialVotingDelay Seconds between a proposal and the start of its vote.
    /// @param initialVotingPeriod Seconds that a vote lasts.
    /// @param initialProposalThresholdWei Votes needed to propose.
    /// @param initialQuorumWei Votes (for and abstaining) needed for a proposal to pass.
    constructor(
        IVotes token,
        TimelockController timelock,
        uint48 initialVotingDelay,
        uint32 initialVotingPeriod,
        uint256 initialProposalThresholdWei,
        uint256 initialQuorumWei
    )
        Governor("OpenGovernor")
        GovernorSettings(initialVotingDelay, initialVotingPeriod, initialProposalThresholdWei)
        GovernorVotes(token)
        GovernorTimelockControl(timelock)
    {
        _setQuorum(initialQuorumWei);
    }

    /// @notice Sets the quorum of proposals made from now on. Governance only.
    function setQuorum(uint256 quorumWei) external onlyGovernance {
        _setQuorum(quorumWei);
    }

    /// @notice Quorum in force at a time, in wei of gOPEN.
    function quorum(uint256 timepoint) public view override returns (uint256) {
        return _quorumHistory.upperLookupRecent(SafeCast.toUint48(timepoint));
    }

    /// @inheritdoc Governor
    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    /// @inheritdoc Governor
    function state(uint256 proposalId) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(proposalId);
    }

    /// @inheritdoc Governor
    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    function _setQuorum(uint256 quorumWei) private {
        if (quorumWei == 0) revert OpenGovernorZeroQuorum();
        _quorumHistory.push(clock(), SafeCast.toUint208(quorumWei));
        emit QuorumChanged(quorumWei);
    }

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
