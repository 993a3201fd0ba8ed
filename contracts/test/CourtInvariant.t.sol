// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAudit } from "../src/interfaces/IAudit.sol";
import { ICourt } from "../src/interfaces/ICourt.sol";
import { IPanel } from "../src/interfaces/IPanel.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { Court } from "../src/settlement/Court.sol";
import { Settlement } from "../src/settlement/Settlement.sol";
import { Base } from "./Base.t.sol";
import { World } from "./World.t.sol";

/// @notice An operator under challenge, at random: it settles, shows or does not show what is demanded, is contested before
///         the panel and convicted, bonded and unbonded; jurors vote, payers are refunded, winners withdraw. Ledger roots are
///         made up: settling does not look at them, and nobody claims here.
contract CourtHandler is Base {
    struct Filing {
        uint256 caseId;
        uint64 batch;
        bytes32 result;
        bool isDecided;
    }

    uint96 private constant STAKE = 10 ether;
    bytes32 private constant SECRET = keccak256("secret");

    Settlement public immutable SETTLEMENT;
    Court public immutable COURT;
    IAudit public immutable AUDIT;
    IPanel public immutable PANEL;
    uint256 public immutable MODEL;
    address public immutable TREASURY;

    Actor private _operator;
    Actor private _payer;
    Actor private _earner;
    Actor private _challenger;
    Actor[] private _jurors;

    /// @dev By batch, from 1: what it posted, its debits and its one receipt.
    bytes[] private _posted;
    bytes[] private _debits;
    bytes[] private _filed;
    Filing[] private _filings;
    uint256 private _owedSince;
    bytes32 private _lastHash;
    mapping(uint64 batch => mapping(ICourt.Item item => bool)) private _isOpen;
    mapping(uint64 batch => mapping(ICourt.Item item => bool)) private _isAsked;
    mapping(uint64 batch => bool) private _isContested;

    /// @dev What payers of free batches were promised less than they had paid.
    uint256 public shortfall;
    uint256 public openStakes;
    uint256 public convictions;

    constructor(Settlement settlement, Court court, uint256 model, address treasury) {
        (SETTLEMENT, COURT, AUDIT, PANEL) = (settlement, court, court.AUDIT(), court.PANEL());
        (MODEL, TREASURY) = (model, treasury);
        _operator = actor("operator");
        _payer = richActor("payer");
        _earner = actor("earner");
        _challenger = richActor("challenger");
        for (uint256 i; i < 3; ++i) {
            _jurors.push(richActor(string.concat("juror", vm.toString(i))));
            vm.prank(_jurors[i].addr);
            PANEL.join{ value: 10 ether }();
        }
        vm.warp(block.timestamp + 1);
        _posted.push();
        _debits.push();
        _filed.push();
    }

    /// @dev One answer in a batch, credited at once or left for a later one.
    function post(uint256 fee, uint256 seed) external {
        (uint256 covered, uint256 exposed, uint64 since) = SETTLEMENT.coverage();
        if (block.timestamp < SETTLEMENT.finalAt(since)) covered -= exposed < covered ? exposed : covered;
        if (covered == 0) return;
        fee = bound(fee, 1, covered < 100 ether ? covered : 100 ether);
        vm.prank(_payer.addr);
        SETTLEMENT.deposit{ value: fee }(_payer.addr);
        ISettlement.Receipt memory receipt = _receipt(fee);
        (,, uint256 uncredited) = SETTLEMENT.ledger();
        if (uncredited == 0) _owedSince = block.timestamp;
        uint256 earned = _contributorsWei(fee);
        bool isCredited = seed % 3 != 0 || block.timestamp > _owedSince + 12 hours;
        _settle(receipt, isCredited ? uncredited + earned : 0);
    }

    function _settle(ISettlement.Receipt memory receipt, uint256 credit) private {
        uint256 fee = receipt.feeWei;
        bytes memory signature = sign(_operator, AUDIT.digestReceipt(receipt));
        bytes32 receiptHash = AUDIT.hashReceipt(receipt);
        ICourt.Posted memory posted;
        posted.batch.lastSequence = receipt.sequence;
        posted.batch.lastTimestamp = receipt.timestamp;
        posted.batch.receiptsRoot = keccak256(bytes.concat(receiptHash, keccak256(signature)));
        posted.batch.lastReceiptHash = _lastHash = receiptHash;
        posted.groups = _groups(receipt);
        bytes memory debits = abi.encodePacked(_payer.addr, uint8(12), uint96(fee));
        posted.debitsHash = keccak256(debits);
        uint256 previous = SETTLEMENT.ledgerBatch();
        ISettlement.Segment[] memory segments = _segments(credit);
        posted.batch.accountCount = 1;
        if (credit != 0) {
            posted.segmentsHash = keccak256(abi.encodePacked(keccak256(segments[0].credits), segments[0].ledgerRoot));
        }
        vm.prank(_operator.addr);
        SETTLEMENT.settle(posted.batch, debits, posted.groups, segments);
        uint64 accountCount;
        (,, posted.number, accountCount) = SETTLEMENT.head();
        (uint256 sum,,) = SETTLEMENT.ledger();
        posted.ledger = ISettlement.Ledger({
            root: credit == 0 ? bytes32(0) : segments[0].ledgerRoot,
            sum: sum,
            accountCount: accountCount,
            settledAt: block.timestamp,
            previous: previous,
            operator: _operator.addr,
            bodyHash: keccak256(
                abi.encode(posted.batch, posted.debitsHash, keccak256(abi.encode(posted.groups)), posted.segmentsHash)
            )
        });
        _posted.push(abi.encode(posted));
        _debits.push(debits);
        ICourt.Filed memory filed;
        (filed.receipt, filed.signature, filed.leafSum, filed.shares) = (receipt, signature, fee, _shares(fee));
        _filed.push(abi.encode(filed));
    }

    function _receipt(uint256 fee) private view returns (ISettlement.Receipt memory receipt) {
        (uint64 last,,,) = SETTLEMENT.head();
        receipt.sequence = last + 1;
        receipt.previousHash = _lastHash;
        receipt.payer = _payer.addr;
        receipt.modelId = MODEL;
        receipt.feeWei = fee;
        receipt.splitVersion = 1;
        receipt.sharesRoot = AUDIT.sharesRoot(_shares(fee));
        receipt.timestamp = uint64(block.timestamp);
    }

    function _groups(ISettlement.Receipt memory receipt) private pure returns (ISettlement.Group[] memory groups) {
        groups = new ISettlement.Group[](1);
        groups[0] = ISettlement.Group({
            modelId: receipt.modelId,
            splitVersion: 1,
            stakeVersion: 0,
            receiptCount: 1,
            firstTimestamp: receipt.timestamp,
            lastTimestamp: receipt.timestamp,
            feeWei: uint96(receipt.feeWei),
            platformWei: uint96(receipt.feeWei * 1000 / 10_000),
            ownerWei: uint96(receipt.feeWei * 2000 / 10_000),
            stakersWei: 0
        });
    }

    /// @dev All to the ledger's first line.
    function _segments(uint256 credit) private view returns (ISettlement.Segment[] memory segments) {
        if (credit == 0) return segments;
        (,,, uint64 accountCount) = SETTLEMENT.head();
        segments = new ISettlement.Segment[](1);
        segments[0].credits = accountCount == 0
            ? abi.encodePacked(hex"fc", _earner.addr, uint96(credit))
            : abi.encodePacked(hex"0c", uint96(credit));
        segments[0].ledgerRoot = keccak256(abi.encode(block.timestamp, credit, _posted.length));
    }

    function _contributorsWei(uint256 fee) private pure returns (uint256) {
        return fee - fee * 1000 / 10_000 - fee * 2000 / 10_000;
    }

    function _shares(uint256 fee) private view returns (bytes memory) {
        return abi.encodePacked(_earner.addr, uint96(_contributorsWei(fee)));
    }

    /// @dev Asks for what a batch has one of.
    function demand(uint256 seed, uint256 kind) external {
        (ICourt.Posted memory posted,, bool isFound) = _open(seed);
        ICourt.Item item = ICourt.Item(kind % 3);
        if (!isFound || _isAsked[posted.number][item]) return;
        if (item == ICourt.Item.CreditLine && posted.segmentsHash == 0) return;
        vm.prank(_challenger.addr);
        COURT.demand{ value: STAKE }(posted, item, 0);
        (_isOpen[posted.number][item], _isAsked[posted.number][item]) = (true, true);
        openStakes += STAKE;
    }

    function produce(uint256 seed) external {
        if (_posted.length == 1) return;
        (ICourt.Posted memory posted, ICourt.Filed memory filed) = _at(1 + seed % (_posted.length - 1));
        (, uint64 until) = COURT.demandOf(posted.number, ICourt.Item.Receipt, 0);
        if (!_isOpen[posted.number][ICourt.Item.Receipt] || block.timestamp > until) return;
        COURT.produceReceipt(posted, filed);
        _isOpen[posted.number][ICourt.Item.Receipt] = false;
        openStakes -= STAKE;
    }

    /// @dev Waits for the end of a demand, and convicts.
    function foreclose(uint256 seed, uint256 kind) external {
        if (_posted.length == 1) return;
        (ICourt.Posted memory posted,) = _at(1 + seed % (_posted.length - 1));
        ICourt.Item item = ICourt.Item(kind % 3);
        if (!_isOpen[posted.number][item]) return;
        (, uint64 until) = COURT.demandOf(posted.number, item, 0);
        if (block.timestamp <= until) vm.warp(until + 1);
        (, bool wasFree,) = COURT.verdictOn(posted.number);
        COURT.foreclose(posted, item, 0, _before(posted).ledger);
        _isOpen[posted.number][item] = false;
        openStakes -= STAKE;
        ++convictions;
        (, bool isFree, uint256 refundWei) = COURT.verdictOn(posted.number);
        if (isFree && !wasFree) shortfall += posted.groups[0].feeWei - refundWei;
    }

    /// @dev Opens a case and has the jurors commit: to what the receipt says, to something else, or to nothing.
    function contest(uint256 seed, uint256 result) external {
        (ICourt.Posted memory posted, ICourt.Filed memory filed, bool isFound) = _open(seed);
        if (!isFound || _isContested[posted.number] || PANEL.seatCount() == 0) return;
        _isContested[posted.number] = true;
        filed.signature = bytes.concat(keccak256(filed.signature));
        filed.shares = "";
        bytes memory data = abi.encodeCall(ICourt.contest, (posted, filed, keccak256(abi.encode(SECRET))));
        vm.startPrank(_challenger.addr);
        AUDIT.announce(keccak256(abi.encode(_challenger.addr, data)));
        vm.roll(block.number + 1);
        (bool succeeded,) = address(COURT).call{ value: STAKE }(data);
        vm.stopPrank();
        vm.assertTrue(succeeded, "contest");
        openStakes += STAKE;
        uint256 caseId = COURT.caseCount();
        bytes32 told = result % 3 == 0 ? filed.receipt.sharesRoot : keccak256(abi.encode(result));
        _filings.push(Filing(caseId, posted.number, told, false));
        if (result % 4 == 3) return;
        vm.roll(block.number + 1);
        PANEL.seal(caseId);
        PANEL.draw(caseId, SECRET);
        (, address[] memory jurors,,,,) = PANEL.caseOf(caseId);
        for (uint256 i; i < jurors.length; ++i) {
            vm.prank(jurors[i]);
            PANEL.commitVote(caseId, keccak256(abi.encode(caseId, jurors[i], told, bytes32(0))));
        }
    }

    /// @dev Reveals where there is time still, and ends the case; credits that lost are taken back later, or now.
    function decide(uint256 seed) external {
        if (_filings.length == 0) return;
        Filing storage filing = _filings[seed % _filings.length];
        if (filing.isDecided) return;
        (, address[] memory jurors, uint64 drawUntil, uint64 commitUntil, uint64 revealUntil,) =
            PANEL.caseOf(filing.caseId);
        if (jurors.length != 0 && block.timestamp <= commitUntil) vm.warp(commitUntil + 1);
        if (block.timestamp <= revealUntil) {
            for (uint256 i; i < jurors.length; ++i) {
                vm.prank(jurors[i]);
                PANEL.revealVote(filing.caseId, filing.result, 0);
            }
        }
        uint64 until = jurors.length == 0 ? drawUntil : revealUntil;
        if (block.timestamp <= until) vm.warp(until + 1);
        COURT.decide(filing.caseId);
        filing.isDecided = true;
        openStakes -= STAKE;
        (,,,, IPanel.Outcome outcome) = COURT.caseOf(filing.caseId);
        if (outcome != IPanel.Outcome.Overturned) return;
        ++convictions;
        // what credited the batch's receipts, if anything that stands does
        ICourt.Posted memory credited;
        uint256 number = SETTLEMENT.ledgerBatch();
        while (number >= filing.batch) {
            (credited,) = _at(number);
            number = credited.ledger.previous;
        }
        COURT.strike(filing.caseId, credited, _before(credited));
    }

    function refund(uint256 seed) external {
        if (_posted.length == 1) return;
        uint256 number = 1 + seed % (_posted.length - 1);
        (ICourt.Posted memory posted,) = _at(number);
        (, bool isFree,) = COURT.verdictOn(posted.number);
        if (isFree) COURT.refund(posted, _debits[number], 0, 1);
    }

    function bond(uint256 amount) external {
        amount = bound(amount, 0, 1000 ether);
        vm.deal(address(this), amount);
        COURT.bondFor{ value: amount }(_operator.addr);
    }

    function requestUnbond(uint256 amount) external {
        (uint256 amountBonded,,,,) = COURT.bondOf(_operator.addr);
        if (amountBonded == 0) return;
        vm.prank(_operator.addr);
        COURT.requestUnbond(uint96(bound(amount, 1, amountBonded)));
    }

    function unbond(uint256 elapsed) external {
        (,, uint64 suspendedUntil, uint256 leaving, uint64 readyAt) = COURT.bondOf(_operator.addr);
        vm.warp(block.timestamp + bound(elapsed, 0, 2 hours));
        if (leaving == 0 || block.timestamp < readyAt || block.timestamp < suspendedUntil || openStakes != 0) return;
        vm.prank(_operator.addr);
        COURT.unbond();
    }

    function withdraw(uint256 who) external {
        address[3] memory accounts = [_challenger.addr, _operator.addr, TREASURY];
        address account = accounts[who % 3];
        if (COURT.owedTo(account) == 0) return;
        vm.prank(account);
        COURT.withdraw();
    }

    function owed() external view returns (uint256) {
        return COURT.owedTo(_challenger.addr) + COURT.owedTo(_operator.addr) + COURT.owedTo(TREASURY);
    }

    function bonded() external view returns (uint256 amount) {
        (amount,,,,) = COURT.bondOf(_operator.addr);
    }

    function refundsDue() external view returns (uint256 sum) {
        for (uint64 i = 1; i < _posted.length; ++i) {
            (,, uint256 refundWei) = COURT.verdictOn(i);
            sum += refundWei;
        }
    }

    function payerWei() external view returns (uint256) {
        return SETTLEMENT.prepaidOf(_payer.addr);
    }

    /// @dev What the panel owes its jurors.
    function jurorsWei() external view returns (uint256 sum) {
        for (uint256 i; i < _jurors.length; ++i) {
            sum += PANEL.seatOf(_jurors[i].addr) + PANEL.owedTo(_jurors[i].addr);
        }
    }

    function _at(uint256 number) private view returns (ICourt.Posted memory posted, ICourt.Filed memory filed) {
        posted = abi.decode(_posted[number], (ICourt.Posted));
        filed = abi.decode(_filed[number], (ICourt.Filed));
    }

    function _before(ICourt.Posted memory posted) private view returns (ICourt.Posted memory before) {
        if (posted.ledger.previous != 0) (before,) = _at(posted.ledger.previous);
    }

    /// @dev One of the newest batches, if it can be challenged still.
    function _open(uint256 seed)
        private
        view
        returns (ICourt.Posted memory posted, ICourt.Filed memory filed, bool isFound)
    {
        uint256 count = _posted.length - 1;
        if (count == 0) return (posted, filed, false);
        (posted, filed) = _at(count - seed % (count < 4 ? count : 4));
        isFound = block.timestamp <= SETTLEMENT.finalAt(posted.ledger.settledAt);
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](14);
        (list[0], list[1], list[2]) = (this.post.selector, this.post.selector, this.post.selector);
        (list[3], list[4], list[5]) = (this.demand.selector, this.demand.selector, this.produce.selector);
        (list[6], list[7], list[8]) = (this.foreclose.selector, this.contest.selector, this.decide.selector);
        (list[9], list[10], list[11]) = (this.refund.selector, this.bond.selector, this.requestUnbond.selector);
        (list[12], list[13]) = (this.unbond.selector, this.withdraw.selector);
    }
}

