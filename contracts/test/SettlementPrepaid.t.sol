// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { Refuser } from "./Base.t.sol";
import { SettlementTest } from "./SettlementTest.t.sol";

contract Settlement_prepaid_Test is SettlementTest {
    function test_deposit_forAnother_creditsThem() public {
        vm.expectEmit(address(settlement));
        emit ISettlement.Deposited(ann.addr, 3 ether);
        vm.prank(caller.addr);
        settlement.deposit{ value: 3 ether }(ann.addr);
        vm.assertEq(settlement.prepaidOf(ann.addr), 3 ether);
        vm.expectRevert(ISettlement.SettlementZeroAddress.selector);
        settlement.deposit{ value: 1 }(address(0));
    }

    function test_receive_plainTransfer_reverts() public {
        vm.prank(caller.addr);
        (bool sent, bytes memory reason) = address(settlement).call{ value: 1 }("");
        vm.assertFalse(sent);
        vm.assertEq(reason, abi.encodeWithSelector(ISettlement.SettlementNotWOPEN.selector, caller.addr));
    }

    function test_withdraw_afterTheDelay_pays() public {
        vm.prank(caller.addr);
        settlement.requestWithdrawal(0.4 ether);
        vm.assertEq(settlement.prepaidOf(caller.addr), 0.6 ether);
        (uint256 amount, uint64 readyAt) = settlement.withdrawalOf(caller.addr);
        vm.assertEq(amount, 0.4 ether);
        vm.assertEq(readyAt, NOON + WITHDRAWAL_DELAY);

        vm.warp(NOON + WITHDRAWAL_DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementWithdrawalNotReady.selector, caller.addr, readyAt));
        vm.prank(caller.addr);
        settlement.withdraw(caller.addr);

        vm.warp(NOON + WITHDRAWAL_DELAY);
        uint256 before = caller.addr.balance;
        vm.startPrank(caller.addr);
        settlement.withdraw(caller.addr);
        vm.assertEq(caller.addr.balance, before + 0.4 ether);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToWithdraw.selector, caller.addr));
        settlement.withdraw(caller.addr);
        vm.stopPrank();
    }

    function test_requestWithdrawal_whilePending_reverts() public {
        vm.startPrank(caller.addr);
        settlement.requestWithdrawal(0.4 ether);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.SettlementWithdrawalPending.selector,
                caller.addr,
                0.4 ether,
                uint64(NOON) + WITHDRAWAL_DELAY
            )
        );
        settlement.requestWithdrawal(0.1 ether);
        settlement.cancelWithdrawal();
        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether);
        settlement.requestWithdrawal(0.5 ether);
        vm.stopPrank();
    }

    function test_requestWithdrawal_tooMuchOrNothing_reverts() public {
        vm.startPrank(caller.addr);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.SettlementInsufficientBalance.selector, caller.addr, 1 ether + 1, 1 ether
            )
        );
        settlement.requestWithdrawal(1 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToWithdraw.selector, caller.addr));
        settlement.requestWithdrawal(0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToWithdraw.selector, caller.addr));
        settlement.cancelWithdrawal();
        vm.stopPrank();
    }

    function test_settle_setAsideMoney_stillPaysReceipts() public {
        vm.prank(caller.addr);
        settlement.requestWithdrawal(1 ether);
        settleOne(ann.addr);
        (uint256 amount,) = settlement.withdrawalOf(caller.addr);
        vm.assertEq(amount, 1 ether - FEE);
    }

    function test_withdraw_accountThatTakesNoMoney_reverts() public {
        address refuser = address(new Refuser());
        settlement.deposit{ value: 5 }(refuser);
        vm.prank(refuser);
        settlement.requestWithdrawal(5);
        vm.warp(NOON + WITHDRAWAL_DELAY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementTransferFailed.selector, refuser, 5));
        settlement.withdraw(refuser);
    }
}
