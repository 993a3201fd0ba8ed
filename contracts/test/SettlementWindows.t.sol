// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { SettlementTest } from "./SettlementTest.t.sol";

/// @notice Windows that a vote changes: what is open keeps its time, and the bond covers what is open in either.
contract Settlement_windows_Test is SettlementTest {
    function _set(uint64 challenge, uint64 delay) private {
        vm.prank(governance.addr);
        settlement.setWindows(challenge, delay);
    }

    function test_setWindows_onlyByVoteAndWithinBounds() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, operator.addr));
        vm.prank(operator.addr);
        settlement.setWindows(CHALLENGE, WITHDRAWAL_DELAY);
        uint64[2][4] memory bad = [
            [CHALLENGE / 2 - 1, WITHDRAWAL_DELAY],
            [uint64(30 days + 1), WITHDRAWAL_DELAY],
            [CHALLENGE, WITHDRAWAL_DELAY / 2 - 1],
            [CHALLENGE, uint64(30 days + 1)]
        ];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(ISettlement.SettlementWindowOutOfRange.selector, bad[i][0], bad[i][1])
            );
            _set(bad[i][0], bad[i][1]);
        }
        vm.expectEmit(address(settlement));
        emit ISettlement.WindowsChanged(CHALLENGE / 2, WITHDRAWAL_DELAY / 2);
        _set(CHALLENGE / 2, WITHDRAWAL_DELAY / 2);
        (uint64 challenge, uint64 delay, uint64 former, uint64 changedAt) = settlement.windows();
        vm.assertEq(challenge, CHALLENGE / 2);
        vm.assertEq(delay, WITHDRAWAL_DELAY / 2);
        vm.assertEq(former, CHALLENGE);
        vm.assertEq(changedAt, block.timestamp);
    }

    /// @dev A batch is final when its own window is over, whether later ones are shorter or longer.
    function testFuzz_finalAt_keepsTheWindowOfItsTime(uint64 next, uint64 after_) public {
        next = uint64(bound(next, CHALLENGE / 2, 30 days));
        after_ = uint64(bound(after_, CHALLENGE / 2, 30 days));
        uint256 first = block.timestamp;
        _set(next, WITHDRAWAL_DELAY);
        vm.assertEq(settlement.finalAt(first), first + CHALLENGE);
        uint256 second = first + 1;
        vm.warp(second);
        vm.assertEq(settlement.finalAt(second), second + next);
        if (next == after_ || next == CHALLENGE) return;
        uint256 until = first + (next > CHALLENGE ? next : CHALLENGE);
        // whatever was open in the window before the last is final when a third begins, and stays so
        uint256 notBefore = first + CHALLENGE;
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.SettlementWindowOpen.selector, notBefore > until ? notBefore : until)
        );
        _set(after_, WITHDRAWAL_DELAY);
        vm.warp(until + 1);
        _set(after_, WITHDRAWAL_DELAY);
        vm.assertTrue(settlement.finalAt(first) < block.timestamp);
        vm.assertEq(settlement.finalAt(second), second + next);
        vm.assertEq(settlement.finalAt(block.timestamp + 1), block.timestamp + 1 + after_);
    }

    function test_claim_afterTheWindowWasShortened_waitsForItsOwn() public {
        settleOne(ann.addr);
        uint256 settledAt = block.timestamp;
        vm.warp(settledAt + 1);
        _set(CHALLENGE / 2, WITHDRAWAL_DELAY);
        vm.assertEq(settlement.openSeconds(), CHALLENGE);
        uint256[] memory lines = new uint256[](1);
        (bytes memory claims, bytes memory siblings) = book.prove(lines);
        vm.warp(settledAt + CHALLENGE - 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementLedgerNotFinal.selector, 1, settledAt + CHALLENGE));
        settlement.claim(1, lastLedger, claims, siblings);
        vm.warp(settledAt + CHALLENGE);
        settlement.claim(1, lastLedger, claims, siblings);
        vm.assertEq(ann.addr.balance, 7000);
        vm.warp(settledAt + CHALLENGE + 2);
        vm.assertEq(settlement.openSeconds(), CHALLENGE / 2);
    }

    /// @dev Fees of the long window and of the short ones beside it never exceed together what the bond covers.
    function test_setWindows_shorter_doesNotFreeWhatIsOpen() public {
        vm.prank(operator.addr);
        court.requestUnbond(uint96(BOND - 0.004 ether));
        _charge(0.0006 ether);
        vm.warp(block.timestamp + 1);
        uint256 changedAt = block.timestamp;
        _set(CHALLENGE / 2, WITHDRAWAL_DELAY);
        vm.warp(changedAt + CHALLENGE / 2 + 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNotCovered.selector, 0.0012 ether, 0.001 ether));
        this.chargeNow(0.0006 ether);
        vm.warp(changedAt + CHALLENGE);
        _charge(0.0006 ether);
        vm.warp(changedAt + CHALLENGE + CHALLENGE / 2);
        _charge(0.0006 ether);
    }

    function chargeNow(uint256 fee) external {
        _charge(fee);
    }

    function _charge(uint256 fee) private {
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = fee;
        receipt = book.append(receipt);
        book.credit(ann.addr, contributorsPart(fee, false));
        settle(one(receipt));
    }

    function test_requestWithdrawal_pending_keepsItsTime() public {
        vm.prank(caller.addr);
        settlement.requestWithdrawal(5);
        uint256 readyAt = block.timestamp + WITHDRAWAL_DELAY;
        _set(CHALLENGE, 2 * WITHDRAWAL_DELAY);
        (, uint64 ready) = settlement.withdrawalOf(caller.addr);
        vm.assertEq(ready, readyAt);
        vm.warp(readyAt);
        vm.startPrank(caller.addr);
        settlement.withdraw(caller.addr);
        settlement.requestWithdrawal(5);
        vm.stopPrank();
        (, ready) = settlement.withdrawalOf(caller.addr);
        vm.assertEq(ready, block.timestamp + 2 * WITHDRAWAL_DELAY);
    }
}
