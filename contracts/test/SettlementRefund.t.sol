// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { ContractAccount } from "./Base.t.sol";
import { SettlementTest } from "./SettlementTest.t.sol";

contract Settlement_refund_Test is SettlementTest {
    bytes32 internal constant NONCE = keccak256("refund");
    uint256 internal constant DEADLINE = NOON + 60;

    function test_refund_byTheOperator_paysAtOnce() public {
        uint256 before = caller.addr.balance;
        bytes memory signature = signRefund(settlement, caller, 0.4 ether, NONCE, DEADLINE);
        vm.expectEmit(address(settlement));
        emit ISettlement.Withdrawn(caller.addr, 0.4 ether);
        vm.prank(operator.addr);
        settlement.refund(caller.addr, 0.4 ether, NONCE, DEADLINE, signature);
        vm.assertEq(caller.addr.balance, before + 0.4 ether);
        vm.assertEq(settlement.prepaidOf(caller.addr), 0.6 ether);
    }

    /// @dev Without the operator: anyone sends the signature, anyone sends the withdrawal, the payer has no gas.
    function test_refund_byAnyone_paysAfterTheDelay() public {
        bytes memory signature = signRefund(settlement, caller, 0.4 ether, NONCE, DEADLINE);
        vm.prank(stranger.addr);
        settlement.refund(caller.addr, 0.4 ether, NONCE, DEADLINE, signature);
        (uint256 amount, uint64 readyAt) = settlement.withdrawalOf(caller.addr);
        vm.assertEq(amount, 0.4 ether);
        vm.assertEq(readyAt, NOON + WITHDRAWAL_DELAY);
        vm.warp(readyAt);
        uint256 before = caller.addr.balance;
        vm.prank(stranger.addr);
        settlement.withdraw(caller.addr);
        vm.assertEq(caller.addr.balance, before + 0.4 ether);
    }

    /// @dev An answer that runs while the payer leaves is paid for all the same.
    function test_refund_byAnyone_stillPaysReceipts() public {
        bytes memory signature = signRefund(settlement, caller, 1 ether, NONCE, DEADLINE);
        settlement.refund(caller.addr, 1 ether, NONCE, DEADLINE, signature);
        settleOne(ann.addr);
        (uint256 amount,) = settlement.withdrawalOf(caller.addr);
        vm.assertEq(amount, 1 ether - FEE);
    }

    function test_refund_twice_reverts() public {
        bytes memory signature = signRefund(settlement, caller, 0.1 ether, NONCE, DEADLINE);
        vm.startPrank(operator.addr);
        settlement.refund(caller.addr, 0.1 ether, NONCE, DEADLINE, signature);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNonceUsed.selector, caller.addr, NONCE));
        settlement.refund(caller.addr, 0.1 ether, NONCE, DEADLINE, signature);
        vm.stopPrank();
    }

    function test_refund_afterItsDeadline_reverts() public {
        bytes memory signature = signRefund(settlement, caller, 0.1 ether, NONCE, DEADLINE);
        vm.warp(DEADLINE + 1);
        _expectInvalid(DEADLINE);
        settlement.refund(caller.addr, 0.1 ether, NONCE, DEADLINE, signature);
    }

    function testFuzz_refund_notWhatWasSigned_reverts(uint256 amount, bytes32 nonce, uint256 deadline) public {
        bytes memory signature = signRefund(settlement, caller, 0.1 ether, NONCE, DEADLINE);
        deadline = bound(deadline, NOON, type(uint256).max);
        if (amount == 0.1 ether && nonce == NONCE && deadline == DEADLINE) return;
        _expectInvalid(deadline);
        vm.prank(operator.addr);
        settlement.refund(caller.addr, amount, nonce, deadline, signature);
    }

    function test_refund_signedByAnother_reverts() public {
        bytes memory signature = signRefund(settlement, stranger, 0.1 ether, NONCE, DEADLINE);
        _expectInvalid(DEADLINE);
        vm.prank(operator.addr);
        settlement.refund(caller.addr, 0.1 ether, NONCE, DEADLINE, signature);
    }

    function test_refund_moreThanThereIs_reverts() public {
        bytes memory signature = signRefund(settlement, caller, 1 ether + 1, NONCE, DEADLINE);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.SettlementInsufficientBalance.selector, caller.addr, 1 ether + 1, 1 ether
            )
        );
        vm.prank(operator.addr);
        settlement.refund(caller.addr, 1 ether + 1, NONCE, DEADLINE, signature);
    }

    function test_refund_contractAccount_isAskedForItsSignature() public {
        ContractAccount account = new ContractAccount(caller.addr);
        settlement.deposit{ value: 5 }(address(account));
        Actor memory signer = Actor({ addr: address(account), key: caller.key });
        bytes memory signature = signRefund(settlement, signer, 5, NONCE, DEADLINE);
        settlement.refund(address(account), 5, NONCE, DEADLINE, signature);
        (uint256 amount,) = settlement.withdrawalOf(address(account));
        vm.assertEq(amount, 5);
    }

    function _expectInvalid(uint256 deadline) private {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementInvalidRefund.selector, caller.addr, deadline));
    }
}
