// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { ISettlement } from "../interfaces/ISettlement.sol";

/// @title Coverage
/// @notice The part of {ISettlement} that says who settles, how much in a challenge window, and how long windows are: what the
///         operator's bond before the court covers. Owned by the timelock, which names the operator and sets the windows.
///
///         Storage: operator, covered amount and challenge window in one word; all that a batch moves on, {Head}, in another;
///         withdrawal delay and the challenge window before the last vote in a third.
abstract contract Coverage is ISettlement, Ownable {
    /// @dev Where settlement stands, in one word, because every batch reads and writes it.
    struct Head {
        uint48 lastSequence;
        uint32 lastTimestamp;
        uint32 batchCount;
        uint32 ledgerBatch;
        uint32 accountCount;
        uint32 exposedSince;
        /// Fees since then in {EXPOSED_UNIT}, each batch's rounded up.
        uint48 exposed;
    }

    /// @dev A millionth of an OPEN.
    uint256 private constant EXPOSED_UNIT = 1e12;
    /// @dev A thousandth of an OPEN.
    uint256 private constant COVERED_UNIT = 1e15;
    /// @dev So that what is exposed fits its 48 bits: 281 million OPEN.
    uint256 private constant COVERED_MAX = type(uint48).max / (COVERED_UNIT / EXPOSED_UNIT);

    /// @dev No vote makes a challenge window longer, or a withdrawal wait longer.
    uint64 private constant WINDOW_SECONDS_MAX = 30 days;
    /// @dev No vote makes the challenge window shorter: half of what it was in the beginning.
    uint64 private immutable CHALLENGE_SECONDS_MIN;
    /// @dev No vote makes the withdrawal delay shorter: half of what it was in the beginning.
    uint64 private immutable WITHDRAWAL_DELAY_SECONDS_MIN;
    /// @inheritdoc ISettlement
    address public immutable COURT;

    address private _operator;
    uint40 private _covered;
    uint24 private _challengeSeconds;
    uint32 private _windowChangedAt;
    Head internal _head;
    uint32 private _withdrawalDelaySeconds;
    uint24 private _formerSeconds;

    constructor(
        address owner,
        address initialOperator,
        uint64 initialWithdrawalDelaySeconds,
        uint64 initialChallengeSeconds,
        address court
    ) Ownable(owner) {
        CHALLENGE_SECONDS_MIN = initialChallengeSeconds / 2;
        WITHDRAWAL_DELAY_SECONDS_MIN = initialWithdrawalDelaySeconds / 2;
        COURT = court;
        _setOperator(initialOperator);
        _setWindows(initialChallengeSeconds, initialWithdrawalDelaySeconds);
    }

    modifier onlyCourt() {
        if (msg.sender != COURT) revert SettlementNotCourt(msg.sender);
        _;
    }

    modifier onlyOperator() {
        if (!_isOperator(msg.sender)) revert SettlementNotOperator(msg.sender);
        _;
    }

    /// @inheritdoc ISettlement
    function setCoverage(uint96 coveredWei) external onlyCourt {
        uint256 covered = coveredWei / COVERED_UNIT;
        _covered = uint40(covered < COVERED_MAX ? covered : COVERED_MAX);
        emit CoverageChanged(coveredWei);
    }

    /// @inheritdoc ISettlement
    function setOperator(address newOperator) external onlyOwner {
        _setOperator(newOperator);
    }

    /// @inheritdoc ISettlement
    function setWindows(uint64 newChallengeSeconds, uint64 newWithdrawalDelaySeconds) external onlyOwner {
        uint24 before = _challengeSeconds;
        if (newChallengeSeconds != before) {
            // one former window is remembered: nothing may be open in it any more, nor be opened again by the next one
            uint256 from = uint256(_windowChangedAt) + (before > _formerSeconds ? before : _formerSeconds);
            if (block.timestamp <= from) revert SettlementWindowOpen(from);
            _formerSeconds = before;
            _windowChangedAt = uint32(block.timestamp);
            // what was settled in longer windows is open still: until it is final, new fees count beside it
            if (newChallengeSeconds < before) {
                _head.exposedSince = uint32(block.timestamp + before - newChallengeSeconds);
            }
        }
        _setWindows(newChallengeSeconds, newWithdrawalDelaySeconds);
    }

    /// @inheritdoc ISettlement
    function operator() external view returns (address) {
        return _operator;
    }

    /// @inheritdoc ISettlement
    function coverage() external view returns (uint256 coveredWei, uint256 exposedWei, uint64 since) {
        return (_covered * COVERED_UNIT, _head.exposed * EXPOSED_UNIT, _head.exposedSince);
    }

    /// @inheritdoc ISettlement
    function windows() external view returns (uint64, uint64, uint64, uint64) {
        return (_challengeSeconds, _withdrawalDelaySeconds, _formerSeconds, _windowChangedAt);
    }

    /// @inheritdoc ISettlement
    function finalAt(uint256 settledAt) external view returns (uint256) {
        return _finalAt(settledAt);
    }

    /// @inheritdoc ISettlement
    function openSeconds() external view returns (uint64) {
        uint24 former = _formerSeconds;
        bool isOpen = former > _challengeSeconds && block.timestamp <= uint256(_windowChangedAt) + former;
        return isOpen ? former : _challengeSeconds;
    }

    /// @dev What passes in a challenge window is bounded by the operator's bond, so that whoever was charged wrongly is repaid.
    function _expose(Head memory head_, uint256 feesWei) internal view {
        uint256 exposed = (feesWei + EXPOSED_UNIT - 1) / EXPOSED_UNIT;
        if (block.timestamp < uint256(head_.exposedSince) + _challengeSeconds) exposed += head_.exposed;
        else head_.exposedSince = uint32(block.timestamp);
        uint256 coveredWei = _covered * COVERED_UNIT;
        if (exposed * EXPOSED_UNIT > coveredWei) revert SettlementNotCovered(exposed * EXPOSED_UNIT, coveredWei);
        head_.exposed = uint48(exposed);
    }

    /// @dev The whole word at once, as {Head} lies in it: Solidity would write it field by field.
    function _setHead(Head memory head_) internal {
        uint256 word = uint256(head_.exposed) << 208 | uint256(head_.exposedSince) << 176 | uint256(head_.accountCount)
            << 144 | uint256(head_.ledgerBatch) << 112 | uint256(head_.batchCount) << 80 | uint256(head_.lastTimestamp)
            << 48 | head_.lastSequence;
        assembly ("memory-safe") {
            sstore(_head.slot, word)
        }
    }

    /// @dev A batch keeps the window in which it was settled, whatever is voted later.
    function _finalAt(uint256 settledAt) internal view returns (uint256) {
        return settledAt + (settledAt > _windowChangedAt ? _challengeSeconds : _formerSeconds);
    }

    function _withdrawalDelay() internal view virtual returns (uint64) {
        return _withdrawalDelaySeconds;
    }

    function _setWindows(uint64 newChallengeSeconds, uint64 newWithdrawalDelaySeconds) private {
        if (
            newChallengeSeconds < CHALLENGE_SECONDS_MIN || newChallengeSeconds > WINDOW_SECONDS_MAX
                || newWithdrawalDelaySeconds < WITHDRAWAL_DELAY_SECONDS_MIN
                || newWithdrawalDelaySeconds > WINDOW_SECONDS_MAX
        ) revert SettlementWindowOutOfRange(newChallengeSeconds, newWithdrawalDelaySeconds);
        _challengeSeconds = uint24(newChallengeSeconds);
        _withdrawalDelaySeconds = uint32(newWithdrawalDelaySeconds);
        emit WindowsChanged(newChallengeSeconds, newWithdrawalDelaySeconds);
    }

    function _isOperator(address account) internal view returns (bool) {
        return account == _operator;
    }

    function _setOperator(address newOperator) private {
        if (newOperator == address(0)) revert SettlementZeroAddress();
        _operator = newOperator;
        // until the court says what the new operator's bond covers
        _covered = 0;
        emit OperatorChanged(newOperator);
    }
}
