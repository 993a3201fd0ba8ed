// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IStaking } from "../src/interfaces/IStaking.sol";
import { Refuser } from "./Base.t.sol";
import { World } from "./World.t.sol";

abstract contract StakingTest is World {
    uint256 internal modelId;

    function setUp() public virtual override {
        super.setUp();
        modelId = publishModel("solidity-1");
    }

    function reward(uint256 amount) internal {
        vm.deal(address(settlement), address(settlement).balance + amount);
        uint32 version = staking.versionOf(modelId);
        vm.prank(address(settlement));
        staking.reward{ value: amount }(modelId, version);
    }
}

contract Staking_stake_Test is StakingTest {
    function test_stake_value_standsBehindTheModel() public {
        vm.expectEmit(address(staking));
        emit IStaking.Staked(modelId, backer.addr, 5 ether);
        stake(backer, modelId, 5 ether);
        vm.assertEq(staking.stakeOf(modelId, backer.addr), 5 ether);
        vm.assertEq(staking.totalStakeOf(modelId), 5 ether);
        stake(backer, modelId, 1);
        vm.assertEq(staking.stakeOf(modelId, backer.addr), 5 ether + 1);
    }

    function test_stake_belowTheMinimum_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingBelowMinimum.selector, 1 ether - 1, 1 ether));
        vm.prank(backer.addr);
        staking.stake{ value: 1 ether - 1 }(modelId);
    }

    function test_stake_unknownModel_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingUnknownModel.selector, modelId + 1));
        vm.prank(backer.addr);
        staking.stake{ value: 1 ether }(modelId + 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingUnknownModel.selector, 0));
        vm.prank(backer.addr);
        staking.stake{ value: 1 ether }(0);
    }
}

