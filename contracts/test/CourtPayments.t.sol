// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import { ICourt } from "../src/interfaces/ICourt.sol";
import { IPanel } from "../src/interfaces/IPanel.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { CourtTest } from "./CourtTest.t.sol";

/// @notice Takes money and calls whoever pays again, with whatever it was told; or takes none.
contract Returning {
    address private _to;
    bytes private _data;
    bool private _isRefusing;
    bool public isAnswered;
    bytes public answer;

    function prepare(address to, bytes calldata data, bool isRefusing) external {
        (_to, _data, _isRefusing) = (to, data, isRefusing);
    }

    function act(address to, bytes calldata data, uint256 value) external payable {
        (bool succeeded, bytes memory result) = to.call{ value: value }(data);
        if (succeeded) return;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }

    receive() external payable {
        if (_isRefusing) revert("no");
        if (_to == address(0)) return;
        (isAnswered, answer) = _to.call(_data);
    }
}

/// @notice Whoever is paid by the court, the panel or the settlement calls back while it is paid: nothing is paid twice.
contract Court_payments_Test is CourtTest {
    bytes4 private constant REENTERED = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;

    Returning private _returning;

    function setUp() public override {
        super.setUp();
        _returning = new Returning();
    }

    function _requireRefused(bytes4 selector) private view {
        vm.assertFalse(_returning.isAnswered());
        vm.assertEq(bytes32(bytes4(_returning.answer())), bytes32(selector));
    }

    /// @dev A challenger that wins its stake back and half the penalty.
    function _winning() private returns (uint256 won) {
        ICourt.Posted memory posted = post();
        ISettlement.Ledger memory none;
        vm.deal(address(_returning), STAKE);
        _returning.act(address(court), abi.encodeCall(ICourt.demand, (posted, ICourt.Item.Receipt, 0)), STAKE);
        vm.warp(block.timestamp + STEP + 1);
        court.foreclose(posted, ICourt.Item.Receipt, 0, none);
        won = court.owedTo(address(_returning));
        vm.assertEq(won, STAKE + PENALTY / 2);
    }

    function test_withdraw_winnerCallsBack_isPaidOnce() public {
        uint256 won = _winning();
        uint256 held = address(court).balance;
        bytes memory again = abi.encodeCall(ICourt.withdraw, ());
        _returning.prepare(address(court), again, false);
        _returning.act(address(court), again, 0);
        _requireRefused(REENTERED);
        vm.assertEq(address(court).balance, held - won);
        vm.assertEq(address(_returning).balance, won);
    }

    function test_withdraw_winnerTakesNothing_keepsItsClaim() public {
        uint256 won = _winning();
        _returning.prepare(address(0), "", true);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtTransferFailed.selector, address(_returning), won));
        _returning.act(address(court), abi.encodeCall(ICourt.withdraw, ()), 0);
        vm.assertEq(court.owedTo(address(_returning)), won);
    }

    function test_unbond_operatorCallsBack_isPaidOnce() public {
        vm.prank(governance.addr);
        settlement.setOperator(address(_returning));
        court.bondFor{ value: 8 ether }(address(_returning));
        _returning.act(address(court), abi.encodeCall(ICourt.requestUnbond, (5 ether)), 0);
        vm.warp(block.timestamp + 2 * CHALLENGE + 4 * STEP);
        bytes memory again = abi.encodeCall(ICourt.unbond, ());
        _returning.prepare(address(court), again, false);
        _returning.act(address(court), again, 0);
        _requireRefused(REENTERED);
        vm.assertEq(address(_returning).balance, 5 ether);
        (uint256 left,,,,) = court.bondOf(address(_returning));
        vm.assertEq(left, 3 ether);
    }

    function test_stepDown_jurorCallsBack_isPaidOnce() public {
        uint256 seatWei = panel.SEAT_WEI();
        vm.deal(address(_returning), seatWei);
        _returning.act(address(panel), abi.encodeCall(IPanel.join, ()), seatWei);
        bytes memory again = abi.encodeCall(IPanel.stepDown, ());
        _returning.prepare(address(panel), again, false);
        _returning.act(address(panel), again, 0);
        _requireRefused(REENTERED);
        vm.assertEq(address(_returning).balance, seatWei);
        vm.assertEq(address(panel).balance, 0);
    }

    /// @dev What the court does while it is paid by nobody cannot be used to pay the same refund twice either.
    function test_refund_twiceInOneTransaction_paysOnce() public {
        ICourt.Posted memory posted = post();
        vm.deal(challenger.addr, STAKE);
        vm.prank(challenger.addr);
        court.demand{ value: STAKE }(posted, ICourt.Item.Receipt, 0);
        vm.warp(block.timestamp + STEP + 1);
        ISettlement.Ledger memory none;
        court.foreclose(posted, ICourt.Item.Receipt, 0, none);
        uint256 before = settlement.prepaidOf(caller.addr);
        court.refund(posted, debits, 0, 1);
        court.refund(posted, debits, 0, 10);
        vm.assertEq(settlement.prepaidOf(caller.addr), before + 20_000);
        (,, uint256 refundWei) = court.verdictOn(posted.number);
        vm.assertEq(refundWei, 0);
    }

    function test_withdraw_payerCallsBack_isPaidOnce() public {
        settlement.deposit{ value: 3 ether }(address(_returning));
        _returning.act(address(settlement), abi.encodeCall(ISettlement.requestWithdrawal, (2 ether)), 0);
        vm.warp(block.timestamp + WITHDRAWAL_DELAY);
        bytes memory again = abi.encodeCall(ISettlement.withdraw, (address(_returning)));
        _returning.prepare(address(settlement), again, false);
        _returning.act(address(settlement), again, 0);
        _requireRefused(REENTERED);
        vm.assertEq(address(_returning).balance, 2 ether);
        vm.assertEq(settlement.prepaidOf(address(_returning)), 1 ether);
    }

    /// @dev A demand for a line of credits that went with an earlier batch's ends all the same, with the penalty.
    function test_foreclose_creditsThatWereTakenBackBefore_returnsTheStake() public {
        ICourt.Posted memory first = post();
        draft(7000, 3000);
        ICourt.Posted memory second = post();
        vm.deal(challenger.addr, 2 * STAKE);
        vm.startPrank(challenger.addr);
        court.demand{ value: STAKE }(first, ICourt.Item.CreditLine, 0);
        court.demand{ value: STAKE }(second, ICourt.Item.CreditLine, 0);
        vm.stopPrank();
        vm.warp(block.timestamp + STEP + 1);
        ISettlement.Ledger memory none;
        court.foreclose(first, ICourt.Item.CreditLine, 0, none);
        vm.assertTrue(settlement.isTakenBack(2));
        court.foreclose(second, ICourt.Item.CreditLine, 0, first.ledger);
        vm.assertEq(court.owedTo(challenger.addr), 2 * STAKE + PENALTY);
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncredited, 28_000);
    }

    /// @dev A proof ends a dispute before the panel does; the case is decided all the same, and the stakes go their way.
    function test_decide_batchThatAProofStruckMeanwhile_ends() public {
        Actor memory juror = richActor("juror");
        vm.prank(juror.addr);
        panel.join{ value: 10 ether }();
        vm.warp(block.timestamp + 1);
        groups[0].lastTimestamp = uint64(block.timestamp);
        receipts[1].timestamp = uint64(block.timestamp);
        signatures[1] = signReceipt(operator, receipts[1]);
        ICourt.Posted memory posted = post();
        bytes memory data = abi.encodeCall(ICourt.contest, (posted, filed(0, false), keccak256(abi.encode(bytes32(0)))));
        announced(challenger, address(court), data, STAKE);
        vm.deal(challenger.addr, STAKE);
        vm.prank(challenger.addr);
        court.demand{ value: STAKE }(posted, ICourt.Item.CreditLine, 0);
        vm.warp(block.timestamp + STEP + 1);
        ISettlement.Ledger memory none;
        court.foreclose(posted, ICourt.Item.CreditLine, 0, none);
        // the challenger never told its secret
        court.decide(1);
        vm.assertEq(court.owedTo(operator.addr), STAKE);
        (,, IPanel.Outcome outcome) = _outcomeOf(1);
        vm.assertTrue(outcome == IPanel.Outcome.Abandoned);
    }

    function _outcomeOf(uint256 caseId) private view returns (uint64 batch, uint64 sequence, IPanel.Outcome outcome) {
        (batch, sequence,,, outcome) = court.caseOf(caseId);
    }
}

