// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { IValidatorPanel } from "../src/interfaces/IValidatorPanel.sol";
import { ValidatorPanelTest } from "./ValidatorPanelTest.t.sol";

/// @notice Disputes over five records at random: some are drawn, voted on, appealed and concluded, others run out; validators
///         stay silent, dissent, add stake, take it out, retire, come back and are paid. It keeps its own books.
contract ValidatorPanelHandler is ValidatorPanelTest {
    /// @dev What everyone has put behind validators, what was paid out of it, and what cases took.
    uint256 public stakedWei;
    uint256 public unstakedWei;
    uint256 public slashedWei;
    /// @dev The most that any one judge lost in a case, in hundredths of a per cent of their vote's weight.
    uint256 public slashBpsMost;
    uint256 public decided;
    uint256 public votesMost;
    mapping(uint256 caseId => mapping(address judge => uint256)) public votes;
    mapping(uint256 record => uint256) public decisions;
    uint256 public decisionsMost;
    uint256[] private _unstakings;
    address[] private _unstakers;

    function setUp() public override {
        super.setUp();
        stakedWei = 900 ether;
    }

    function parts() external view returns (ValidatorPanelAt memory) {
        return ValidatorPanelAt(address(panel), address(pools));
    }

    struct ValidatorPanelAt {
        address panel;
        address pools;
    }

    function accounts() public view returns (address[] memory all) {
        all = new address[](validators.length + 2);
        for (uint256 i; i < validators.length; ++i) {
            all[i] = validators[i].addr;
        }
        (all[validators.length], all[validators.length + 1]) = (requester.addr, appellant.addr);
    }

    /// @dev Opens a case over records that are free.
    function open(uint256 seed) external {
        uint256 free = 31;
        for (uint256 id = 1; id <= panel.caseCount(); ++id) {
            IValidatorPanel.Case memory case_ = panel.caseOf(id);
            if (case_.outcome <= IValidatorPanel.Outcome.Open || case_.outcome == IValidatorPanel.Outcome.Decided) {
                free &= ~case_.disputed;
            }
        }
        uint256 disputed = free & seed;
        if (disputed == 0) return;
        vm.prank(requester.addr);
        panel.dispute{ value: uint256(JUDGES) * FEE }(contributionId, 0, disputed);
    }

    /// @dev Takes the newest open case one step on: how is in the seed.
    function proceed(uint256 seed) external {
        uint256 caseId = panel.caseCount();
        while (caseId != 0 && panel.caseOf(caseId).outcome != IValidatorPanel.Outcome.Open) {
            --caseId;
        }
        if (caseId == 0) return;
        IValidatorPanel.Case memory case_ = panel.caseOf(caseId);
        uint256 which = case_.appellant == address(0) ? 0 : 1;
        IValidatorPanel.Round memory round = panel.roundOf(caseId, which);
        if (round.judges.length == 0) {
            vm.roll(block.number + 2 + (seed % 16 == 0 ? 300 : 0));
            if (block.timestamp <= round.drawUntil && seed % 8 != 1) {
                try panel.draw(caseId) { } catch { }
                return;
            }
            if (block.timestamp <= round.drawUntil) vm.warp(round.drawUntil + 1);
            _conclude(caseId);
        } else if (block.timestamp <= round.commitUntil) {
            _vote(caseId, case_.disputed, round, seed);
        } else if (which == 0 && block.timestamp > round.revealUntil && block.timestamp <= round.revealUntil + STEP) {
            if (seed % 2 == 0) {
                uint256 cost = panel.appealCostOf(caseId);
                vm.prank(appellant.addr);
                panel.appeal{ value: cost }(caseId);
            } else {
                vm.warp(round.revealUntil + STEP + 1);
                _conclude(caseId);
            }
        } else {
            if (block.timestamp <= round.revealUntil + STEP) vm.warp(round.revealUntil + STEP + 1);
            _conclude(caseId);
        }
    }

    function _vote(uint256 caseId, uint256 disputed, IValidatorPanel.Round memory round, uint256 seed) private {
        for (uint256 i; i < round.judges.length; ++i) {
            uint256 own = uint256(keccak256(abi.encode(seed, i)));
            if (own % 4 != 0) commit(caseId, round.judges[i], _choice(own, disputed));
        }
        vm.warp(round.commitUntil + 1);
        for (uint256 i; i < round.judges.length; ++i) {
            uint256 own = uint256(keccak256(abi.encode(seed, i)));
            if (own % 4 == 0 || own % 16 == 1) continue;
            reveal(caseId, round.judges[i], _choice(own, disputed));
            uint256 count = ++votes[caseId][round.judges[i]];
            if (count > votesMost) votesMost = count;
        }
        vm.warp(round.revealUntil + 1);
    }

    /// @dev Three of four accept everything, so that there are majorities.
    function _choice(uint256 own, uint256 disputed) private pure returns (uint256) {
        return own >> 8 & 3 != 0 ? disputed : disputed & (own >> 16);
    }

    function _conclude(uint256 caseId) private {
        address[] memory all = accounts();
        uint256[] memory before = new uint256[](all.length);
        for (uint256 i; i < all.length; ++i) {
            (before[i],) = pools.poolOf(VALIDATOR, uint160(all[i]));
        }
        IValidatorPanel.Outcome outcome = panel.conclude(caseId);
        for (uint256 i; i < all.length; ++i) {
            (uint256 assets,) = pools.poolOf(VALIDATOR, uint160(all[i]));
            if (assets == before[i]) continue;
            uint256 lost = before[i] - assets;
            slashedWei += lost;
            uint256 bps = lost * 10_000 / panel.voteOf(caseId, all[i]).weight;
            if (bps > slashBpsMost) slashBpsMost = bps;
        }
        if (outcome != IValidatorPanel.Outcome.Decided) return;
        ++decided;
        uint256 disputed = panel.caseOf(caseId).disputed;
        for (uint256 record; record < RECORD_COUNT; ++record) {
            if (disputed >> record & 1 == 0) continue;
            if (++decisions[record] > decisionsMost) decisionsMost = decisions[record];
        }
    }

    function stakeMore(uint256 seed, uint256 amount) external {
        address who = validators[seed % validators.length].addr;
        amount = bound(amount, 1 ether, 50 ether);
        stakedWei += amount;
        vm.prank(who);
        pools.stake{ value: amount }(VALIDATOR, uint160(who));
    }

    function leave(uint256 seed, uint256 share) external {
        address who = validators[seed % validators.length].addr;
        uint256 held = pools.sharesOf(VALIDATOR, uint160(who), who);
        uint256 shares = bound(share, 0, held / 2);
        if (shares == 0) return;
        vm.prank(who);
        _unstakings.push(pools.requestUnstake(VALIDATOR, uint160(who), shares));
        _unstakers.push(who);
    }

    /// @dev Nobody's exit is ever held up beyond the unbonding time.
    function takeOut() external {
        if (_unstakings.length == 0) return;
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(_unstakers[_unstakers.length - 1]);
        unstakedWei += pools.unstake(_unstakings[_unstakings.length - 1]);
        _unstakings.pop();
        _unstakers.pop();
    }

    function refreshLot(uint256 seed) external {
        address[] memory whom = new address[](1);
        whom[0] = validators[seed % validators.length].addr;
        vm.prank(whom[0]);
        if (seed % 5 == 0) panel.retire();
        else panel.refresh(whom);
        vm.roll(block.number + 1);
    }

    function takePay(uint256 seed) external {
        address[] memory all = accounts();
        address who = all[seed % all.length];
        if (panel.owedTo(who) == 0) return;
        vm.prank(who);
        panel.withdraw();
    }
}

