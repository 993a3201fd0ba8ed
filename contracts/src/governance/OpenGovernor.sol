// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Governor } from "@openzeppelin/contracts/governance/Governor.sol";
import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";
import { GovernorCountingSimple } from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import { GovernorSettings } from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import { GovernorTimelockControl } from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import { GovernorVotes } from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import { IVotes } from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import { IFeePolicy } from "../interfaces/IFeePolicy.sol";
import { IOpenGovernor } from "../interfaces/IOpenGovernor.sol";
import { Allocation } from "../libraries/Allocation.sol";

/// @title OpenGovernor
/// @notice See {IOpenGovernor}. OpenZeppelin's Governor, with three things of its own: what the quorum is a share of, one
///         open proposal a proposer, and proposals that anyone may end once nobody stands behind them.
///
///         Invariants: the quorum of a proposal never changes once its vote has begun; it is never below one hundredth of
///         the OPEN that is free and outside the treasury, however little of it is wrapped.
contract OpenGovernor is
    IOpenGovernor,
    Governor,
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorTimelockControl
{
    using Checkpoints for Checkpoints.Trace208;

    /// @inheritdoc IOpenGovernor
    uint256 public constant QUORUM_BPS_MIN = 100;
    /// @inheritdoc IOpenGovernor
    uint256 public constant QUORUM_BPS_MAX = 2500;
    uint256 private constant BPS = 10_000;

    /// @inheritdoc IOpenGovernor
    uint256 public immutable GENESIS;
    /// @inheritdoc IOpenGovernor
    IFeePolicy public immutable FEE_POLICY;

    Checkpoints.Trace208 private _quorumBpsHistory;
    Checkpoints.Trace208 private _treasuryHistory;
    mapping(address proposer => uint256) private _newestOf;

    /// @param settings See {Settings}.
    /// @param genesis When the vesting vaults on L1 began.
    /// @param feePolicy Names the treasury; may be deployed later.
    constructor(
        IVotes token,
        TimelockController timelock,
        Settings memory settings,
        uint256 genesis,
        IFeePolicy feePolicy
    )
        Governor("OpenGovernor")
        GovernorSettings(settings.votingDelaySeconds, settings.votingPeriodSeconds, settings.proposalThresholdWei)
        GovernorVotes(token)
        GovernorTimelockControl(timelock)
    {
        GENESIS = genesis;
        FEE_POLICY = feePolicy;
        _setQuorumBps(settings.quorumBps);
    }

    /// @inheritdoc IOpenGovernor
    function setQuorumBps(uint256 quorumBps) external onlyGovernance {
        _setQuorumBps(quorumBps);
    }

    /// @inheritdoc IOpenGovernor
    function noteTreasury() public {
        address treasury = FEE_POLICY.treasury();
        uint256 heldWei = treasury.balance + IERC20(address(token())).balanceOf(treasury);
        _treasuryHistory.push(clock(), SafeCast.toUint208(heldWei));
        emit TreasuryNoted(treasury, heldWei);
    }

    /// @inheritdoc IOpenGovernor
    function supplyOutsideTreasury(uint256 timepoint) public view returns (uint256) {
        uint256 free = Allocation.freeAt(GENESIS, timepoint);
        uint256 held = _treasuryHistory.upperLookupRecent(SafeCast.toUint48(timepoint));
        return held < free ? free - held : 0;
    }

    /// @inheritdoc Governor
    function quorum(uint256 timepoint) public view override returns (uint256) {
        uint256 bps = _quorumBpsHistory.upperLookupRecent(SafeCast.toUint48(timepoint));
        uint256 floor = Allocation.freeAt(GENESIS, timepoint) * QUORUM_BPS_MIN;
        return Math.max(supplyOutsideTreasury(timepoint) * bps, floor) / BPS;
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

    /// @dev One proposal at a time that is not decided yet, so that it takes as many thresholds of votes to flood voters
    ///      as there are proposals.
    function _propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description,
        address proposer
    ) internal override returns (uint256 proposalId) {
        uint256 newest = _newestOf[proposer];
        if (newest != 0 && _isUndecided(newest)) revert OpenGovernorProposalOpen(proposer, newest);
        noteTreasury();
        proposalId = super._propose(targets, values, calldatas, description, proposer);
        _newestOf[proposer] = proposalId;
    }

    /// @dev Besides the proposer before the vote: anyone, once the proposer's votes have fallen below the threshold. Else
    ///      the same votes could be handed on from proposer to proposer.
    function _validateCancel(uint256 proposalId, address caller) internal view override returns (bool) {
        if (super._validateCancel(proposalId, caller)) return true;
        return _isUndecided(proposalId) && getVotes(proposalProposer(proposalId), clock() - 1) < proposalThreshold();
    }

    function _isUndecided(uint256 proposalId) private view returns (bool) {
        ProposalState current = state(proposalId);
        return current == ProposalState.Pending || current == ProposalState.Active;
    }

    function _setQuorumBps(uint256 quorumBps) private {
        if (quorumBps < QUORUM_BPS_MIN || quorumBps > QUORUM_BPS_MAX) {
            revert OpenGovernorQuorumOutOfRange(quorumBps, QUORUM_BPS_MIN, QUORUM_BPS_MAX);
        }
        _quorumBpsHistory.push(clock(), SafeCast.toUint208(quorumBps));
        emit QuorumChanged(quorumBps);
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
