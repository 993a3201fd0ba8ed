// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { ERC4626 } from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import { IERC721Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import { AgentIdentity } from "../src/agent/AgentIdentity.sol";
import { AgentWallet } from "../src/agent/AgentWallet.sol";
import { AgentWalletFactory } from "../src/agent/AgentWalletFactory.sol";
import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { SecurityStake } from "../src/settlement/SecurityStake.sol";
import { WOPEN } from "../src/token/WOPEN.sol";
import { Base, Refuser } from "./Base.t.sol";

abstract contract SecurityStakeTest is Base {
    ISecurityStake.Role internal constant VALIDATOR = ISecurityStake.Role.Validator;
    uint64 internal constant UNBONDING = 7 days;

    SecurityStake internal pools;
    AgentIdentity internal identity;
    Actor internal governance;
    Actor internal court;
    Actor internal ann;
    Actor internal bob;
    Actor internal wronged;
    uint256 internal subject;

    function setUp() public virtual {
        vm.warp(NOON);
        governance = actor("governance");
        court = actor("court");
        ann = richActor("ann");
        bob = richActor("bob");
        wronged = actor("wronged");
        identity = new AgentIdentity();
        pools = new SecurityStake(
            governance.addr, IERC721(address(identity)), UNBONDING, new ISecurityStake.Slasher[](0)
        );
        subject = uint160(actor("validator").addr);
        vm.prank(governance.addr);
        pools.setSlasher(court.addr, 3000);
    }

    function stake(Actor memory who, uint256 amount) internal returns (uint256) {
        vm.deal(who.addr, who.addr.balance + amount);
        vm.prank(who.addr);
        return pools.stake{ value: amount }(VALIDATOR, subject);
    }

    function slash(uint256 amount) internal {
        vm.prank(court.addr);
        pools.slash(VALIDATOR, subject, amount, wronged.addr, keccak256("copied a verdict"));
    }

    function worth(Actor memory who) internal view returns (uint256) {
        return pools.convertToAssets(VALIDATOR, subject, pools.sharesOf(VALIDATOR, subject, who.addr));
    }

    /// @dev Asks for everything back, waits, and takes it.
    function exit(Actor memory who) internal returns (uint256 amount) {
        uint256 shares = pools.sharesOf(VALIDATOR, subject, who.addr);
        vm.startPrank(who.addr);
        uint256 id = pools.requestUnstake(VALIDATOR, subject, shares);
        vm.warp(block.timestamp + UNBONDING);
        amount = pools.unstake(id);
        vm.stopPrank();
    }
}

