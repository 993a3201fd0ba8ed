// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { World } from "./World.t.sol";

contract FeePolicy_Test is World {
    function test_constructor_always_startsAtVersion1() public view {
        vm.assertEq(feePolicy.currentVersion(), 1);
        vm.assertEq(feePolicy.splitOf(1).contributorsBps, 5000);
        vm.assertEq(feePolicy.supersededAt(1), 0);
        vm.assertEq(feePolicy.treasury(), treasury.addr);
        vm.assertEq(feePolicy.owner(), governance.addr);
    }

    function test_setSplit_owner_keepsTheOldVersion() public {
        vm.warp(NOON + 5);
        vm.expectEmit(address(feePolicy));
        emit IFeePolicy.SplitChanged(2, _split(500, 2000, 2000, 5500));
        vm.prank(governance.addr);
        vm.assertEq(feePolicy.setSplit(_split(500, 2000, 2000, 5500)), 2);
        vm.snapshotGasLastCall("governance", "FeePolicy.setSplit");
        vm.assertEq(feePolicy.currentVersion(), 2);
        vm.assertEq(feePolicy.splitOf(1).platformBps, 1000);
        vm.assertEq(feePolicy.splitOf(2).platformBps, 500);
        vm.assertEq(feePolicy.supersededAt(1), NOON + 5);
        vm.assertEq(feePolicy.supersededAt(2), 0);
    }

    function test_setSplit_stranger_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger.addr));
        vm.prank(stranger.addr);
        feePolicy.setSplit(defaultSplit());
    }

    /// @dev Oracle: the bounds in words, in a wider type.
    function testFuzz_setSplit_anySplit_isWithinBoundsOrReverts(uint16 a, uint16 b, uint16 c, uint16 d) public {
        // near the bounds as often as anywhere
        a = uint16(bound(a, 0, 2500));
        b = uint16(bound(b, 0, 4500));
        c = uint16(bound(c, 0, 3500));
        if (d % 2 == 0 && uint256(a) + b + c <= 10_000) d = uint16(10_000 - a - b - c);
        IFeePolicy.Split memory split = _split(a, b, c, d);
        bool allowed = uint256(a) + b + c + d == 10_000 && a <= 2000 && b <= 4000 && c <= 3000 && d >= 3000;
        if (!allowed) vm.expectRevert(abi.encodeWithSelector(IFeePolicy.FeePolicyInvalidSplit.selector, split));
        vm.prank(governance.addr);
        feePolicy.setSplit(split);
    }

    function test_setBounds_owner_bindLaterSplits() public {
        IFeePolicy.Bounds memory tight = IFeePolicy.Bounds(1000, 2000, 2000, 5000);
        vm.expectEmit(address(feePolicy));
        emit IFeePolicy.BoundsChanged(tight);
        vm.startPrank(governance.addr);
        feePolicy.setBounds(tight);
        vm.assertEq(feePolicy.bounds().platformBpsMax, 1000);
        vm.expectPartialRevert(IFeePolicy.FeePolicyInvalidSplit.selector);
        feePolicy.setSplit(_split(1100, 2000, 1900, 5000));
        feePolicy.setSplit(_split(900, 2000, 2000, 5100));
        vm.stopPrank();
    }

    function test_setBounds_beyondTheLimitsOrTheSplit_reverts() public {
        vm.startPrank(governance.addr);
        vm.expectPartialRevert(IFeePolicy.FeePolicyInvalidBounds.selector);
        feePolicy.setBounds(IFeePolicy.Bounds(2001, 4000, 3000, 3000));
        vm.expectPartialRevert(IFeePolicy.FeePolicyInvalidBounds.selector);
        feePolicy.setBounds(IFeePolicy.Bounds(2000, 4000, 3000, 2999));
        vm.expectPartialRevert(IFeePolicy.FeePolicyInvalidBounds.selector);
        feePolicy.setBounds(IFeePolicy.Bounds(2000, 4000, 3000, 10_001));
        // the split in force gives the platform 1000
        vm.expectPartialRevert(IFeePolicy.FeePolicyInvalidSplit.selector);
        feePolicy.setBounds(IFeePolicy.Bounds(999, 4000, 3000, 3000));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger.addr));
        vm.prank(stranger.addr);
        feePolicy.setBounds(IFeePolicy.Bounds(2000, 4000, 3000, 3000));
    }

    function test_setTreasury_owner_changesIt() public {
        vm.prank(governance.addr);
        feePolicy.setTreasury(stranger.addr);
        vm.assertEq(feePolicy.treasury(), stranger.addr);
        vm.expectRevert(IFeePolicy.FeePolicyZeroTreasury.selector);
        vm.prank(governance.addr);
        feePolicy.setTreasury(address(0));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger.addr));
        vm.prank(stranger.addr);
        feePolicy.setTreasury(stranger.addr);
    }

    function test_splitOf_unknownVersion_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IFeePolicy.FeePolicyUnknownVersion.selector, 0));
        feePolicy.splitOf(0);
        vm.expectRevert(abi.encodeWithSelector(IFeePolicy.FeePolicyUnknownVersion.selector, 2));
        feePolicy.splitOf(2);
        vm.expectRevert(abi.encodeWithSelector(IFeePolicy.FeePolicyUnknownVersion.selector, 2));
        feePolicy.supersededAt(2);
    }

    function _split(uint16 a, uint16 b, uint16 c, uint16 d) private pure returns (IFeePolicy.Split memory) {
        return IFeePolicy.Split(a, b, c, d);
    }
}
