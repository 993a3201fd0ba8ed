// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IBridgeGuardian, ISuperchainConfig } from "../src/interfaces/IBridgeGuardian.sol";
import { BridgeGuardian } from "../src/l1/BridgeGuardian.sol";
import { Base } from "./Base.t.sol";

interface IInitializableConfig is ISuperchainConfig {
    function initialize(address guardian, bool isPaused) external;
    function guardian() external view returns (address);
}

contract BridgeGuardian_Test is Base {
    uint256 internal constant PAUSE = 7 days;
    uint256 internal constant REST = 30 days;

    IInitializableConfig internal config = IInitializableConfig(address(0x5c0f));
    BridgeGuardian internal bridge;
    Actor internal guardian;
    Actor internal stranger;

    function setUp() public {
        vm.warp(NOON);
        guardian = actor("guardian");
        stranger = actor("stranger");
        // the audited contract itself, as L1 has it
        vm.etch(
            address(config),
            vm.getDeployedCode(
                "node_modules/@eth-optimism/contracts-bedrock/forge-artifacts/SuperchainConfig.sol/SuperchainConfig.json"
            )
        );
        bridge = new BridgeGuardian(config, guardian.addr, PAUSE, REST);
        config.initialize(address(bridge), false);
    }

    function test_pause_guardian_stopsForTheStatedTime() public {
        vm.expectEmit(address(bridge));
        emit IBridgeGuardian.BridgePaused(guardian.addr, NOON + PAUSE);
        vm.prank(guardian.addr);
        bridge.pause();
        vm.snapshotGasLastCall("l1", "BridgeGuardian.pause");
        vm.assertTrue(config.paused());
        vm.assertEq(bridge.pausedUntil(), NOON + PAUSE);

        vm.warp(NOON + PAUSE - 1);
        vm.expectRevert(abi.encodeWithSelector(IBridgeGuardian.BridgeGuardianStillPaused.selector, NOON + PAUSE));
        vm.prank(stranger.addr);
        bridge.unpause();
        vm.warp(NOON + PAUSE);
        vm.prank(stranger.addr);
        bridge.unpause();
        vm.assertFalse(config.paused());
    }

    function test_pause_beforeTheRestIsOver_reverts() public {
        vm.startPrank(guardian.addr);
        bridge.pause();
        vm.expectRevert(abi.encodeWithSelector(IBridgeGuardian.BridgeGuardianResting.selector, NOON + PAUSE + REST));
        bridge.pause();
        vm.warp(NOON + 1 days);
        bridge.unpause();
        // the rest begins where the pause ended
        vm.warp(NOON + 1 days + REST - 1);
        vm.expectPartialRevert(IBridgeGuardian.BridgeGuardianResting.selector);
        bridge.pause();
        vm.warp(NOON + 1 days + REST);
        bridge.pause();
        vm.stopPrank();
    }

    function test_everyOtherRole_cannotPause() public {
        vm.startPrank(stranger.addr);
        vm.expectRevert(abi.encodeWithSelector(IBridgeGuardian.BridgeGuardianNotGuardian.selector, stranger.addr));
        bridge.pause();
        vm.expectRevert(abi.encodeWithSelector(IBridgeGuardian.BridgeGuardianNotGuardian.selector, stranger.addr));
        bridge.setGuardian(stranger.addr);
        vm.expectRevert(bytes("SuperchainConfig: only guardian can pause"));
        config.pause("");
        vm.stopPrank();
        // not the guardian's own account either, past this contract
        vm.expectRevert(bytes("SuperchainConfig: only guardian can pause"));
        vm.prank(guardian.addr);
        config.pause("");
    }

    function test_setGuardian_zero_givesItUpAndStillEndsThePause() public {
        vm.startPrank(guardian.addr);
        bridge.pause();
        vm.expectEmit(address(bridge));
        emit IBridgeGuardian.GuardianChanged(address(0));
        bridge.setGuardian(address(0));
        vm.expectPartialRevert(IBridgeGuardian.BridgeGuardianNotGuardian.selector);
        bridge.pause();
        vm.stopPrank();
        vm.assertEq(bridge.guardian(), address(0));
        vm.warp(NOON + PAUSE);
        bridge.unpause();
        vm.assertFalse(config.paused());
    }

    function test_constructor_withoutGuardian_reverts() public {
        vm.expectRevert(IBridgeGuardian.BridgeGuardianZeroAddress.selector);
        new BridgeGuardian(config, address(0), PAUSE, REST);
    }

    /// @dev Oracle: the seconds in which the bridge stood still, counted one hour at a time, with a guardian who pauses
    ///      whenever it may and never unpauses.
    function test_pause_asOftenAsAllowed_stopsAtMostItsShare() public {
        uint256 pausedHours;
        for (uint256 hour; hour < 4 * 37 * 24; ++hour) {
            vm.warp(NOON + hour * 1 hours);
            if (config.paused() && block.timestamp >= bridge.pausedUntil()) bridge.unpause();
            uint256 until = bridge.pausedUntil();
            if (until == 0 || block.timestamp >= until + REST) {
                vm.prank(guardian.addr);
                bridge.pause();
            }
            if (config.paused()) ++pausedHours;
        }
        vm.assertEq(pausedHours, 4 * 7 * 24);
    }
}