contract Court_Invariant_Test is World {
    CourtHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new CourtHandler(settlement, court, publishModel("solidity-1"), treasury.addr);
        target(address(handler), handler.selectors());
    }

    /// @dev The court holds what is bonded, what payers of free batches get back, open stakes and what was won; no wei else.
    function invariant_court_holdsAllThatItOwes() public view {
        vm.assertEq(
            address(court).balance, handler.bonded() + handler.refundsDue() + handler.openStakes() + handler.owed()
        );
    }

    /// @dev What nobody earned, because all were silent or a wei does not divide, goes with the next case.
    function invariant_panel_holdsWhatJurorsAreOwed() public view {
        IPanel panel = court.PANEL();
        vm.assertEq(address(panel).balance, handler.jurorsWei() + panel.carriedWei());
    }

    /// @dev Convictions move no money of the ledger: what was taken back waits to be credited.
    function invariant_settlement_holdsAllThatIsOwed() public view {
        (uint256 sum, uint256 claimed, uint256 uncredited) = settlement.ledger();
        vm.assertEq(
            address(settlement).balance,
            handler.payerWei() + settlement.balanceOf(builder.addr) + settlement.balanceOf(treasury.addr) + uncredited
                + sum - claimed
        );
    }

    /// @dev Whatever the operator was convicted of before, payers of a free batch get back all that they had paid.
    function invariant_refunds_areWhole() public view {
        vm.assertEq(handler.shortfall(), 0);
    }
}