contract Settlement_creditsOnly_Test is CourtTest {
    /// @dev What was taken back, or gathered, can be credited without another answer.
    function test_settle_withoutReceipts_creditsWhatWaits() public {
        ICourt.Posted memory posted = post(new ISettlement.Segment[](0));
        (,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(uncredited, 14_000);
        ISettlement.Segment[] memory segments = new ISettlement.Segment[](1);
        segments[0] = ISettlement.Segment(credits, ledgerRoot);
        ISettlement.Group[] memory noGroups;
        (posted.batch.receiptsRoot, posted.batch.debitLinesRoot) = (0, 0);
        settle(posted.batch, "", noGroups, segments);
        uint256 sum;
        (sum,, uncredited) = settlement.ledger();
        vm.assertEq(sum, 14_000);
        vm.assertEq(uncredited, 0);
        (uint64 last,, uint64 count,) = settlement.head();
        vm.assertEq(last, 2);
        vm.assertEq(count, 2);
        claim(low.addr);
        vm.assertEq(settlement.claimed(low.addr), 10_000);
    }

    function test_settle_nothingAtAll_reverts() public {
        ICourt.Posted memory posted = post();
        ISettlement.Group[] memory noGroups;
        ISettlement.Segment[] memory none;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 2, 0, 2));
        postAs(operator, posted.batch, "", noGroups, none);
    }
}
