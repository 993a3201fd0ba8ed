// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { SettlementTest } from "./SettlementTest.t.sol";

contract Settlement_roles_Test is SettlementTest {
    function test_setOperator_owner_changesIt() public {
        vm.expectEmit(address(settlement));
        emit ISettlement.OperatorChanged(stranger.addr);
        vm.prank(governance.addr);
        settlement.setOperator(stranger.addr);
        vm.assertEq(settlement.operator(), stranger.addr);
        vm.expectRevert(ISettlement.SettlementZeroAddress.selector);
        vm.prank(governance.addr);
        settlement.setOperator(address(0));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, operator.addr));
        vm.prank(operator.addr);
        settlement.setOperator(operator.addr);
    }

    function test_withdrawBalance_owner_paysWhereToldOnce() public {
        settleOne(ann.addr);
        vm.expectEmit(address(settlement));
        emit ISettlement.BalanceWithdrawn(builder.addr, bob.addr, 2000);
        vm.startPrank(builder.addr);
        settlement.withdrawBalance(bob.addr);
        vm.assertEq(bob.addr.balance, 2000);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToWithdraw.selector, builder.addr));
        settlement.withdrawBalance(bob.addr);
        vm.stopPrank();
        vm.expectRevert(ISettlement.SettlementZeroAddress.selector);
        vm.prank(treasury.addr);
        settlement.withdrawBalance(address(0));
    }

    function testFuzz_hashReceipt_anyReceipt_isTheStructHash(ISettlement.Receipt memory receipt) public view {
        vm.assertEq(court.AUDIT().hashReceipt(receipt), book.hash(receipt));
        vm.assertEq(
            court.AUDIT().digestReceipt(receipt),
            keccak256(abi.encodePacked("\x19\x01", settlement.DOMAIN_SEPARATOR(), book.hash(receipt)))
        );
    }
}
