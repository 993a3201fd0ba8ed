// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IGOpen } from "../src/interfaces/IGOpen.sol";
import { GOpen } from "../src/token/GOpen.sol";
import { Base, Refuser } from "./Base.t.sol";
import { IWrapper, WrapHandler } from "./WOPEN.t.sol";

contract GOpen_Test is Base {
    GOpen internal gopen;
    Actor internal voter;
    Actor internal other;

    function setUp() public {
        vm.warp(NOON);
        gopen = new GOpen();
        voter = richActor("voter");
        other = richActor("other");
        vm.prank(voter.addr);
        gopen.deposit{ value: 100 ether }();
    }

    function test_deposit_firstTime_votesForOneself() public view {
        vm.assertEq(gopen.balanceOf(voter.addr), 100 ether);
        vm.assertEq(gopen.delegates(voter.addr), voter.addr);
        vm.assertEq(gopen.getVotes(voter.addr), 100 ether);
        vm.assertEq(gopen.symbol(), "gOPEN");
    }

    function test_deposit_afterDelegation_keepsTheDelegate() public {
        vm.startPrank(voter.addr);
        gopen.delegate(other.addr);
        gopen.deposit{ value: 1 ether }();
        vm.snapshotGasLastCall("GOpen", "deposit, again");
        vm.stopPrank();
        vm.assertEq(gopen.getVotes(other.addr), 101 ether);
        vm.assertEq(gopen.getVotes(voter.addr), 0);
    }

    function test_receive_plainTransfer_wraps() public {
        vm.prank(other.addr);
        (bool sent,) = address(gopen).call{ value: 2 ether }("");
        vm.assertTrue(sent);
        vm.assertEq(gopen.getVotes(other.addr), 2 ether);
    }

    function test_withdraw_holder_losesTheVotes() public {
        vm.expectEmit(address(gopen));
        emit IGOpen.Withdrawn(voter.addr, 60 ether);
        vm.prank(voter.addr);
        gopen.withdraw(60 ether);
        vm.snapshotGasLastCall("GOpen", "withdraw");
        vm.assertEq(gopen.getVotes(voter.addr), 40 ether);
        vm.assertEq(address(gopen).balance, 40 ether);
    }

    function test_withdraw_accountThatTakesNoMoney_reverts() public {
        address refuser = address(new Refuser());
        vm.prank(voter.addr);
        gopen.transfer(refuser, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IGOpen.GOpenTransferFailed.selector, refuser, 1 ether));
        vm.prank(refuser);
        gopen.withdraw(1 ether);
    }

    function test_permit_signed_approvesAndCountsTheNonce() public {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                voter.addr,
                other.addr,
                1 ether,
                0,
                NOON
            )
        );
        bytes memory signature = signTyped(voter, gopen.DOMAIN_SEPARATOR(), structHash);
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        gopen.permit(voter.addr, other.addr, 1 ether, NOON, uint8(signature[64]), r, s);
        vm.assertEq(gopen.allowance(voter.addr, other.addr), 1 ether);
        vm.assertEq(gopen.nonces(voter.addr), 1);
    }

    function test_clock_always_isTheTime() public {
        vm.assertEq(gopen.clock(), NOON);
        vm.assertEq(gopen.CLOCK_MODE(), "mode=timestamp");
        vm.warp(NOON + 10);
        vm.prank(voter.addr);
        gopen.withdraw(100 ether);
        vm.warp(NOON + 20);
        vm.assertEq(gopen.getPastVotes(voter.addr, NOON + 9), 100 ether);
        vm.assertEq(gopen.getPastVotes(voter.addr, NOON + 10), 0);
    }
}

contract GOpen_Invariant_Test is Base {
    GOpen internal gopen;
    WrapHandler internal handler;

    function setUp() public {
        gopen = new GOpen();
        handler = new WrapHandler(IWrapper(address(gopen)));
        target(address(handler), handler.selectors());
    }

    function invariant_totalSupply_isTheNativeOpenHeld() public view {
        vm.assertEq(gopen.totalSupply(), address(gopen).balance);
        vm.assertEq(gopen.totalSupply(), handler.held());
    }
}
