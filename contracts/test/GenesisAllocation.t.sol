// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { GenesisAllocation } from "../src/l1/GenesisAllocation.sol";
import { Open } from "../src/l1/Open.sol";
import { VestingVault } from "../src/l1/VestingVault.sol";
import { IGenesisAllocation } from "../src/interfaces/IGenesisAllocation.sol";
import { Allocation } from "../src/libraries/Allocation.sol";
import { Base } from "./Base.t.sol";
import { Intruder } from "./Intruder.t.sol";

abstract contract GenesisAllocationTest is Base {
    uint64 internal constant MONTH = 2_629_800;

    Actor internal community;
    Actor internal ecosystem;
    Actor internal investors;
    Actor internal team;
    Actor internal liquidity;
    GenesisAllocation internal allocation;
    Open internal open;

    function setUp() public virtual {
        vm.warp(NOON);
        community = actor("community");
        ecosystem = actor("ecosystem");
        investors = actor("investors");
        team = actor("team");
        liquidity = actor("liquidity");
        allocation = new GenesisAllocation(beneficiaries(), uint64(NOON));
        open = allocation.OPEN();
    }

    function beneficiaries() internal view returns (IGenesisAllocation.Beneficiaries memory) {
        return IGenesisAllocation.Beneficiaries({
            community: community.addr,
            ecosystem: ecosystem.addr,
            investors: investors.addr,
            team: team.addr,
            liquidity: liquidity.addr
        });
    }
}

contract GenesisAllocation_Test is GenesisAllocationTest {
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

    function test_constructor_gas_isMeasured() public {
        uint256 before = gasleft();
        new GenesisAllocation(beneficiaries(), uint64(NOON));
        vm.snapshotValue("GenesisAllocation", "constructor", before - gasleft());
    }

    function test_constructor_withoutLiquidity_reverts() public {
        IGenesisAllocation.Beneficiaries memory to = beneficiaries();
        to.liquidity = address(0);
        vm.expectRevert(IGenesisAllocation.GenesisAllocationZeroAddress.selector);
        new GenesisAllocation(to, uint64(NOON));
    }

    function test_release_communityAfterOneMonth_pays7325000() public {
        vm.warp(NOON + MONTH);
        VestingVault vault = allocation.COMMUNITY_VAULT();
        vault.release(address(open));
        vm.snapshotGasLastCall("VestingVault", "release");
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
        vm.snapshotGasLastCall("Open", "burn");
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
}

/// @notice Years pass; anyone releases what vested, holders send and burn, beneficiaries hand their vaults on, and everyone tries to
///         have more than the schedule says. The schedule is reckoned here in words of its own.
contract VestingHandler is Intruder {
    uint256 private constant _MONTH = 2_629_800;

    Open public immutable OPEN;
    VestingVault[4] private _vaults;
    uint256[4] private _totals = [uint256(351_600_000 ether), 100_000_000 ether, 182_900_000 ether, 150_000_000 ether];
    uint256[4] private _cliffMonths = [uint256(0), 0, 12, 12];
    uint256[4] private _months = [uint256(48), 48, 36, 36];
    address[] private _holders;
    uint256 private immutable _GENESIS;
    uint256 public burnt;

    constructor(GenesisAllocation allocation, address[] memory holders) {
        OPEN = allocation.OPEN();
        _vaults = [
            allocation.COMMUNITY_VAULT(),
            allocation.ECOSYSTEM_VAULT(),
            allocation.INVESTORS_VAULT(),
            allocation.TEAM_VAULT()
        ];
        _holders = holders;
        _GENESIS = block.timestamp;
    }

    function wait(uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 1, 4 * _MONTH));
    }

    function release(uint256 which) external {
        _vaults[which % 4].release(address(OPEN));
    }

    function handOn(uint256 which, uint256 to) external {
        VestingVault vault = _vaults[which % 4];
        vm.prank(vault.owner());
        vault.transferOwnership(_holders[to % _holders.length]);
    }

    function send(uint256 from, uint256 to, uint256 amount) external {
        address holder = _holders[from % _holders.length];
        amount = bound(amount, 0, OPEN.balanceOf(holder) / 2);
        vm.prank(holder);
        OPEN.transfer(_holders[to % _holders.length], amount);
    }

    function burn(uint256 from, uint256 amount) external {
        address holder = _holders[from % _holders.length];
        amount = bound(amount, 0, OPEN.balanceOf(holder) / 100);
        vm.prank(holder);
        OPEN.burn(amount);
        burnt += amount;
    }

    /// @dev Of a vault's money, by its owner and by somebody else: the token moves it for neither.
    function intrude(uint256 which, uint256 who) external {
        address vault = address(_vaults[which % 4]);
        address caller = _holders[who % _holders.length];
        attempt(caller, address(OPEN), abi.encodeCall(OPEN.transferFrom, (vault, caller, 1)));
        attempt(caller, address(OPEN), abi.encodeCall(OPEN.burnFrom, (vault, 1)));
        if (VestingVault(payable(vault)).owner() == caller) return;
        attempt(caller, vault, abi.encodeWithSignature("transferOwnership(address)", caller));
        attempt(caller, vault, abi.encodeWithSignature("renounceOwnership()"));
    }

    /// @dev What left a vault beyond what its schedule allows by now, in wei.
    function beyondSchedule() external view returns (uint256 excess) {
        for (uint256 i; i < 4; ++i) {
            uint256 start = _GENESIS + _cliffMonths[i] * _MONTH;
            uint256 elapsed = block.timestamp < start ? 0 : block.timestamp - start;
            if (elapsed > _months[i] * _MONTH) elapsed = _months[i] * _MONTH;
            uint256 allowed = _totals[i] * elapsed / (_months[i] * _MONTH);
            uint256 released = _totals[i] - OPEN.balanceOf(address(_vaults[i]));
            if (released > allowed) excess += released - allowed;
        }
    }

    function held() external view returns (uint256 sum) {
        for (uint256 i; i < 4; ++i) {
            sum += OPEN.balanceOf(address(_vaults[i]));
        }
        for (uint256 i; i < _holders.length; ++i) {
            sum += OPEN.balanceOf(_holders[i]);
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](7);
        (list[0], list[1], list[2]) = (this.wait.selector, this.release.selector, this.release.selector);
        (list[3], list[4]) = (this.handOn.selector, this.send.selector);
        (list[5], list[6]) = (this.burn.selector, this.intrude.selector);
    }
}

contract GenesisAllocation_Invariant_Test is GenesisAllocationTest {
    VestingHandler internal handler;

    function setUp() public override {
        super.setUp();
        address[] memory holders = new address[](5);
        (holders[0], holders[1], holders[2]) = (community.addr, ecosystem.addr, investors.addr);
        (holders[3], holders[4]) = (team.addr, liquidity.addr);
        handler = new VestingHandler(allocation, holders);
        target(address(handler), handler.selectors());
    }

    function invariant_supply_isABillionLessWhatWasBurnt() public view {
        vm.assertEq(open.totalSupply(), 1_000_000_000 ether - handler.burnt());
        vm.assertEq(open.totalSupply(), handler.held());
        vm.assertEq(open.balanceOf(address(allocation)), 0);
    }

    function invariant_vaults_releaseNoMoreThanTheirSchedule() public view {
        vm.assertEq(handler.beyondSchedule(), 0);
        vm.assertEq(handler.intrusions(), 0);
    }
}
