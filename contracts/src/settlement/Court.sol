// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAudit } from "../interfaces/IAudit.sol";
import { ICourt } from "../interfaces/ICourt.sol";
import { IPanel } from "../interfaces/IPanel.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";
import { PostedBatch } from "../libraries/PostedBatch.sol";
import { Audit } from "./Audit.sol";
import { Bonds } from "./Bonds.sol";
import { Panel } from "./Panel.sol";
import { Settlement } from "./Settlement.sol";

/// @title Court
/// @notice See {ICourt}; {Bonds} has its money, {Audit} its proofs, {Panel} its jurors. Deploys the latter two; {Settlement}
///         names it in its constructor and lets nobody else contest.
contract Court is Bonds {
    using PostedBatch for ICourt.Posted;

    struct Demand {
        address challenger;
        uint64 until;
        uint96 stake;
    }

    struct Case {
        uint64 batch;
        uint64 sequence;
        address operator;
        address challenger;
        uint96 stake;
        IPanel.Outcome outcome;
        bool isStruck;
    }

    /// @inheritdoc ICourt
    IPanel public immutable PANEL;
    /// @inheritdoc ICourt
    IAudit public immutable AUDIT;

    uint256 private _caseCount;
    mapping(uint256 caseId => Case) private _cases;
    mapping(uint64 sequence => bool) private _isContested;
    mapping(uint64 sequence => bytes32) private _correctedRoots;
    mapping(uint64 batch => mapping(Item item => mapping(uint256 index => Demand))) private _demands;

    /// @param owner Governance: sets penalty and stake within bounds.
    /// @param settlement Names this court.
    /// @param stepSeconds To answer a demand; to draw, to commit, to reveal.
    constructor(
        address owner,
        Settlement settlement,
        uint64 stepSeconds,
        uint96 penaltyWei,
        uint96 challengeBondWei
    ) Bonds(owner, settlement, stepSeconds, penaltyWei, challengeBondWei) {
        PANEL = new Panel(address(this), stepSeconds);
        AUDIT = new Audit(this, settlement);
    }

    /// @inheritdoc ICourt
    function sentence(
        Posted calldata posted,
        ISettlement.Ledger calldata previous,
        Fault fault,
        Remedy remedy,
        address challenger
    ) external {
        if (msg.sender != address(AUDIT)) revert CourtNotAudit(msg.sender);
        // what is kept for payers is reckoned before anything is taken
        _convict(posted, fault, challenger, false);
        if (remedy == Remedy.Free) _free(posted, fault);
        else _takeBack(posted, previous, remedy == Remedy.Void);
    }

    /// @inheritdoc ICourt
    function demand(Posted calldata posted, Item item, uint256 index) external payable {
        posted.requireOpen(SETTLEMENT);
        if (msg.value != _challengeBondWei) revert CourtWrongBond(_challengeBondWei, msg.value);
        bool isThere =
            item == Item.Receipt ? index < posted.countOf() : item == Item.DebitLine || posted.segmentsHash != 0;
        if (!isThere) revert CourtInvalidProof();
        Demand storage asked = _demands[posted.number][item][index];
        if (asked.until != 0) revert CourtDemanded(posted.number, item, index);
        (asked.challenger, asked.until, asked.stake) =
        (msg.sender, uint64(block.timestamp) + STEP_SECONDS, uint96(msg.value));
        ++_bonds[posted.ledger.operator].openCases;
        emit Demanded(posted.number, item, index, msg.sender, asked.until);
    }

    /// @inheritdoc ICourt
    function produceReceipt(Posted calldata posted, Filed calldata filed) external {
        (bool isFault, Fault fault) = AUDIT.receiptFault(posted, filed);
        if (isFault) revert CourtAlreadyConvicted(posted.number, fault);
        if (AUDIT.sharesRoot(filed.shares) != filed.receipt.sharesRoot) revert CourtInvalidProof();
        _produce(posted, Item.Receipt, filed.path.index);
    }

    /// @inheritdoc ICourt
    function produceLine(Posted calldata posted, bool isCredit, uint256 index, IAudit.Line calldata line) external {
        bool isLast = AUDIT.requireLine(posted, isCredit, line);
        if (line.path.index != index && (!isLast || line.path.index > index)) revert CourtInvalidProof();
        _produce(posted, isCredit ? Item.CreditLine : Item.DebitLine, index);
    }

    /// @inheritdoc ICourt
    function foreclose(
        Posted calldata posted,
        Item item,
        uint256 index,
        ISettlement.Ledger calldata previous
    ) external {
        posted.requirePosted(SETTLEMENT);
        Demand storage asked = _requireDemand(posted.number, item, index);
        if (block.timestamp <= asked.until) revert CourtTooEarly(asked.until + 1);
        _close(posted, asked, asked.challenger);
        _convict(posted, Fault.Withheld, asked.challenger, false);
        if (item == Item.CreditLine) {
            _takeBack(posted, previous, false);
        } else if (!_verdicts[posted.number].isFree) {
            _free(posted, Fault.Withheld);
        }
    }

    /// @inheritdoc ICourt
    function contest(
        Posted calldata posted,
        Filed calldata filed,
        bytes32 secretHash
    ) external payable returns (uint256 caseId) {
        AUDIT.consume(keccak256(abi.encode(msg.sender, msg.data)));
        posted.requireOpen(SETTLEMENT);
        if (msg.value != _challengeBondWei) revert CourtWrongBond(_challengeBondWei, msg.value);
        ISettlement.Receipt calldata receipt = filed.receipt;
        AUDIT.requireFiled(posted, filed);
        if (_isContested[receipt.sequence]) revert CourtAlreadyConvicted(posted.number, Fault.Attribution);
        _isContested[receipt.sequence] = true;
        address operator = posted.ledger.operator;
        caseId = ++_caseCount;
        _cases[caseId] = Case({
            batch: posted.number,
            sequence: receipt.sequence,
            operator: operator,
            challenger: msg.sender,
            stake: uint96(msg.value),
            outcome: IPanel.Outcome.Open,
            isStruck: false
        });
        ++_bonds[operator].openCases;
        emit CaseFiled(caseId, posted.number, receipt.sequence, msg.sender, receipt.sharesRoot);
        SETTLEMENT.contest(posted.number);
        PANEL.open(caseId, receipt.sharesRoot, secretHash, uint64(posted.ledger.settledAt), [operator, msg.sender]);
    }

    /// @inheritdoc ICourt
    function decide(uint256 caseId) external nonReentrant {
        Case storage case_ = _requireCase(caseId);
        if (case_.outcome != IPanel.Outcome.Open) revert CourtUnknownCase(caseId);
        (IPanel.Outcome outcome, bytes32 result) = PANEL.conclude(caseId);
        uint96 stake = case_.stake;
        case_.outcome = outcome;
        case_.stake = 0;
        --_bonds[case_.operator].openCases;
        emit CaseDecided(caseId, outcome, result);
        uint256 panelWei;
        if (outcome == IPanel.Outcome.Overturned) {
            _owed[case_.challenger] += stake;
            _correctedRoots[case_.sequence] = result;
            panelWei = _convict(case_.batch, case_.operator, Fault.Attribution, case_.challenger, true);
        } else {
            SETTLEMENT.acquit(case_.batch);
            if (outcome == IPanel.Outcome.Hung) {
                _owed[case_.challenger] += stake;
            } else {
                if (outcome == IPanel.Outcome.Upheld) panelWei = stake / 2;
                _owed[case_.operator] += stake - panelWei;
            }
        }
        if (panelWei != 0) PANEL.reward{ value: panelWei }(caseId);
    }

    /// @inheritdoc ICourt
    function strike(uint256 caseId, Posted calldata credited, Posted calldata previous) external {
        Case storage case_ = _requireCase(caseId);
        if (case_.outcome != IPanel.Outcome.Overturned || case_.isStruck) revert CourtUnknownCase(caseId);
        case_.isStruck = true;
        SETTLEMENT.rewind(case_.batch, credited.number, credited.ledger, previous.ledger, false);
    }

    /// @inheritdoc ICourt
    function demandOf(uint64 batch, Item item, uint256 index) external view returns (address challenger, uint64 until) {
        Demand storage asked = _demands[batch][item][index];
        return asked.stake == 0 ? (address(0), 0) : (asked.challenger, asked.until);
    }

    /// @inheritdoc ICourt
    function correctedRoot(uint64 sequence) external view returns (bytes32) {
        return _correctedRoots[sequence];
    }

    /// @inheritdoc ICourt
    function caseCount() external view returns (uint256) {
        return _caseCount;
    }

    /// @inheritdoc ICourt
    function caseOf(uint256 caseId)
        external
        view
        returns (uint64 batch, uint64 sequence, address operator, address challenger, IPanel.Outcome outcome)
    {
        Case storage case_ = _cases[caseId];
        return (case_.batch, case_.sequence, case_.operator, case_.challenger, case_.outcome);
    }

    /// @dev Sends a batch's credits back to be made anew; those that went with an earlier batch's are back already.
    function _takeBack(Posted calldata posted, ISettlement.Ledger calldata previous, bool isVoid) private {
        if (SETTLEMENT.isTakenBack(posted.number)) return;
        SETTLEMENT.rewind(posted.number, posted.number, posted.ledger, previous, isVoid);
    }

    /// @dev Ends a demand that was answered in time.
    function _produce(Posted calldata posted, Item item, uint256 index) private {
        posted.requirePosted(SETTLEMENT);
        Demand storage asked = _requireDemand(posted.number, item, index);
        if (block.timestamp > asked.until) revert CourtTooLate(asked.until);
        _close(posted, asked, posted.ledger.operator);
        emit Produced(posted.number, item, index);
    }

    function _close(Posted calldata posted, Demand storage asked, address winner) private {
        _owed[winner] += asked.stake;
        asked.stake = 0;
        --_bonds[posted.ledger.operator].openCases;
    }

    function _requireDemand(uint64 batch, Item item, uint256 index) private view returns (Demand storage asked) {
        asked = _demands[batch][item][index];
        if (asked.stake == 0) revert CourtUnknownDemand(batch, item, index);
    }

    function _requireCase(uint256 caseId) private view returns (Case storage case_) {
        case_ = _cases[caseId];
        if (case_.batch == 0) revert CourtUnknownCase(caseId);
    }
}
