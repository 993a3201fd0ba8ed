// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { GenesisAllocation } from "../src/l1/GenesisAllocation.sol";
import { Open } from "../src/l1/Open.sol";
import { VestingVault } from "../src/l1/VestingVault.sol";
import { IGenesisAllocation } from "../src/interfaces/IGenesisAllocation.sol";
import { Allocation } from "../src/libraries/Allocation.sol";
import { Base } from "./Base.t.sol";

contract GenesisAllocation_Test is Base {
    uint64 internal constant MONTH = 2_629_800;

    Actor internal community;
    Actor internal ecosystem;
    Actor internal investors;
    Actor internal team;
    Actor internal liquidity;
    GenesisAllocation internal allocation;
    Open internal open;

    function setUp() public {
        vm.warp(NOON);
        community = actor("community");
        ecosystem = actor("ecosystem");
        investors = actor("investors");
        team = actor("team");
        liquidity = actor("liquidity");
        allocation = new GenesisAllocation(_beneficiaries(), uint64(NOON));
        open = allocation.OPEN();
    }

    function test_constructor_always_givesAllAway() public view {
        vm.assertEq(open.totalSupply(), 1_000_000_000 ether);
        vm.assertEq(open.balanceOf(address(allocation)), 0);
        uint256 held = open.balanceOf(address(allocation.COMMUNITY_VAULT()))
            + open.balanceOf(address(allocation.ECOSYSTEM_VAULT()))
            + open.balanceOf(address(allocation.INVESTORS_VAULT())) + open.balanceOf(address(allocation.TEAM_VAULT()))
            + open.balanceOf(community.addr) + open.balanceOf(liquidity.addr);
        vm.assertEq(held, open.totalSupply());
    }

    function test_constructor_always_followsTheTable() public view {
        vm.assertEq(open.balanceOf(community.addr), 165_500_000 ether);
        vm.assertEq(open.balanceOf(liquidity.addr), 50_000_000 ether);
        vm.assertEq(open.balanceOf(address(allocation.COMMUNITY_VAULT())), 351_600_000 ether);
        vm.assertEq(open.balanceOf(address(allocation.ECOSYSTEM_VAULT())), 100_000_000 ether);
        vm.assertEq(open.balanceOf(address(allocation.INVESTORS_VAULT())), 182_900_000 ether);
        vm.assertEq(open.balanceOf(address(allocation.TEAM_VAULT())), 150_000_000 ether);
    }

    function test_constructor_always_floats2155Bps() public view {
        uint256 float = open.balanceOf(community.addr) + open.balanceOf(liquidity.addr);
        vm.assertEq(float * 10_000 / open.totalSupply(), 2155);
        vm.assertEq(float, 215_500_000 ether);
    }

    /// @dev Oracle: the vaults themselves.
    function testFuzz_freeAt_anyTime_isTheFloatAndWhatVaultsVested(uint32 elapsed) public view {
        uint256 at = NOON + bound(elapsed, 0, 50 * MONTH);
        VestingVault[4] memory vaults = [
            allocation.COMMUNITY_VAULT(),
            allocation.ECOSYSTEM_VAULT(),
            allocation.INVESTORS_VAULT(),
            allocation.TEAM_VAULT()
        ];
        uint256 free = 215_500_000 ether;
        for (uint256 i; i < vaults.length; ++i) {
            free += vaults[i].vestedAmount(address(open), uint64(at));
        }
        vm.assertEq(Allocation.freeAt(NOON, at), free);
    }

    function test_constructor_withoutLiquidity_reverts() public {
        IGenesisAllocation.Beneficiaries memory to = _beneficiaries();
        to.liquidity = address(0);
        vm.expectRevert(IGenesisAllocation.GenesisAllocationZeroAddress.selector);
        new GenesisAllocation(to, uint64(NOON));
    }

    function test_release_communityAfterOneMonth_pays7325000() public {
        vm.warp(NOON + MONTH);
        VestingVault vault = allocation.COMMUNITY_VAULT();
        vault.release(address(open));
        vm.snapshotGasLastCall("l1", "VestingVault.release");
        vm.assertEq(open.balanceOf(community.addr), 165_500_000 ether + 7_325_000 ether);
    }

    function test_release_insidersAtTheCliff_payNothing() public {
        vm.warp(NOON + 12 * MONTH);
        vm.assertEq(allocation.TEAM_VAULT().releasable(address(open)), 0);
        vm.assertEq(allocation.INVESTORS_VAULT().releasable(address(open)), 0);
        vm.assertEq(allocation.TEAM_VAULT().cliff(), NOON + 12 * MONTH);
        vm.assertEq(allocation.TEAM_VAULT().genesis(), NOON);
    }

    function test_release_insidersAfterTheCliff_isLinearFromZero() public {
        vm.warp(NOON + 13 * MONTH);
        vm.assertEq(allocation.TEAM_VAULT().releasable(address(open)), uint256(150_000_000 ether) / 36);
        vm.warp(NOON + 30 * MONTH);
        vm.assertEq(allocation.TEAM_VAULT().releasable(address(open)), 75_000_000 ether);
    }

    function test_release_after48Months_leavesNothing() public {
        vm.warp(NOON + 48 * MONTH);
        VestingVault[4] memory vaults = [
            allocation.COMMUNITY_VAULT(),
            allocation.ECOSYSTEM_VAULT(),
            allocation.INVESTORS_VAULT(),
            allocation.TEAM_VAULT()
        ];
        for (uint256 i; i < vaults.length; ++i) {
            vaults[i].release(address(open));
            vm.assertEq(open.balanceOf(address(vaults[i])), 0);
        }
        vm.assertEq(open.balanceOf(community.addr), 517_100_000 ether);
        vm.assertEq(open.balanceOf(team.addr), 150_000_000 ether);
    }

    /// @dev Brute force: the schedule in words, computed another way.
    function testFuzz_releasable_anyTime_isTheSchedule(uint256 elapsed) public {
        elapsed = bound(elapsed, 0, 60 * uint256(MONTH));
        vm.warp(NOON + elapsed);
        uint256 cliff = 12 * uint256(MONTH);
        uint256 vesting = elapsed < cliff ? 0 : elapsed - cliff;
        if (vesting > 36 * uint256(MONTH)) vesting = 36 * uint256(MONTH);
        vm.assertEq(
            allocation.INVESTORS_VAULT().releasable(address(open)), 182_900_000 ether * vesting / (36 * uint256(MONTH))
        );
    }

    function test_transferOwnership_vault_redirectsWhatComes() public {
        Actor memory heir = actor("heir");
        VestingVault vault = allocation.TEAM_VAULT();
        vm.prank(team.addr);
        vault.transferOwnership(heir.addr);
        vm.warp(NOON + 48 * MONTH);
        vault.release(address(open));
        vm.assertEq(open.balanceOf(heir.addr), 150_000_000 ether);
    }

    function test_burn_holder_shrinksTheSupply() public {
        vm.prank(liquidity.addr);
        open.burn(1 ether);
        vm.assertEq(open.totalSupply(), 1_000_000_000 ether - 1 ether);
    }

    function test_permit_signed_approves() public {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                liquidity.addr,
                team.addr,
                5 ether,
                0,
                NOON
            )
        );
        bytes memory signature = signTyped(liquidity, open.DOMAIN_SEPARATOR(), structHash);
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        open.permit(liquidity.addr, team.addr, 5 ether, NOON, uint8(signature[64]), r, s);
        vm.assertEq(open.allowance(liquidity.addr, team.addr), 5 ether);
    }

    function _beneficiaries() private view returns (IGenesisAllocation.Beneficiaries memory) {
        return IGenesisAllocation.Beneficiaries({
            community: community.addr,
            ecosystem: ecosystem.addr,
            investors: investors.addr,
            team: team.addr,
            liquidity: liquidity.addr
        });
    }
}
