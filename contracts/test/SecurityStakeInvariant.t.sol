// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { SecurityStake } from "../src/settlement/SecurityStake.sol";
import { Base } from "./Base.t.sol";
import { SecurityStakeTest } from "./SecurityStake.t.sol";

/// @notice Stakes, leaves, pays and slashes at random in two pools.
contract SecurityStakeHandler is Base {
    SecurityStake public immutable POOLS;
    Actor[] private _actors;
    Actor private _court;
    uint256[] private _unstakings;
    uint256 public moneyIn;
    uint256 public moneyOut;

    constructor(SecurityStake pools, Actor memory court) {
        POOLS = pools;
        _court = court;
        _actors.push(actor("ann"));
        _actors.push(actor("bob"));
        _actors.push(actor("cleo"));
    }

    function stake(uint256 who, uint256 pool, uint256 amount) external {
        amount = bound(amount, 2 ether, 1000 ether);
        (uint256 assets, uint256 shares) = POOLS.poolOf(ISecurityStake.Role.Validator, 1 + pool % 2);
        // a share that has become dearer than what is sent buys nothing, and is refused
        if (assets > 1000 * shares) return;
        vm.deal(_actors[who % 3].addr, amount);
        vm.prank(_actors[who % 3].addr);
        POOLS.stake{ value: amount }(ISecurityStake.Role.Validator, 1 + pool % 2);
        moneyIn += amount;
    }

    function requestUnstake(uint256 who, uint256 pool, uint256 shares) external {
        address account = _actors[who % 3].addr;
        uint256 held = POOLS.sharesOf(ISecurityStake.Role.Validator, 1 + pool % 2, account);
        if (held == 0) return;
        vm.prank(account);
        _unstakings.push(POOLS.requestUnstake(ISecurityStake.Role.Validator, 1 + pool % 2, bound(shares, 1, held)));
    }

    function unstake(uint256 which, uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 0, 8 days));
        if (_unstakings.length == 0) return;
        uint256 id = _unstakings[which % _unstakings.length];
        ISecurityStake.Unstaking memory request = POOLS.unstakingOf(id);
        if (request.account == address(0) || request.readyAt > block.timestamp) return;
        vm.prank(request.account);
        moneyOut += POOLS.unstake(id);
    }

    function pay(uint256 pool, uint256 amount) external {
        (, uint256 shares) = POOLS.poolOf(ISecurityStake.Role.Validator, 1 + pool % 2);
        if (shares == 0) return;
        amount = bound(amount, 0, 10 ether);
        vm.deal(address(this), amount);
        POOLS.pay{ value: amount }(ISecurityStake.Role.Validator, 1 + pool % 2);
        moneyIn += amount;
    }

    function slash(uint256 pool, uint256 part, uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 7 days, 9 days));
        (uint256 assets,) = POOLS.poolOf(ISecurityStake.Role.Validator, 1 + pool % 2);
        uint256 most = assets * 3 / 10;
        if (most == 0) return;
        uint256 amount = bound(part, 1, most);
        vm.prank(_court.addr);
        POOLS.slash(ISecurityStake.Role.Validator, 1 + pool % 2, amount, address(0xbeef), 0);
        moneyOut += amount;
    }

    /// @dev What all shares of a pool are worth, leaving ones included.
    function owed(uint256 pool) external view returns (uint256 sum) {
        for (uint256 i; i < 3; ++i) {
            sum += POOLS.convertToAssets(
                ISecurityStake.Role.Validator,
                pool,
                POOLS.sharesOf(ISecurityStake.Role.Validator, pool, _actors[i].addr)
            );
        }
        for (uint256 i; i < _unstakings.length; ++i) {
            ISecurityStake.Unstaking memory request = POOLS.unstakingOf(_unstakings[i]);
            if (request.subject == pool) {
                sum += POOLS.convertToAssets(ISecurityStake.Role.Validator, pool, request.shares);
            }
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](6);
        list[0] = this.stake.selector;
        list[1] = this.stake.selector;
        list[2] = this.requestUnstake.selector;
        list[3] = this.unstake.selector;
        list[4] = this.pay.selector;
        list[5] = this.slash.selector;
    }
}

contract SecurityStake_Invariant_Test is SecurityStakeTest {
    SecurityStakeHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new SecurityStakeHandler(pools, court);
        target(address(handler), handler.selectors());
    }

    function invariant_balance_isWhatCameLessWhatWent() public view {
        vm.assertEq(address(pools).balance, handler.moneyIn() - handler.moneyOut());
    }

    function invariant_pools_coverEveryShare() public view {
        (uint256 first,) = pools.poolOf(VALIDATOR, 1);
        (uint256 second,) = pools.poolOf(VALIDATOR, 2);
        vm.assertEq(address(pools).balance, first + second);
        vm.assertLe(handler.owed(1), first, "first pool");
        vm.assertLe(handler.owed(2), second, "second pool");
    }
}