contract Staking_rewards_Test is StakingTest {
    function test_reward_settlement_sharesByStake() public {
        stake(backer, modelId, 1 ether);
        stake(stranger, modelId, 3 ether);
        reward(8 ether);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 2 ether);
        vm.assertEq(staking.pendingRewards(modelId, stranger.addr), 6 ether);
    }

    function test_reward_before_belongsToThoseWhoStakedThen() public {
        stake(backer, modelId, 1 ether);
        reward(4 ether);
        stake(stranger, modelId, 3 ether);
        reward(4 ether);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 5 ether);
        vm.assertEq(staking.pendingRewards(modelId, stranger.addr), 3 ether);
    }

    function test_reward_indivisible_carriesTheRest() public {
        stake(backer, modelId, 1 ether);
        stake(stranger, modelId, 2 ether);
        reward(1);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 0);
        reward(1);
        reward(1);
        // of three wei, one and two: nothing stays behind
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 1);
        vm.assertEq(staking.pendingRewards(modelId, stranger.addr), 2);
    }

    function test_reward_stranger_reverts() public {
        stake(backer, modelId, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingNotSettlement.selector, stranger.addr));
        vm.prank(stranger.addr);
        staking.reward{ value: 1 }(modelId, 1);
    }

    function test_reward_nobodyStakes_reverts() public {
        vm.deal(address(settlement), 2);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingNobodyStakes.selector, modelId));
        vm.prank(address(settlement));
        staking.reward{ value: 1 }(modelId, 0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingUnknownVersion.selector, modelId, 1));
        vm.prank(address(settlement));
        staking.reward{ value: 1 }(modelId, 1);
    }

    /// @dev What is settled late still goes to those who staked when it was earned.
    function test_reward_earlierVersion_belongsToThoseWhoStakedThen() public {
        stake(backer, modelId, 1 ether);
        stake(stranger, modelId, 3 ether);
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        vm.deal(address(settlement), 12 ether);
        vm.startPrank(address(settlement));
        staking.reward{ value: 4 ether }(modelId, 1);
        staking.reward{ value: 4 ether }(modelId, 2);
        staking.reward{ value: 4 ether }(modelId, 3);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 5 ether);
        // thirds of a wei are rounded down
        vm.assertEq(staking.pendingRewards(modelId, stranger.addr), 7 ether - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingVersionOver.selector, modelId, 2, 3));
        staking.reward{ value: 0 }(modelId, 2);
        vm.stopPrank();
    }

    /// @dev Oracle: every version's stakes written down, every reward divided over them, claims in between.
    function testFuzz_reward_anyVersions_matchesTheBooks(uint256 seed) public {
        Actor[3] memory stakers = [actor("a"), actor("b"), actor("c")];
        uint256[3][] memory books = new uint256[3][](25);
        uint256[3] memory earned;
        uint256[3] memory claimed;
        uint32 rewarded;
        for (uint256 step; step < 24; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint32 version = staking.versionOf(modelId);
            uint256 who = seed % 3;
            uint256 has = staking.stakeOf(modelId, stakers[who].addr);
            if (seed >> 8 & 3 == 0) {
                stake(stakers[who], modelId, 1 ether + (seed >> 16) % 10 ether);
            } else if (seed >> 8 & 3 == 1 && has != 0) {
                vm.prank(stakers[who].addr);
                staking.requestUnstake(modelId, has > 2 ether ? has / 2 : has);
            } else if (seed >> 8 & 3 == 2) {
                vm.prank(stakers[who].addr);
                claimed[who] += staking.claimRewards(modelId);
            } else {
                uint32 late = uint32(bound(seed >> 32, rewarded, version));
                (uint256 staked,,) = staking.stakeAt(modelId, late);
                if (staked == 0) continue;
                uint256 amount = (seed >> 64) % 1 ether;
                vm.deal(address(settlement), amount);
                vm.prank(address(settlement));
                staking.reward{ value: amount }(modelId, late);
                rewarded = late;
                for (uint256 i; i < 3; ++i) {
                    earned[i] += amount * 1e9 * books[late][i] / staked;
                }
            }
            uint32 next = staking.versionOf(modelId);
            if (next == version) continue;
            for (uint256 i; i < 3; ++i) {
                books[next][i] = staking.stakeOf(modelId, stakers[i].addr);
            }
        }
        for (uint256 i; i < 3; ++i) {
            uint256 pending = staking.pendingRewards(modelId, stakers[i].addr);
            vm.assertApproxEqAbs(claimed[i] + pending, earned[i] / 1e9, 2, "earned");
        }
    }

    function test_claimRewards_staker_isPaidOnce() public {
        stake(backer, modelId, 1 ether);
        reward(4 ether);
        uint256 before = backer.addr.balance;
        vm.expectEmit(address(staking));
        emit IStaking.RewardsClaimed(modelId, backer.addr, 4 ether);
        vm.startPrank(backer.addr);
        vm.assertEq(staking.claimRewards(modelId), 4 ether);
        vm.assertEq(staking.claimRewards(modelId), 0);
        vm.stopPrank();
        vm.assertEq(backer.addr.balance, before + 4 ether);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 0);
    }

    function test_claimRewards_accountThatTakesNoMoney_reverts() public {
        address refuser = address(new Refuser());
        vm.deal(refuser, 1 ether);
        vm.prank(refuser);
        staking.stake{ value: 1 ether }(modelId);
        reward(1 ether);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingTransferFailed.selector, refuser, 1 ether));
        vm.prank(refuser);
        staking.claimRewards(modelId);
    }

    /// @dev Oracle: exact rational shares, summed reward by reward.
    function testFuzz_reward_anyStakes_neverPaysMoreAndLosesAtMostAWeiEach(
        uint96[4] memory stakes,
        uint96[4] memory rewards
    ) public {
        Actor[4] memory stakers = [actor("a"), actor("b"), actor("c"), actor("d")];
        uint256 total;
        for (uint256 i; i < 4; ++i) {
            uint256 amount = bound(stakes[i], 1 ether, 250_000_000 ether);
            stakes[i] = uint96(amount);
            stake(stakers[i], modelId, amount);
            total += amount;
        }
        uint256 rewarded;
        for (uint256 i; i < 4; ++i) {
            reward(rewards[i]);
            rewarded += rewards[i];
        }
        uint256 paid;
        for (uint256 i; i < 4; ++i) {
            uint256 pending = staking.pendingRewards(modelId, stakers[i].addr);
            vm.assertApproxEqAbs(pending, rewarded * stakes[i] / total, 1, "share");
            paid += pending;
        }
        vm.assertLe(paid, rewarded, "paid");
        vm.assertLe(rewarded - paid, 4, "dust");
    }
}

