// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { FeePolicy } from "../src/settlement/FeePolicy.sol";
import { Base } from "./Base.t.sol";
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
        vm.snapshotGasLastCall("FeePolicy", "setSplit");
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

/// @notice The timelock sets whatever the limits allow and tries what they do not, time passes, and a stranger tries all of it.
contract FeePolicyHandler is Base {
    FeePolicy public immutable POLICY;
    address private immutable _OWNER;
    address private immutable _STRANGER;

    /// @dev By version, from 1: the split as it was set, and the second in which the next one was.
    mapping(uint32 version => bytes32) private _splitOf;
    mapping(uint32 version => uint64) private _supersededAt;
    uint32 private _version = 1;
    IFeePolicy.Bounds private _bounds = IFeePolicy.Bounds(2000, 4000, 3000, 3000);
    /// @dev Calls of strangers that got through, and answers to the owner that the limits in words do not give.
    uint256 public intrusions;
    uint256 public misjudged;

    constructor(FeePolicy policy, address owner, address stranger) {
        (POLICY, _OWNER, _STRANGER) = (policy, owner, stranger);
        _splitOf[1] = keccak256(abi.encode(policy.splitOf(1)));
    }

    function setSplit(uint16 a, uint16 b, uint16 c, bool isWhole) external {
        (a, b, c) = (uint16(bound(a, 0, 2100)), uint16(bound(b, 0, 4100)), uint16(bound(c, 0, 3100)));
        IFeePolicy.Split memory split = IFeePolicy.Split(a, b, c, 10_000 - a - b - c + (isWhole ? 0 : 1));
        bool isAllowed = isWhole && _isWithin(split, _bounds);
        if (_call(_OWNER, abi.encodeCall(POLICY.setSplit, (split))) != isAllowed) ++misjudged;
        if (!isAllowed) return;
        _supersededAt[_version] = uint64(block.timestamp);
        _splitOf[++_version] = keccak256(abi.encode(split));
    }

    function setBounds(uint16 a, uint16 b, uint16 c, uint16 d) external {
        IFeePolicy.Bounds memory bounds = IFeePolicy.Bounds(
            uint16(bound(a, 0, 2100)),
            uint16(bound(b, 0, 10_000)),
            uint16(bound(c, 0, 10_000)),
            uint16(bound(d, 2900, 10_100))
        );
        bool isAllowed = bounds.platformBpsMax <= 2000 && bounds.contributorsBpsMin >= 3000
            && bounds.contributorsBpsMin <= 10_000 && _isWithin(POLICY.splitOf(_version), bounds);
        if (_call(_OWNER, abi.encodeCall(POLICY.setBounds, (bounds))) != isAllowed) ++misjudged;
        if (isAllowed) _bounds = bounds;
    }

    function setTreasury(address treasury) external {
        if (_call(_OWNER, abi.encodeCall(POLICY.setTreasury, (treasury))) != (treasury != address(0))) ++misjudged;
    }

    function wait(uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 1, 30 days));
    }

    function intrude() external {
        IFeePolicy.Split memory split = IFeePolicy.Split(1000, 2000, 2000, 5000);
        IFeePolicy.Bounds memory bounds = IFeePolicy.Bounds(2000, 4000, 3000, 3000);
        if (_call(_STRANGER, abi.encodeCall(POLICY.setSplit, (split)))) ++intrusions;
        if (_call(_STRANGER, abi.encodeCall(POLICY.setBounds, (bounds)))) ++intrusions;
        if (_call(_STRANGER, abi.encodeCall(POLICY.setTreasury, (_STRANGER)))) ++intrusions;
        if (_call(_STRANGER, abi.encodeCall(POLICY.transferOwnership, (_STRANGER)))) ++intrusions;
    }

    /// @dev Versions that are not what was set, that do not sum to a whole, or that give less or more than the code's limits.
    function wrongVersions() external view returns (uint256 wrong) {
        if (POLICY.currentVersion() != _version) ++wrong;
        for (uint32 version = 1; version <= _version; ++version) {
            IFeePolicy.Split memory split = POLICY.splitOf(version);
            if (keccak256(abi.encode(split)) != _splitOf[version]) ++wrong;
            if (split.platformBps + split.ownerBps + split.stakersBps + split.contributorsBps != 10_000) ++wrong;
            if (split.platformBps > 2000 || split.contributorsBps < 3000) ++wrong;
            if (POLICY.supersededAt(version) != _supersededAt[version]) ++wrong;
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](5);
        (list[0], list[1], list[2]) = (this.setSplit.selector, this.setBounds.selector, this.setTreasury.selector);
        (list[3], list[4]) = (this.wait.selector, this.intrude.selector);
    }

    function _isWithin(IFeePolicy.Split memory split, IFeePolicy.Bounds memory bounds) private pure returns (bool) {
        return split.platformBps <= bounds.platformBpsMax && split.ownerBps <= bounds.ownerBpsMax
            && split.stakersBps <= bounds.stakersBpsMax && split.contributorsBps >= bounds.contributorsBpsMin;
    }

    function _call(address who, bytes memory data) private returns (bool succeeded) {
        vm.prank(who);
        (succeeded,) = address(POLICY).call(data);
    }
}

contract FeePolicy_Invariant_Test is World {
    FeePolicyHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new FeePolicyHandler(feePolicy, governance.addr, stranger.addr);
        target(address(handler), handler.selectors());
    }

    /// @dev Of a fee under any version that there ever was, no wei is lost or made, contributors get three tenths at least and the
    ///      platform a fifth at most, whatever was voted since.
    function invariant_splits_sumAndStay() public view {
        vm.assertEq(handler.wrongVersions(), 0);
        vm.assertEq(handler.misjudged(), 0);
    }

    function invariant_strangers_getNothingThrough() public view {
        vm.assertEq(handler.intrusions(), 0);
    }
}
