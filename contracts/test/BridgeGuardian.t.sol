// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IBridgeGuardian, ISuperchainConfig } from "../src/interfaces/IBridgeGuardian.sol";
import { BridgeGuardian } from "../src/l1/BridgeGuardian.sol";
import { Base } from "./Base.t.sol";

interface IInitializableConfig is ISuperchainConfig {
    function initialize(address guardian, bool isPaused) external;
    function guardian() external view returns (address);
}

abstract contract BridgeGuardianTest is Base {
    uint256 internal constant PAUSE = 7 days;
    uint256 internal constant REST = 30 days;

    IInitializableConfig internal config = IInitializableConfig(address(0x5c0f));
    BridgeGuardian internal bridge;
    Actor internal guardian;
    Actor internal stranger;

    function setUp() public virtual {
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
}

contract BridgeGuardian_Test is BridgeGuardianTest {
    function test_pause_guardian_stopsForTheStatedTime() public {
        vm.expectEmit(address(bridge));
        emit IBridgeGuardian.BridgePaused(guardian.addr, NOON + PAUSE);
        vm.prank(guardian.addr);
        bridge.pause();
        vm.snapshotGasLastCall("BridgeGuardian", "pause");
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

/// @notice A guardian who pauses whenever it may and sometimes hands its power on, users who let withdrawals go on as soon as they
///         may, and a stranger. It writes down when withdrawals stood still.
contract BridgeGuardianHandler is Base {
    struct Stop {
        uint256 from;
        uint256 until;
    }

    BridgeGuardian public immutable BRIDGE;
    IInitializableConfig public immutable CONFIG;
    address[2] private _guardians;
    uint256 private _which;
    address private _stranger;
    Stop[] private _stops;
    uint256 public intrusions;

    constructor(BridgeGuardian bridge, IInitializableConfig config, address guardian) {
        (BRIDGE, CONFIG) = (bridge, config);
        _guardians = [guardian, actor("successor").addr];
        _stranger = actor("stranger").addr;
    }

    function pause() external {
        uint256 until = BRIDGE.pausedUntil();
        bool isRested = until == 0 || block.timestamp >= until + BRIDGE.REST_SECONDS();
        vm.prank(_guardians[_which]);
        (bool succeeded,) = address(BRIDGE).call(abi.encodeCall(BRIDGE.pause, ()));
        if (succeeded != isRested) ++intrusions;
        if (succeeded) _stops.push(Stop(block.timestamp, 0));
    }

    function unpause() external {
        if (!CONFIG.paused()) return;
        vm.prank(_guardians[_which]);
        BRIDGE.unpause();
        _stops[_stops.length - 1].until = block.timestamp;
    }

    /// @dev Time passes; withdrawals go on by anybody's call in the second in which they may.
    function wait(uint256 elapsed) external {
        uint256 to = block.timestamp + bound(elapsed, 1, 12 days);
        if (CONFIG.paused() && BRIDGE.pausedUntil() <= to) {
            vm.warp(BRIDGE.pausedUntil());
            vm.prank(_stranger);
            BRIDGE.unpause();
            _stops[_stops.length - 1].until = block.timestamp;
        }
        vm.warp(to);
    }

    function handOn() external {
        vm.prank(_guardians[_which]);
        BRIDGE.setGuardian(_guardians[1 - _which]);
        _which = 1 - _which;
    }

    /// @dev Whoever is not the guardian, through the contract and past it.
    function intrude() external {
        address[3] memory callers = [_stranger, _guardians[1 - _which], _guardians[_which]];
        for (uint256 i; i < 3; ++i) {
            vm.prank(callers[i]);
            (bool paused,) = address(CONFIG).call(abi.encodeCall(CONFIG.pause, ("")));
            if (paused) ++intrusions;
            if (i == 2) continue;
            vm.prank(callers[i]);
            (paused,) = address(BRIDGE).call(abi.encodeCall(BRIDGE.pause, ()));
            if (paused) ++intrusions;
            vm.prank(callers[i]);
            (bool handedOn,) = address(BRIDGE).call(abi.encodeCall(BRIDGE.setGuardian, (callers[i])));
            if (handedOn) ++intrusions;
            if (!CONFIG.paused() || block.timestamp >= BRIDGE.pausedUntil()) continue;
            vm.prank(callers[i]);
            (bool unpaused,) = address(BRIDGE).call(abi.encodeCall(BRIDGE.unpause, ()));
            if (unpaused) ++intrusions;
        }
    }

    /// @dev The longest that withdrawals stood still in any time of this length. One that begins with a stop is the worst.
    function longestIn(uint256 length) external view returns (uint256 longest) {
        for (uint256 i; i < _stops.length; ++i) {
            uint256 end = _stops[i].from + length;
            uint256 sum;
            for (uint256 j = i; j < _stops.length && _stops[j].from < end; ++j) {
                uint256 until = _stops[j].until == 0 ? block.timestamp : _stops[j].until;
                sum += (until < end ? until : end) - _stops[j].from;
            }
            if (sum > longest) longest = sum;
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](6);
        (list[0], list[1], list[2]) = (this.pause.selector, this.pause.selector, this.unpause.selector);
        (list[3], list[4], list[5]) = (this.wait.selector, this.handOn.selector, this.intrude.selector);
    }
}

contract BridgeGuardian_Invariant_Test is BridgeGuardianTest {
    BridgeGuardianHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new BridgeGuardianHandler(bridge, config, guardian.addr);
        target(address(handler), handler.selectors());
    }

    function invariant_withdrawals_standStillForTheStatedTimeAtMost() public view {
        vm.assertLe(handler.longestIn(PAUSE + REST), PAUSE, "stopped");
    }

    function invariant_nobodyElse_pauses() public view {
        vm.assertEq(handler.intrusions(), 0);
    }
}