contract SecurityStake_stake_Test is SecurityStakeTest {
    function test_stake_first_isWorthWhatWasPutIn() public {
        vm.expectEmit(address(pools));
        emit ISecurityStake.Staked(VALIDATOR, subject, ann.addr, 5 ether, 5000 ether);
        stake(ann, 5 ether);
        vm.snapshotGasLastCall("SecurityStake", "stake, first");
        vm.assertEq(worth(ann), 5 ether);
        (uint256 assets, uint256 shares) = pools.poolOf(VALIDATOR, subject);
        vm.assertEq(assets, 5 ether);
        vm.assertEq(pools.convertToShares(VALIDATOR, subject, 5 ether), shares);
    }

    function test_stake_agent_mustExist() public {
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 1));
        vm.prank(ann.addr);
        pools.stake{ value: 1 ether }(ISecurityStake.Role.Agent, 1);
        vm.startPrank(ann.addr);
        identity.register();
        pools.stake{ value: 1 ether }(ISecurityStake.Role.Agent, 1);
        vm.stopPrank();
        // an agent's pool is not the validator's whose address is its number
        vm.assertEq(pools.sharesOf(VALIDATOR, 1, ann.addr), 0);
    }

    /// @dev Behind an agent stands its owner's stake alone, whether they own it or their wallet does.
    function test_stake_agent_isItsOwners() public {
        AgentWalletFactory factory = new AgentWalletFactory(new WOPEN());
        AgentWallet wallet = AgentWallet(payable(factory.createWallet(ann.addr, "one")));
        vm.startPrank(ann.addr);
        wallet.execute(address(identity), 0, abi.encodeWithSignature("register()"));
        pools.stake{ value: 1 ether }(ISecurityStake.Role.Agent, 1);
        vm.stopPrank();
        vm.assertTrue(pools.mayStake(ISecurityStake.Role.Agent, 1, address(wallet)));
        vm.expectRevert(abi.encodeWithSelector(ISecurityStake.SecurityStakeNotAgentOwner.selector, 1, bob.addr));
        vm.prank(bob.addr);
        pools.stake{ value: 1 ether }(ISecurityStake.Role.Agent, 1);
        // an owner that is a contract and no wallet has nobody else behind it
        vm.prank(address(this));
        identity.register();
        vm.assertFalse(pools.mayStake(ISecurityStake.Role.Agent, 2, bob.addr));
    }

    function test_stake_noAddress_reverts() public {
        vm.startPrank(ann.addr);
        vm.expectPartialRevert(ISecurityStake.SecurityStakeUnknownSubject.selector);
        pools.stake{ value: 1 ether }(VALIDATOR, 0);
        vm.expectPartialRevert(ISecurityStake.SecurityStakeUnknownSubject.selector);
        pools.stake{ value: 1 ether }(VALIDATOR, 1 << 160);
        vm.stopPrank();
    }

    function test_stake_belowTheMinimum_reverts() public {
        vm.expectPartialRevert(ISecurityStake.SecurityStakeBelowMinimum.selector);
        vm.prank(ann.addr);
        pools.stake{ value: 0.9 ether }(VALIDATOR, subject);
    }

    function test_pay_anyone_raisesEveryStakeInProportion() public {
        stake(ann, 1 ether);
        stake(bob, 3 ether);
        vm.expectEmit(address(pools));
        emit ISecurityStake.Paid(VALIDATOR, subject, bob.addr, 4 ether);
        vm.prank(bob.addr);
        pools.pay{ value: 4 ether }(VALIDATOR, subject);
        vm.assertApproxEqAbs(worth(ann), 2 ether, 1000, "ann");
        vm.assertApproxEqAbs(worth(bob), 6 ether, 1000, "bob");
    }

    function test_pay_emptyPool_reverts() public {
        vm.expectPartialRevert(ISecurityStake.SecurityStakeNobodyStakes.selector);
        pools.pay{ value: 0 }(VALIDATOR, subject);
    }

    /// @dev The inflation attack, carried out: come first with the least, pay so much into the pool that a share is dear,
    ///      let a victim's stake round down, and leave with what it lost. It costs the attacker a thousandfold.
    function testFuzz_stake_inflationAttack_costsTheAttackerAThousandTimesTheLoss(
        uint256 donation,
        uint256 victimWei
    ) public {
        donation = bound(donation, 0, 500_000 ether);
        victimWei = bound(victimWei, 1 ether, 100_000 ether);
        Actor memory attacker = actor("attacker");
        vm.deal(attacker.addr, 1 ether + donation);
        vm.startPrank(attacker.addr);
        pools.stake{ value: 1 ether }(VALIDATOR, subject);
        // leave a single share in the pool: the dearest there can be
        uint256 shares = pools.sharesOf(VALIDATOR, subject, attacker.addr);
        uint256 id = pools.requestUnstake(VALIDATOR, subject, shares - 1);
        vm.warp(block.timestamp + UNBONDING);
        pools.unstake(id);
        uint256 before = attacker.addr.balance;
        pools.pay{ value: donation }(VALIDATOR, subject);
        vm.stopPrank();

        Actor memory victim = actor("victim");
        vm.deal(victim.addr, victimWei);
        vm.prank(victim.addr);
        try pools.stake{ value: victimWei }(VALIDATOR, subject) {
            uint256 back = exit(victim);
            uint256 lost = victimWei - back;
            uint256 attackerBack = exit(attacker);
            uint256 cost = donation - (attackerBack < donation ? attackerBack : donation);
            vm.assertLe(attackerBack, donation + 1, "attacker gains");
            vm.assertGe(cost + 1000, lost * 900, "cost");
            vm.assertLe(lost, victimWei / 1000 + 1, "victim");
        } catch {
            // a stake that would lose more than a thousandth of itself is refused
            vm.assertEq(victim.addr.balance, victimWei);
        }
        vm.assertLe(attacker.addr.balance, before + 1, "attacker");
    }

    /// @dev The same by sending OPEN plainly, which no pool counts.
    function test_stake_inflationByForcedTransfer_changesNothing() public {
        stake(ann, 1 ether);
        vm.deal(address(pools), address(pools).balance + 1000 ether);
        stake(bob, 3 ether);
        vm.assertEq(exit(bob), 3 ether);
    }
}

