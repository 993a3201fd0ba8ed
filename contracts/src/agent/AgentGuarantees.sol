// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";

import { IAgentGuarantees } from "../interfaces/IAgentGuarantees.sol";
import { IAgentValidation } from "../interfaces/IAgentValidation.sol";
import { ISecurityStake } from "../interfaces/ISecurityStake.sol";

/// @title AgentGuarantees
/// @notice See {IAgentGuarantees}. Entitled from genesis to slash in {ISecurityStake}; it slashes agents only.
///
///         Invariant: until they are over, an agent's open guarantees together are never more than what this contract can slash
///         of its stake, as long as no vote changes cap or unbonding time, or entitles another contract to slash agents.
contract AgentGuarantees is IAgentGuarantees {
    ISecurityStake.Role private constant AGENT = ISecurityStake.Role.Agent;
    uint256 private constant BPS = 10_000;
    uint8 private constant RESPONSE_MAX = 100;

    IAgentValidation public immutable VALIDATION;
    ISecurityStake public immutable SECURITY_STAKE;

    mapping(bytes32 requestHash => Guarantee) private _guarantees;
    mapping(uint256 agentId => uint256) private _openWei;

    constructor(IAgentValidation validation, ISecurityStake securityStake) {
        (VALIDATION, SECURITY_STAKE) = (validation, securityStake);
    }

    /// @inheritdoc IAgentGuarantees
    function give(bytes32 requestHash, address client, uint256 amountWei, uint8 passMark, uint64 until) external {
        if (client == address(0)) revert AgentGuaranteesZeroAddress();
        if (passMark == 0 || passMark > RESPONSE_MAX) revert AgentGuaranteesPassMark(passMark);
        if (_guarantees[requestHash].state != State.None) revert AgentGuaranteesGiven(requestHash);
        if (VALIDATION.isAnswered(requestHash)) revert AgentGuaranteesAnswered(requestHash);
        (, uint256 agentId,,,,) = VALIDATION.getValidationStatus(requestHash);
        _requireSoleStaker(agentId);
        uint256 covered = coverageOf(agentId);
        if (amountWei == 0 || amountWei > covered) revert AgentGuaranteesNotCovered(amountWei, covered);
        uint64 now_ = uint64(block.timestamp);
        uint64 unbonding = SECURITY_STAKE.unbondingSeconds();
        uint64 latest = now_ + unbonding / 2;
        if (until <= now_ || until > latest) revert AgentGuaranteesTime(until, now_ + 1, latest);

        _guarantees[requestHash] = Guarantee(agentId, amountWei, client, until, now_ + unbonding, passMark, State.Open);
        _openWei[agentId] += amountWei;
        emit GuaranteeGiven(requestHash, agentId, client, amountWei, passMark, until);
    }

    /// @inheritdoc IAgentGuarantees
    function forfeit(bytes32 requestHash) external returns (uint256 paidWei) {
        Guarantee storage guarantee = _open(requestHash);
        (bool isInTime, uint8 response) = _answer(requestHash, guarantee.until);
        if (!isInTime || response >= guarantee.passMark) revert AgentGuaranteesNotFailed(requestHash);

        (uint256 agentId, address client) = (guarantee.agentId, guarantee.client);
        _close(guarantee, State.Forfeited);
        paidWei = Math.min(guarantee.amountWei, SECURITY_STAKE.slashableBy(address(this), AGENT, agentId));
        emit GuaranteeForfeited(requestHash, agentId, client, paidWei, response);
        SECURITY_STAKE.slash(AGENT, agentId, paidWei, client, requestHash);
    }

    /// @inheritdoc IAgentGuarantees
    function end(bytes32 requestHash) external {
        Guarantee storage guarantee = _open(requestHash);
        if (msg.sender != guarantee.client && block.timestamp < guarantee.endsAt) {
            (bool isInTime, uint8 response) = _answer(requestHash, guarantee.until);
            if (!isInTime || response < guarantee.passMark) {
                revert AgentGuaranteesNotOver(requestHash, guarantee.endsAt);
            }
        }
        _close(guarantee, State.Ended);
        emit GuaranteeEnded(requestHash, guarantee.agentId);
    }

    /// @inheritdoc IAgentGuarantees
    function guaranteeOf(bytes32 requestHash) external view returns (Guarantee memory) {
        return _guarantees[requestHash];
    }

    /// @inheritdoc IAgentGuarantees
    function openWeiOf(uint256 agentId) external view returns (uint256) {
        return _openWei[agentId];
    }

    /// @inheritdoc IAgentGuarantees
    /// @dev Of what does not leave, because what leaves may be gone before the guarantee is over.
    function coverageOf(uint256 agentId) public view returns (uint256) {
        uint256 staying = SECURITY_STAKE.bondedOf(AGENT, agentId) * SECURITY_STAKE.capOf(address(this)) / BPS;
        uint256 most = Math.min(staying, SECURITY_STAKE.slashableBy(address(this), AGENT, agentId));
        uint256 openWei = _openWei[agentId];
        return most > openWei ? most - openWei : 0;
    }

    function _close(Guarantee storage guarantee, State state) private {
        guarantee.state = state;
        _openWei[guarantee.agentId] -= guarantee.amountWei;
    }

    function _open(bytes32 requestHash) private view returns (Guarantee storage guarantee) {
        guarantee = _guarantees[requestHash];
        if (guarantee.state != State.Open) revert AgentGuaranteesUnknown(requestHash);
    }

    function _answer(bytes32 requestHash, uint64 until) private view returns (bool isInTime, uint8 response) {
        uint256 lastUpdate;
        (,, response,,, lastUpdate) = VALIDATION.getValidationStatus(requestHash);
        isInTime = VALIDATION.isAnswered(requestHash) && lastUpdate <= until;
    }

    /// @dev Shares that are leaving count: they are somebody's who would be slashed too.
    function _requireSoleStaker(uint256 agentId) private view {
        (, uint256 shares) = SECURITY_STAKE.poolOf(AGENT, agentId);
        if (
            !SECURITY_STAKE.mayStake(AGENT, agentId, msg.sender)
                || SECURITY_STAKE.sharesOf(AGENT, agentId, msg.sender) != shares
        ) revert AgentGuaranteesNotSoleStaker(agentId, msg.sender);
    }
}
