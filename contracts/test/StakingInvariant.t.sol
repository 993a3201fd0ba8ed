// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Base } from "./Base.t.sol";
import { Staking } from "../src/settlement/Staking.sol";
import { StakingTest } from "./Staking.t.sol";

/// @notice Stakes, leaves, claims and rewards at random behind two models.
contract StakingHandler is Base {
    Staking public immutable STAKING;
    address public immutable SETTLEMENT;
    Actor[] private _actors;
    uint256[] private _unstakings;
    uint256 public rewarded;
    uint256 public claimed;
    uint256 public staked;
    uint256 public unstaked;

    constructor(Staking staking) {
        STAKING = staking;
        SETTLEMENT = staking.SETTLEMENT();
        _actors.push(richActor("ann"));
        _actors.push(richActor("bob"));
        _actors.push(richActor("cleo"));
    }

    function stake(uint256 who, uint256 model, uint256 amount) external {
        amount = bound(amount, 1 ether, 1000 ether);
        vm.deal(_actors[who % 3].addr, amount);
        vm.prank(_actors[who % 3].addr);
        STAKING.stake{ value: amount }(1 + model % 2);
        staked += amount;
    }

    function requestUnstake(uint256 who, uint256 model, uint256 amount) external {
        Actor memory sender = _actors[who % 3];
        uint256 modelId = 1 + model % 2;
        uint256 has = STAKING.stakeOf(modelId, sender.addr);
        if (has == 0) return;
        amount = bound(amount, 1, has);
        if (has - amount < 1 ether) amount = has;
        vm.prank(sender.addr);
        _unstakings.push(STAKING.requestUnstake(modelId, amount));
    }

    function unstake(uint256 which, uint256 elapsed) external {
        if (_unstakings.length == 0) return;
        vm.warp(block.timestamp + bound(elapsed, 0, 8 days));
        uint256 id = _unstakings[which % _unstakings.length];
        Staking.Unstaking memory request = STAKING.unstakingOf(id);
        if (request.account == address(0) || request.readyAt > block.timestamp) return;
        vm.prank(request.account);
        STAKING.unstake(id);
        unstaked += request.amount;
    }

    function reward(uint256 model, uint256 amount) external {
        uint256 modelId = 1 + model % 2;
        if (STAKING.totalStakeOf(modelId) == 0) return;
        amount = bound(amount, 0, 50 ether);
        vm.deal(SETTLEMENT, amount);
        uint32 version = STAKING.versionOf(modelId);
        vm.prank(SETTLEMENT);
        STAKING.reward{ value: amount }(modelId, version);
        rewarded += amount;
    }

    function claim(uint256 who, uint256 model) external {
        vm.prank(_actors[who % 3].addr);
        claimed += STAKING.claimRewards(1 + model % 2);
    }

    /// @dev What the contract owes: stakes, requests and rewards not yet paid.
    function owed() external view returns (uint256 sum) {
        for (uint256 i; i < 3; ++i) {
            for (uint256 modelId = 1; modelId <= 2; ++modelId) {
                sum += STAKING.stakeOf(modelId, _actors[i].addr);
                sum += STAKING.pendingRewards(modelId, _actors[i].addr);
            }
        }
        for (uint256 i; i < _unstakings.length; ++i) {
            sum += STAKING.unstakingOf(_unstakings[i]).amount;
        }
    }

    function stakesBehind(uint256 modelId) external view returns (uint256 sum) {
        for (uint256 i; i < 3; ++i) {
            sum += STAKING.stakeOf(modelId, _actors[i].addr);
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](5);
        list[0] = this.stake.selector;
        list[1] = this.requestUnstake.selector;
        list[2] = this.unstake.selector;
        list[3] = this.reward.selector;
        list[4] = this.claim.selector;
    }
}

contract Staking_Invariant_Test is StakingTest {
    StakingHandler internal handler;

    function setUp() public override {
        super.setUp();
        publishModel("solidity-2");
        handler = new StakingHandler(staking);
        target(address(handler), handler.selectors());
    }

    function invariant_balance_coversAllThatIsOwed() public view {
        uint256 owed = handler.owed();
        vm.assertGe(address(staking).balance, owed, "solvent");
        // fractions of a wei: less than one for each of six positions and two pools
        vm.assertLe(address(staking).balance - owed, 7, "dust");
    }

    function invariant_balance_isWhatCameInLessWhatWentOut() public view {
        vm.assertEq(
            address(staking).balance, handler.staked() + handler.rewarded() - handler.unstaked() - handler.claimed()
        );
    }

    function invariant_totalStake_isTheSumOfStakes() public view {
        vm.assertEq(staking.totalStakeOf(1), handler.stakesBehind(1));
        vm.assertEq(staking.totalStakeOf(2), handler.stakesBehind(2));
    }
}