contract ValidatorPanel_Invariant is ValidatorPanelTest {
    ValidatorPanelHandler private _handler;

    function setUp() public override {
        _handler = new ValidatorPanelHandler();
        _handler.setUp();
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = ValidatorPanelHandler.open.selector;
        selectors[1] = ValidatorPanelHandler.proceed.selector;
        selectors[2] = ValidatorPanelHandler.stakeMore.selector;
        selectors[3] = ValidatorPanelHandler.leave.selector;
        selectors[4] = ValidatorPanelHandler.takeOut.selector;
        selectors[5] = ValidatorPanelHandler.refreshLot.selector;
        selectors[6] = ValidatorPanelHandler.takePay.selector;
        // a case has many steps
        selectors[7] = ValidatorPanelHandler.proceed.selector;
        target(address(_handler), selectors);
    }

    /// @dev What the invariants speak of does happen: decisions, slashes and appeals.
    function test_handler_atRandom_decidesSlashesAndAppeals() public {
        uint256 appeals;
        IValidatorPanel panelOf = IValidatorPanel(_handler.parts().panel);
        uint256 start = vm.snapshotState();
        uint256 decided;
        uint256 slashed;
        for (uint256 run; run < 8; ++run) {
            for (uint256 i; i < 24; ++i) {
                uint256 seed = uint256(keccak256(abi.encode(run, i)));
                _handler.open(seed);
                _handler.proceed(seed);
                IValidatorPanel.Case memory case_ = panelOf.caseOf(panelOf.caseCount());
                if (case_.appellant != address(0)) ++appeals;
            }
            decided += _handler.decided();
            slashed += _handler.slashedWei();
            vm.revertToState(start);
            start = vm.snapshotState();
        }
        vm.assertTrue(decided > 8 && slashed > 0 && appeals > 0);
    }

    /// @dev Fees and bonds of open cases, what accounts are owed and what is carried: to the last wei.
    function invariant_fees_areConserved() public view {
        IValidatorPanel panelOf = IValidatorPanel(_handler.parts().panel);
        uint256 held = panelOf.carriedWei();
        for (uint256 id = 1; id <= panelOf.caseCount(); ++id) {
            IValidatorPanel.Case memory case_ = panelOf.caseOf(id);
            if (case_.outcome == IValidatorPanel.Outcome.Open) held += case_.feeWei + case_.appealWei;
        }
        address[] memory all = _handler.accounts();
        for (uint256 i; i < all.length; ++i) {
            held += panelOf.owedTo(all[i]);
        }
        vm.assertEq(address(panelOf).balance, held);
    }

    function invariant_stake_isConserved() public view {
        address stakes = _handler.parts().pools;
        uint256 assets;
        address[] memory all = _handler.accounts();
        for (uint256 i; i < all.length; ++i) {
            (uint256 pool,) = ISecurityStake(stakes).poolOf(VALIDATOR, uint160(all[i]));
            assets += pool;
        }
        vm.assertEq(stakes.balance, assets);
        vm.assertEq(_handler.stakedWei(), assets + _handler.unstakedWei() + _handler.slashedWei());
    }

    function invariant_slashes_keepTheirCap_nobodyVotesTwice_nothingIsDecidedTwice() public view {
        vm.assertLe(_handler.slashBpsMost(), 500, "slashed");
        vm.assertLe(_handler.votesMost(), 1, "votes of a judge in a case");
        vm.assertLe(_handler.decisionsMost(), 1, "decisions about a record");
    }
}
