// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { ISettlement } from "../interfaces/ISettlement.sol";

/// @title Coverage
/// @notice The part of {ISettlement} that says who settles, and how much in a challenge window: what the operator's bond before
///         the court covers. Owned by the timelock, which names the operator.
///
///         Storage: operator and covered wei in one word; exposed wei and since when in most of another.
abstract contract Coverage is ISettlement, Ownable {
    /// @inheritdoc ISettlement
    uint64 public immutable CHALLENGE_SECONDS;
    /// @inheritdoc ISettlement
    address public immutable COURT;

    address private _operator;
    uint96 private _coveredWei;
    uint96 private _exposedWei;
    uint64 private _exposedSince;

    constructor(address owner, address initialOperator, uint64 challengeSeconds, address court) Ownable(owner) {
        CHALLENGE_SECONDS = challengeSeconds;
        COURT = court;
        _setOperator(initialOperator);
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
        _coveredWei = coveredWei;
        emit CoverageChanged(coveredWei);
    }

    /// @inheritdoc ISettlement
    function setOperator(address newOperator) external onlyOwner {
        _setOperator(newOperator);
    }

    /// @inheritdoc ISettlement
    function operator() external view returns (address) {
        return _operator;
    }

    /// @inheritdoc ISettlement
    function coverage() external view returns (uint256 coveredWei, uint256 exposedWei, uint64 since) {
        return (_coveredWei, _exposedWei, _exposedSince);
    }

    /// @dev What passes in a challenge window is bounded by the operator's bond, so that whoever was charged wrongly is repaid.
    function _expose(uint256 feesWei) internal {
        uint256 exposedWei = feesWei;
        if (block.timestamp < _exposedSince + CHALLENGE_SECONDS) exposedWei += _exposedWei;
        else _exposedSince = uint64(block.timestamp);
        if (exposedWei > _coveredWei) revert SettlementNotCovered(exposedWei, _coveredWei);
        _exposedWei = uint96(exposedWei);
    }

    function _isOperator(address account) internal view returns (bool) {
        return account == _operator;
    }

    function _setOperator(address newOperator) private {
        if (newOperator == address(0)) revert SettlementZeroAddress();
        _operator = newOperator;
        // until the court says what the new operator's bond covers
        _coveredWei = 0;
        emit OperatorChanged(newOperator);
    }
}
