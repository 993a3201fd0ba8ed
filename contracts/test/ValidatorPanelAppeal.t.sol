// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IValidatorPanel } from "../src/interfaces/IValidatorPanel.sol";
import { ValidatorPanelTest } from "./ValidatorPanelTest.t.sol";

contract ValidatorPanel_appeal_Test is ValidatorPanelTest {
    function test_appeal_otherVerdict_returnsTheBondAndSlashesTheFirstRound() public {
        uint256 caseId = dispute();
        address[] memory first = drawn(caseId, 0);
        vote(caseId, first, 0, 0, 0);
        vm.assertEq(panel.appealCostOf(caseId), 1.2 ether);
        vm.prank(appellant.addr);
        panel.appeal{ value: 1.2 ether }(caseId);
        address[] memory second = drawn(caseId, 1);
        vote(caseId, second, 12, 0, 0);
        vm.warp(block.timestamp + 1);
        vm.assertTrue(panel.conclude(caseId) == IValidatorPanel.Outcome.Decided);
        vm.assertEq(panel.caseOf(caseId).accepted, 12);
        vm.assertEq(panel.owedTo(appellant.addr), 0.6 ether);
        // both fees, and what the first three lost
        uint256 pot = 0.3 ether + 0.6 ether + 3 * 2 ether;
        for (uint256 i; i < second.length; ++i) {
            vm.assertEq(panel.owedTo(second[i]), pot / 6);
        }
        for (uint256 i; i < first.length; ++i) {
            vm.assertEq(panel.owedTo(first[i]), 0);
            vm.assertApproxEqAbs(bonded(first[i]), 98 ether, 1, "outvoted by the final verdict");
        }
        // there is no other
        vm.prank(requester.addr);
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelConcluded.selector, caseId));
        panel.appeal{ value: 1.2 ether }(caseId);
        vm.prank(requester.addr);
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelAlreadyDisputed.selector);
        panel.dispute{ value: 0.3 ether }(contributionId, 0, 4);
    }

    function test_appeal_sameVerdict_losesTheBondToTheJudges() public {
        uint256 caseId = dispute();
        address[] memory first = drawn(caseId, 0);
        vote(caseId, first, 12, 0, 0);
        vm.prank(appellant.addr);
        panel.appeal{ value: 1.2 ether }(caseId);
        address[] memory second = drawn(caseId, 1);
        vote(caseId, second, 12, 0, 0);
        vm.warp(block.timestamp + 1);
        panel.conclude(caseId);
        vm.assertEq(panel.owedTo(appellant.addr), 0);
        uint256 pot = 0.3 ether + 1.2 ether;
        vm.assertEq(panel.owedTo(first[0]), pot / 9);
        vm.assertEq(panel.carriedWei(), pot % 9);
    }

    function test_appeal_nobodyDrawn_leavesTheFirstVerdict() public {
        uint256 caseId = dispute();
        address[] memory first = drawn(caseId, 0);
        vote(caseId, first, 12, 0, 0);
        vm.prank(appellant.addr);
        panel.appeal{ value: 1.2 ether }(caseId);
        vm.warp(block.timestamp + STEP + 1);
        vm.assertTrue(panel.conclude(caseId) == IValidatorPanel.Outcome.Decided);
        vm.assertEq(panel.caseOf(caseId).accepted, 12);
        vm.assertEq(panel.owedTo(appellant.addr), 1.2 ether);
    }

    function test_appeal_twiceOrTooLateOrForLess_reverts() public {
        uint256 caseId = dispute();
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelTooEarly.selector);
        panel.appeal{ value: 1.2 ether }(caseId);
        address[] memory first = drawn(caseId, 0);
        vote(caseId, first, 12, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelWrongFee.selector, 1.2 ether, 1 ether));
        panel.appeal{ value: 1 ether }(caseId);
        uint256 before = vm.snapshotState();
        panel.appeal{ value: 1.2 ether }(caseId);
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelAppealed.selector, caseId));
        panel.appeal{ value: 1.2 ether }(caseId);
        vm.revertToState(before);
        vm.warp(block.timestamp + STEP + 1);
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelTooLate.selector);
        panel.appeal{ value: 1.2 ether }(caseId);
    }
}
