// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import { ICourt } from "../interfaces/ICourt.sol";
import { PostedBatch } from "../libraries/PostedBatch.sol";
import { Settlement } from "./Settlement.sol";

/// @title Bonds
/// @notice The money half of {ICourt}: operators' bonds, what convictions cost, refunds, what was won.
///
///         Fees in one challenge window are at most a quarter of the bond, so the fees of any two windows, which are all that
///         can be challenged at one moment, at most half. That half is kept for payers: penalties are taken from the rest.
///
///         Invariant: native OPEN held == bonds + refunds due + stakes of open demands and cases + what was won.
abstract contract Bonds is ICourt, Ownable, ReentrancyGuardTransient {
    using PostedBatch for ICourt.Posted;
    using SafeCast for uint256;

    struct Bond {
        uint96 amount;
        /// Kept for payers while suspended.
        uint96 reserve;
        uint64 suspendedUntil;
        uint96 leaving;
        uint64 readyAt;
        uint32 openCases;
    }

    struct Verdict {
        bool isConvicted;
        bool isFree;
        uint96 refundWei;
    }

    uint256 private constant COVERED_PART = 4;
    uint96 private constant PENALTY_MIN = 1 ether;
    uint96 private constant PENALTY_MAX = 100_000 ether;
    uint96 private constant CHALLENGE_BOND_MIN = 0.1 ether;
    uint96 private constant CHALLENGE_BOND_MAX = 1000 ether;

    Settlement public immutable SETTLEMENT;
    /// @notice Seconds that the operator has to answer a demand, and that each step before the panel takes.
    uint64 public immutable STEP_SECONDS;

    uint96 private _penaltyWei;
    uint96 internal _challengeBondWei;
    mapping(address operator => Bond) internal _bonds;
    mapping(uint64 batch => Verdict) internal _verdicts;
    mapping(uint64 batch => mapping(uint256 item => bool)) private _refunded;
    mapping(address account => uint256) internal _owed;

    constructor(
        address owner,
        Settlement settlement,
        uint64 stepSeconds,
        uint96 penaltyWei,
        uint96 challengeBondWei
    ) Ownable(owner) {
        SETTLEMENT = settlement;
        STEP_SECONDS = stepSeconds;
        _setTerms(penaltyWei, challengeBondWei);
    }

    /// @inheritdoc ICourt
    function setTerms(uint96 penaltyWei, uint96 challengeBondWei) external onlyOwner {
        _setTerms(penaltyWei, challengeBondWei);
    }

    /// @inheritdoc ICourt
    function bondFor(address operator) external payable {
        Bond storage bond = _bonds[operator];
        bond.amount += msg.value.toUint96();
        emit Bonded(operator, msg.value, _cover(operator, bond));
    }

    /// @inheritdoc ICourt
    function requestUnbond(uint96 amount) external {
        Bond storage bond = _bonds[msg.sender];
        if (amount == 0 || amount > bond.amount) revert CourtInsufficientBond(msg.sender, amount, bond.amount);
        bond.leaving = amount;
        bond.readyAt = uint64(block.timestamp) + _liableSeconds();
        _cover(msg.sender, bond);
        emit UnbondRequested(msg.sender, amount, bond.readyAt);
    }

    /// @inheritdoc ICourt
    function unbond() external nonReentrant {
        Bond storage bond = _bonds[msg.sender];
        if (bond.leaving == 0) revert CourtNothingOwed(msg.sender);
        uint256 until = bond.readyAt > bond.suspendedUntil ? bond.readyAt : bond.suspendedUntil;
        if (block.timestamp < until || bond.openCases != 0) revert CourtBondLiable(msg.sender, until);
        uint96 amount = bond.leaving < bond.amount ? bond.leaving : bond.amount;
        bond.leaving = 0;
        bond.amount -= amount;
        emit Unbonded(msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc ICourt
    function refund(Posted calldata posted, bytes calldata debits, uint256 first, uint256 count) external nonReentrant {
        posted.requirePosted(SETTLEMENT);
        if (keccak256(debits) != posted.debitsHash) revert CourtInvalidProof();
        Verdict storage verdict = _verdicts[posted.number];
        if (!verdict.isFree) revert CourtNotFree(posted.number);
        uint256 item;
        for (uint256 offset; offset < debits.length && item < first + count; ++item) {
            (address payer, uint256 amount, uint256 next) = PostedBatch.debitAt(debits, offset);
            offset = next;
            if (item < first || _refunded[posted.number][item]) continue;
            _refunded[posted.number][item] = true;
            if (amount > verdict.refundWei) amount = verdict.refundWei;
            verdict.refundWei -= uint96(amount);
            emit Refunded(posted.number, payer, amount);
            SETTLEMENT.deposit{ value: amount }(payer);
        }
    }

    /// @inheritdoc ICourt
    function withdraw() external nonReentrant {
        uint256 amount = _owed[msg.sender];
        if (amount == 0) revert CourtNothingOwed(msg.sender);
        _owed[msg.sender] = 0;
        _pay(msg.sender, amount);
    }

    /// @inheritdoc ICourt
    function terms() external view returns (uint96 penaltyWei, uint96 challengeBondWei) {
        return (_penaltyWei, _challengeBondWei);
    }

    /// @inheritdoc ICourt
    function bondOf(address operator)
        external
        view
        returns (uint256 amount, uint256 reserve, uint64 suspendedUntil, uint256 leaving, uint64 readyAt)
    {
        Bond storage bond = _bonds[operator];
        return (bond.amount, bond.reserve, bond.suspendedUntil, bond.leaving, bond.readyAt);
    }

    /// @inheritdoc ICourt
    function owedTo(address account) external view returns (uint256) {
        return _owed[account];
    }

    /// @inheritdoc ICourt
    function verdictOn(uint64 batch) external view returns (bool isConvicted, bool isFree, uint256 refundWei) {
        Verdict storage verdict = _verdicts[batch];
        return (verdict.isConvicted, verdict.isFree, verdict.refundWei);
    }

    /// @dev Takes the penalty, once a batch, and suspends the operator until nothing that it settled can be challenged.
    ///      `panelWei` of it is for the jurors.
    function _convict(
        Posted calldata posted,
        Fault fault,
        address challenger,
        bool isPanels
    ) internal returns (uint256) {
        return _convict(posted.number, posted.ledger.operator, fault, challenger, isPanels);
    }

    function _convict(
        uint64 batch,
        address operator,
        Fault fault,
        address challenger,
        bool isPanels
    ) internal returns (uint256 panelWei) {
        Bond storage bond = _bonds[operator];
        uint256 penalty;
        if (bond.suspendedUntil <= block.timestamp) bond.reserve = bond.amount / 2;
        bond.suspendedUntil = uint64(block.timestamp) + _liableSeconds();
        _cover(operator, bond);
        if (!_verdicts[batch].isConvicted) {
            _verdicts[batch].isConvicted = true;
            uint256 spare = bond.amount - bond.reserve;
            penalty = _penaltyWei < spare ? _penaltyWei : spare;
            bond.amount -= uint96(penalty);
            // not all to the challenger: an operator that convicts itself before others do pays still
            _owed[challenger] += penalty / 2;
            if (isPanels) panelWei = penalty - penalty / 2;
            else _owed[SETTLEMENT.FEE_POLICY().treasury()] += penalty - penalty / 2;
        }
        emit Convicted(batch, fault, operator, challenger, penalty);
    }

    /// @dev Sets aside what a batch's payers get back.
    function _free(Posted calldata posted, Fault fault) internal {
        Verdict storage verdict = _verdicts[posted.number];
        if (verdict.isFree) revert CourtAlreadyConvicted(posted.number, fault);
        verdict.isFree = true;
        Bond storage bond = _bonds[posted.ledger.operator];
        uint256 amount = posted.feesOf();
        if (amount > bond.amount) amount = bond.amount;
        bond.amount -= uint96(amount);
        bond.reserve = amount < bond.reserve ? bond.reserve - uint96(amount) : 0;
        verdict.refundWei = uint96(amount);
        emit BatchFreed(posted.number, amount);
    }

    /// @dev What may pass in a challenge window; nothing while suspended.
    function _cover(address operator, Bond storage bond) private returns (uint256 coveredWei) {
        if (block.timestamp >= bond.suspendedUntil && bond.amount > bond.leaving) {
            coveredWei = (bond.amount - bond.leaving) / COVERED_PART;
        }
        if (SETTLEMENT.operator() == operator) SETTLEMENT.setCoverage(uint96(coveredWei));
    }

    /// @dev Two windows of fees, and every step of a case that was opened at the end of them.
    function _liableSeconds() internal view returns (uint64) {
        return 2 * SETTLEMENT.openSeconds() + 4 * STEP_SECONDS;
    }

    function _setTerms(uint96 penaltyWei, uint96 challengeBondWei) private {
        if (
            penaltyWei < PENALTY_MIN || penaltyWei > PENALTY_MAX || challengeBondWei < CHALLENGE_BOND_MIN
                || challengeBondWei > CHALLENGE_BOND_MAX
        ) revert CourtInvalidTerms(penaltyWei, challengeBondWei);
        _penaltyWei = penaltyWei;
        _challengeBondWei = challengeBondWei;
        emit TermsChanged(penaltyWei, challengeBondWei);
    }

    function _pay(address to, uint256 amount) private {
        (bool sent,) = to.call{ value: amount }("");
        if (!sent) revert CourtTransferFailed(to, amount);
    }
}