contract Staking_unstake_Test is StakingTest {
    function setUp() public override {
        super.setUp();
        stake(backer, modelId, 10 ether);
    }

    function test_requestUnstake_part_stopsEarningAtOnce() public {
        vm.expectEmit(address(staking));
        emit IStaking.UnstakeRequested(1, modelId, backer.addr, 4 ether, uint64(NOON) + UNBONDING);
        vm.prank(backer.addr);
        vm.assertEq(staking.requestUnstake(modelId, 4 ether), 1);
        vm.assertEq(staking.totalStakeOf(modelId), 6 ether);
        reward(6 ether);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 6 ether);
    }

    function test_unstake_afterUnbonding_paysBack() public {
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 10 ether);
        vm.warp(NOON + UNBONDING - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingNotUnbonded.selector, 1, uint64(NOON) + UNBONDING));
        vm.prank(backer.addr);
        staking.unstake(1);

        vm.warp(NOON + UNBONDING);
        uint256 before = backer.addr.balance;
        vm.startPrank(backer.addr);
        staking.unstake(1);
        vm.assertEq(backer.addr.balance, before + 10 ether);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingUnknownUnstaking.selector, 1));
        staking.unstake(1);
        vm.stopPrank();
        vm.assertEq(staking.unstakingOf(1).amount, 0);
    }

    function test_requestUnstake_again_doesNotRestartTheFirst() public {
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        vm.warp(NOON + UNBONDING - 1);
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        vm.warp(NOON + UNBONDING);
        vm.prank(backer.addr);
        staking.unstake(1);
        vm.expectPartialRevert(IStaking.StakingNotUnbonded.selector);
        vm.prank(backer.addr);
        staking.unstake(2);
    }

    function test_unstake_byAnother_reverts() public {
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        vm.warp(NOON + UNBONDING);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingNotAccount.selector, backer.addr, stranger.addr));
        vm.prank(stranger.addr);
        staking.unstake(1);
    }

    function test_requestUnstake_leavingDust_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingBelowMinimum.selector, 1 ether - 1, 1 ether));
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 9 ether + 1);
    }

    function test_requestUnstake_tooMuchOrNothing_reverts() public {
        vm.startPrank(backer.addr);
        vm.expectRevert(
            abi.encodeWithSelector(IStaking.StakingInsufficientStake.selector, modelId, backer.addr, 11 ether, 10 ether)
        );
        staking.requestUnstake(modelId, 11 ether);
        vm.expectPartialRevert(IStaking.StakingInsufficientStake.selector);
        staking.requestUnstake(modelId, 0);
        vm.stopPrank();
    }

    /// @dev The inflation attack, carried out on this contract: come first with the least, force money on the contract,
    ///      have a reward land, and wait for a victim. There is no share price to move.
    function testFuzz_stake_inflationAttack_takesNothing(uint256 forced, uint256 victimWei) public {
        forced = bound(forced, 0, 1_000_000 ether);
        victimWei = bound(victimWei, 1 ether, 1_000_000 ether);
        uint256 second = publishModel("solidity-2");
        stake(stranger, second, 1 ether);
        vm.deal(address(staking), address(staking).balance + forced);
        Actor memory victim = actor("victim");
        stake(victim, second, victimWei);
        vm.assertEq(staking.stakeOf(second, victim.addr), victimWei);
        vm.assertEq(staking.pendingRewards(second, stranger.addr), 0);
        vm.startPrank(victim.addr);
        uint256 id = staking.requestUnstake(second, victimWei);
        vm.warp(NOON + UNBONDING);
        staking.unstake(id);
        vm.stopPrank();
        vm.assertEq(victim.addr.balance, victimWei);
    }

    /// @dev Every role does its worst between the request and the exit.
    function test_unstake_everyRoleTriesToFreezeIt_comesOnTime() public {
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 10 ether);

        vm.startPrank(governance.addr);
        staking.setUnbonding(30 days);
        vm.expectRevert(abi.encodeWithSelector(IStaking.StakingUnbondingTooLong.selector, 30 days + 1, uint64(30 days)));
        staking.setUnbonding(30 days + 1);
        settlement.setOperator(stranger.addr);
        feePolicy.setTreasury(stranger.addr);
        settlement.renounceOwnership();
        vm.stopPrank();
        vm.prank(builder.addr);
        models.retire(modelId);
        Actor[5] memory others = [operator, builder, treasury, validator, stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.startPrank(others[i].addr);
            vm.expectRevert(abi.encodeWithSelector(IStaking.StakingNotGovernance.selector, others[i].addr));
            staking.setUnbonding(30 days);
            vm.expectPartialRevert(IStaking.StakingNotAccount.selector);
            staking.unstake(1);
            vm.expectPartialRevert(IStaking.StakingInsufficientStake.selector);
            staking.requestUnstake(modelId, 10 ether);
            vm.stopPrank();
        }

        vm.warp(NOON + UNBONDING);
        uint256 before = backer.addr.balance;
        vm.prank(backer.addr);
        staking.unstake(1);
        vm.assertEq(backer.addr.balance, before + 10 ether);
    }

    function test_setUnbonding_governance_holdsForLaterRequestsOnly() public {
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        vm.expectEmit(address(staking));
        emit IStaking.UnbondingChanged(30 days);
        vm.prank(governance.addr);
        staking.setUnbonding(30 days);
        vm.assertEq(staking.unbondingSeconds(), 30 days);
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        vm.assertEq(staking.unstakingOf(1).readyAt, NOON + UNBONDING);
        vm.assertEq(staking.unstakingOf(2).readyAt, NOON + 30 days);
    }

    function test_unstake_retiredModel_stillPaysBack() public {
        vm.prank(builder.addr);
        models.retire(modelId);
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 10 ether);
        vm.warp(NOON + UNBONDING);
        vm.prank(backer.addr);
        staking.unstake(1);
    }
}