contract SecurityStake_slash_Test is SecurityStakeTest {
    function setUp() public override {
        super.setUp();
        stake(ann, 60 ether);
        stake(bob, 40 ether);
    }

    function test_slash_entitled_takesFromAllInProportion() public {
        vm.expectEmit(address(pools));
        emit ISecurityStake.Slashed(
            VALIDATOR, subject, court.addr, wronged.addr, 30 ether, keccak256("copied a verdict")
        );
        slash(30 ether);
        vm.snapshotGasLastCall("SecurityStake", "slash");
        vm.assertEq(wronged.addr.balance, 30 ether);
        vm.assertApproxEqAbs(worth(ann), 42 ether, 1000, "ann");
        vm.assertApproxEqAbs(worth(bob), 28 ether, 1000, "bob");
    }

    /// @dev Whoever sees a slash coming does not escape it by leaving.
    function test_slash_whileLeaving_takesFromThemToo() public {
        uint256 shares = pools.sharesOf(VALIDATOR, subject, bob.addr);
        vm.prank(bob.addr);
        uint256 id = pools.requestUnstake(VALIDATOR, subject, shares);
        slash(30 ether);
        vm.warp(NOON + UNBONDING);
        vm.prank(bob.addr);
        vm.assertApproxEqAbs(pools.unstake(id), 28 ether, 1000, "bob");
        vm.assertApproxEqAbs(worth(ann), 42 ether, 1000, "ann");
    }

    function test_slash_beyondTheCap_reverts() public {
        slash(20 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ISecurityStake.SecurityStakeSlashCapExceeded.selector, 10 ether + 1, 10 ether)
        );
        slash(10 ether + 1);
        slash(10 ether);
        vm.expectPartialRevert(ISecurityStake.SecurityStakeSlashCapExceeded.selector);
        slash(1);
        // the cap counts anew, of what is left
        vm.warp(NOON + 7 days);
        vm.expectPartialRevert(ISecurityStake.SecurityStakeSlashCapExceeded.selector);
        slash(21 ether + 1);
        slash(21 ether);
    }

    function test_slash_nothing_reverts() public {
        vm.expectPartialRevert(ISecurityStake.SecurityStakeSlashCapExceeded.selector);
        slash(0);
    }

    function test_slash_everyOtherRole_reverts() public {
        Actor[5] memory others = [governance, ann, bob, wronged, actor("validator")];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ISecurityStake.SecurityStakeNotSlasher.selector, others[i].addr));
            vm.prank(others[i].addr);
            pools.slash(VALIDATOR, subject, 1, others[i].addr, 0);
        }
    }

    function test_setSlasher_onlyGovernanceWithinTheLimit() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ann.addr));
        vm.prank(ann.addr);
        pools.setSlasher(ann.addr, 1);
        vm.startPrank(governance.addr);
        vm.expectRevert(abi.encodeWithSelector(ISecurityStake.SecurityStakeOutOfRange.selector, 5001, 0, 5000));
        pools.setSlasher(court.addr, 5001);
        vm.expectEmit(address(pools));
        emit ISecurityStake.SlasherChanged(court.addr, 0);
        pools.setSlasher(court.addr, 0);
        vm.stopPrank();
        vm.assertEq(pools.capOf(court.addr), 0);
        vm.expectPartialRevert(ISecurityStake.SecurityStakeNotSlasher.selector);
        slash(1);
    }

    function test_slash_toWhoTakesNoMoney_reverts() public {
        address refuser = address(new Refuser());
        vm.expectRevert(abi.encodeWithSelector(ISecurityStake.SecurityStakeTransferFailed.selector, refuser, 1 ether));
        vm.prank(court.addr);
        pools.slash(VALIDATOR, subject, 1 ether, refuser, 0);
    }
}

