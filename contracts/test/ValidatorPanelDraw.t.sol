// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IValidatorPanel } from "../src/interfaces/IValidatorPanel.sol";
import { ValidatorPanelTest } from "./ValidatorPanelTest.t.sol";

contract ValidatorPanel_draw_Test is ValidatorPanelTest {
    function test_draw_inTheBlockThatIsDrawnWith_reverts() public {
        uint256 caseId = dispute();
        vm.roll(block.number + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IValidatorPanel.ValidatorPanelTooEarly.selector, caseId, block.number + 1)
        );
        panel.draw(caseId);
    }

    function test_draw_neverTakesPartiesNorAnyoneTwice() public {
        requester = validators[0];
        contributor = validators[1];
        contributionId = contribute(RECORD_COUNT - 1);
        bytes32 root = rootOf(RECORD_COUNT - 1, 3);
        vm.prank(rules.addr);
        datanets.recordVerdict(contributionId, root, 2, 0);
        vm.prank(builder.addr);
        datanets.transferDatanet(datanetId, validators[2].addr);
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        vm.assertEq(judges.length, JUDGES);
        for (uint256 i; i < judges.length; ++i) {
            for (uint256 j; j < 3; ++j) {
                vm.assertTrue(judges[i] != validators[j].addr);
            }
            for (uint256 j; j < i; ++j) {
                vm.assertTrue(judges[i] != judges[j]);
            }
        }
    }

    /// @dev Once the block is known, nothing that anyone does changes who is drawn.
    function test_draw_afterwards_cannotBeBent() public {
        uint256 caseId = dispute();
        vm.roll(block.number + 2);
        uint256 before = snapshot();
        panel.draw(caseId);
        address[] memory honest = panel.roundOf(caseId, 0).judges;
        restore(before);

        enlisted("late", 1_000 ether);
        for (uint256 i; i < 4; ++i) {
            Actor memory validator = validators[i];
            vm.startPrank(validator.addr);
            if (i == 0) {
                panel.retire();
            } else if (i == 1) {
                pools.stake{ value: 5_000 ether }(VALIDATOR, uint160(validator.addr));
            } else {
                pools.requestUnstake(VALIDATOR, uint160(validator.addr), 95_000 ether);
            }
            address[] memory whom = new address[](1);
            whom[0] = validator.addr;
            panel.refresh(whom);
            vm.stopPrank();
        }
        panel.draw(caseId);
        address[] memory bent = panel.roundOf(caseId, 0).judges;
        for (uint256 i; i < honest.length; ++i) {
            vm.assertEq(bent[i], honest[i]);
        }
    }

    /// @dev Oracle: the share of the first seat that a lot of four parts in twelve gets, over 300 blocks.
    function test_draw_byStake_inProportion() public {
        vm.startPrank(validators[0].addr);
        pools.stake{ value: 300 ether }(VALIDATOR, uint160(validators[0].addr));
        address[] memory whom = new address[](1);
        whom[0] = validators[0].addr;
        panel.refresh(whom);
        vm.stopPrank();
        vm.prank(builder.addr);
        panel.setTerms(datanetId, 1, FEE);
        vm.roll(block.number + 1);
        uint256 firsts;
        uint256 start = snapshot();
        for (uint256 i; i < 300; ++i) {
            restore(start);
            start = snapshot();
            vm.roll(2000 + 7 * i);
            uint256 caseId = panel.dispute{ value: FEE }(contributionId, 0, DISPUTED);
            if (drawn(caseId, 0)[0] == validators[0].addr) ++firsts;
        }
        vm.assertApproxEqAbs(firsts, 100, 25, "a third of 300 draws, within three deviations");
    }

    function test_draw_tooLate_namesANewBlock() public {
        uint256 caseId = dispute();
        vm.roll(block.number + 300);
        vm.assertFalse(panel.draw(caseId));
        vm.assertEq(uint256(panel.roundOf(caseId, 0).drawBlock), block.number + 1);
        drawn(caseId, 0);
    }

    function test_draw_tooFew_lapsesAndGivesTheFeeBack() public {
        for (uint256 i; i < 7; ++i) {
            vm.prank(validators[i].addr);
            panel.retire();
        }
        vm.roll(block.number + 1);
        uint256 caseId = dispute();
        vm.roll(block.number + 2);
        vm.expectRevert(
            abi.encodeWithSelector(IValidatorPanel.ValidatorPanelTooFew.selector, caseId, uint256(2), uint256(JUDGES))
        );
        panel.draw(caseId);
        vm.warp(block.timestamp + STEP + 1);
        vm.assertTrue(panel.conclude(caseId) == IValidatorPanel.Outcome.Lapsed);
        vm.assertEq(panel.owedTo(requester.addr), uint256(JUDGES) * FEE);
        // and may be disputed again
        dispute();
    }

    function test_enlist_belowASeat_reverts() public {
        Actor memory poor = richActor("poor");
        vm.startPrank(poor.addr);
        pools.stake{ value: 9 ether }(VALIDATOR, uint160(poor.addr));
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelBelowSeat.selector, 9 ether, 10 ether));
        panel.enlist(9);
    }

    function test_enlist_placeOfWhoLeft_isFreeOnlyOnceNoDrawLooksBackToIt() public {
        vm.prank(validators[4].addr);
        panel.retire();
        Actor memory next = richActor("next");
        vm.startPrank(next.addr);
        pools.stake{ value: 10 ether }(VALIDATOR, uint160(next.addr));
        vm.roll(block.number + panel.PLACE_BLOCKS());
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelPlaceTaken.selector, uint256(4)));
        panel.enlist(4);
        vm.roll(block.number + 1);
        panel.enlist(4);
        vm.stopPrank();
        (address[] memory holders,) = panel.places();
        vm.assertEq(holders[4], next.addr);
    }

    function snapshot() private returns (uint256) {
        return vm.snapshotState();
    }

    function restore(uint256 id) private {
        vm.assertTrue(vm.revertToState(id));
    }
}