contract SecurityStake_exit_Test is SecurityStakeTest {
    function setUp() public override {
        super.setUp();
        stake(ann, 10 ether);
    }

    function test_unstake_afterUnbonding_paysBackOnce() public {
        vm.startPrank(ann.addr);
        uint256 id = pools.requestUnstake(VALIDATOR, subject, 10_000 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ISecurityStake.SecurityStakeNotReady.selector, id, uint64(NOON) + UNBONDING)
        );
        pools.unstake(id);
        vm.warp(NOON + UNBONDING);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ISecurityStake.SecurityStakeNotAccount.selector, ann.addr, bob.addr));
        vm.prank(bob.addr);
        pools.unstake(id);
        uint256 before = ann.addr.balance;
        vm.startPrank(ann.addr);
        vm.assertEq(pools.unstake(id), 10 ether);
        vm.assertEq(ann.addr.balance, before + 10 ether);
        vm.expectRevert(abi.encodeWithSelector(ISecurityStake.SecurityStakeUnknownUnstaking.selector, id));
        pools.unstake(id);
        vm.stopPrank();
        vm.assertEq(pools.unstakingOf(id).shares, 0);
    }

    function test_requestUnstake_tooMuchOrNothing_reverts() public {
        vm.startPrank(ann.addr);
        vm.expectPartialRevert(ISecurityStake.SecurityStakeInsufficientShares.selector);
        pools.requestUnstake(VALIDATOR, subject, 10_000 ether + 1);
        vm.expectPartialRevert(ISecurityStake.SecurityStakeInsufficientShares.selector);
        pools.requestUnstake(VALIDATOR, subject, 0);
        vm.stopPrank();
    }

    /// @dev Every role does its worst between the request and the exit; the exit comes at the stated time, and costs what
    ///      the caps allow at most.
    function test_exit_everyRoleTriesToFreezeIt_comesOnTime() public {
        vm.prank(ann.addr);
        uint256 id = pools.requestUnstake(VALIDATOR, subject, 10_000 ether);

        vm.startPrank(governance.addr);
        pools.setUnbonding(30 days);
        pools.setSlasher(court.addr, 5000);
        vm.expectRevert(
            abi.encodeWithSelector(ISecurityStake.SecurityStakeOutOfRange.selector, 30 days + 1, 1, 30 days)
        );
        pools.setUnbonding(30 days + 1);
        pools.renounceOwnership();
        vm.stopPrank();
        slash(5 ether);
        vm.expectPartialRevert(ISecurityStake.SecurityStakeSlashCapExceeded.selector);
        slash(1);
        stake(bob, 1000 ether);
        vm.prank(bob.addr);
        pools.requestUnstake(VALIDATOR, subject, 1);
        vm.prank(bob.addr);
        pools.pay{ value: 1 }(VALIDATOR, subject);

        vm.warp(NOON + UNBONDING);
        vm.prank(ann.addr);
        vm.assertApproxEqAbs(pools.unstake(id), 5 ether, 1000, "exit");
    }
}

/// @dev OpenZeppelin's vault with the same offset, over a token that can be taken from it.
contract OracleVault is ERC4626 {
    constructor(IERC20 asset_) ERC20("Oracle", "O") ERC4626(asset_) { }

    function lose(uint256 amount) external {
        OracleToken(asset()).burn(address(this), amount);
    }

    function _decimalsOffset() internal pure override returns (uint8) {
        return 3;
    }
}

contract OracleToken is ERC20("Oracle token", "OT") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function burn(address from, uint256 amount) external {
        _burn(from, amount);
    }
}

contract SecurityStake_Oracle_Test is SecurityStakeTest {
    OracleToken internal token;
    OracleVault internal vault;

    function setUp() public override {
        super.setUp();
        token = new OracleToken();
        vault = new OracleVault(token);
        token.mint(address(this), type(uint128).max);
        token.approve(address(vault), type(uint256).max);
    }

    /// @dev Oracle: OpenZeppelin's ERC4626, step by step to the wei.
    function testFuzz_anySteps_isErc4626(uint256 seed) public {
        for (uint256 step; step < 16; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            _step(seed % 2 == 0 ? ann : bob, (seed >> 8) % 4, 1 ether + (seed >> 16) % 1000 ether);
            (uint256 assets, uint256 shares) = pools.poolOf(VALIDATOR, subject);
            vm.assertEq(assets, vault.totalAssets(), "total assets");
            vm.assertEq(shares, vault.totalSupply(), "total shares");
            vm.assertEq(worth(ann), vault.convertToAssets(vault.balanceOf(ann.addr)), "ann");
            vm.assertEq(worth(bob), vault.convertToAssets(vault.balanceOf(bob.addr)), "bob");
        }
    }

    function _step(Actor memory who, uint256 kind, uint256 amount) private {
        (uint256 assets,) = pools.poolOf(VALIDATOR, subject);
        uint256 held = pools.sharesOf(VALIDATOR, subject, who.addr);
        if (kind == 0) {
            vm.assertEq(stake(who, amount), vault.deposit(amount, who.addr), "shares");
        } else if (kind == 1 && held != 0) {
            uint256 paid = exit(who);
            vm.prank(who.addr);
            vm.assertEq(paid, vault.redeem(held, address(this), who.addr), "assets");
        } else if (kind == 2 && assets > 10 ether) {
            vm.warp(block.timestamp + 7 days);
            slash(assets / 5);
            vault.lose(assets / 5);
        } else if (kind == 3 && held != 0) {
            vm.deal(address(this), amount);
            pools.pay{ value: amount }(VALIDATOR, subject);
            token.mint(address(vault), amount);
        }
    }
}
