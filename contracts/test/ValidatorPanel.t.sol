// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { IValidatorPanel } from "../src/interfaces/IValidatorPanel.sol";
import { ValidatorPanelTest } from "./ValidatorPanelTest.t.sol";

contract ValidatorPanel_dispute_Test is ValidatorPanelTest {
    function test_dispute_underThePanel_takesTheContributionFromNamedValidators() public {
        dispute();
        vm.assertEq(datanets.contributionOf(contributionId).panel, address(panel));
        bytes32 root = rootOf(RECORD_COUNT, 1);
        vm.prank(rules.addr);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotPanel.selector, contributionId, rules.addr));
        datanets.recordVerdict(contributionId, root, 1, 0);
        // nor does the owner get it back by going elsewhere
        vm.startPrank(builder.addr);
        datanets.setPanel(datanetId, builder.addr, false);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotPanel.selector, contributionId, builder.addr));
        datanets.referToPanel(contributionId);
        vm.stopPrank();
    }

    function test_dispute_ofAnotherPanelsDatanet_reverts() public {
        vm.prank(builder.addr);
        datanets.setPanel(datanetId, address(0), false);
        vm.prank(requester.addr);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotPanel.selector, contributionId, address(panel)));
        panel.dispute{ value: 0.3 ether }(contributionId, 0, DISPUTED);
    }

    function test_dispute_aRecordTwice_reverts() public {
        dispute();
        vm.prank(requester.addr);
        vm.expectRevert(
            abi.encodeWithSelector(IValidatorPanel.ValidatorPanelAlreadyDisputed.selector, uint32(0), uint256(4))
        );
        panel.dispute{ value: 0.3 ether }(contributionId, 0, 5);
        // another record of it is another case
        panel.dispute{ value: 0.3 ether }(contributionId, 0, 1);
        vm.assertEq(panel.caseCount(), 2);
    }

    function test_dispute_recordsThatAreNotThere_revert() public {
        uint32[3] memory parts = [uint32(0), 0, 1];
        uint256[3] memory disputed = [uint256(0), 32, 1];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IValidatorPanel.ValidatorPanelInvalidRecords.selector, parts[i], disputed[i], uint32(RECORD_COUNT)
                )
            );
            panel.dispute{ value: 0.3 ether }(contributionId, parts[i], disputed[i]);
        }
    }

    function test_dispute_forAnotherFee_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelWrongFee.selector, 0.3 ether, 0.2 ether));
        panel.dispute{ value: 0.2 ether }(contributionId, 0, DISPUTED);
    }

    function test_dispute_exitsShorterThanACase_reverts() public {
        vm.prank(governance.addr);
        pools.setUnbonding(7 * STEP - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IValidatorPanel.ValidatorPanelUnbondingTooShort.selector, 7 * STEP - 1, 7 * STEP)
        );
        panel.dispute{ value: 0.3 ether }(contributionId, 0, DISPUTED);
    }

    function test_dispute_withoutVerdict_reverts() public {
        bytes32 unjudged = contribute(3);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotJudged.selector, unjudged));
        panel.dispute{ value: 0.3 ether }(unjudged, 0, 1);
    }

    function test_setPanel_only_leavesNamedValidatorsNothingToAccept() public {
        vm.prank(builder.addr);
        vm.expectRevert(IDatanets.DatanetsZeroAddress.selector);
        datanets.setPanel(datanetId, address(0), true);
        vm.prank(builder.addr);
        datanets.setPanel(datanetId, address(panel), true);
        contributionId = contribute(RECORD_COUNT - 1);
        bytes32 root = rootOf(RECORD_COUNT - 1, 1);
        vm.prank(rules.addr);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsPanelOnly.selector, datanetId));
        datanets.recordVerdict(contributionId, root, 1, 0);
        // rejected, it goes before the panel, whose judges accept what they will
        vm.prank(rules.addr);
        datanets.recordVerdict(contributionId, 0, 0, keccak256("rules"));
        vm.prank(requester.addr);
        uint256 caseId = panel.dispute{ value: 0.3 ether }(contributionId, 0, 15);
        address[] memory judges = drawn(caseId, 0);
        vote(caseId, judges, 7, 0, 0);
        vm.warp(block.timestamp + STEP);
        panel.conclude(caseId);
        panel.carryOut(caseId, recordIds(RECORD_COUNT - 1), new uint256[](1));
        vm.assertEq(datanets.contributionOf(contributionId).acceptedRoot, rootOf(RECORD_COUNT - 1, 7));
    }

    function test_setTerms_byAnyoneElse_reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(IValidatorPanel.ValidatorPanelNotOwner.selector, datanetId, address(this))
        );
        panel.setTerms(datanetId, 3, FEE);
        vm.startPrank(builder.addr);
        uint8[3] memory wrong = [uint8(0), 4, 11];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelInvalidTerms.selector, wrong[i], FEE));
            panel.setTerms(datanetId, wrong[i], FEE);
        }
        vm.stopPrank();
    }
}

contract ValidatorPanel_gas_Test is ValidatorPanelTest {
    function test_flows_areMeasured() public {
        uint256 caseId = dispute();
        vm.snapshotGasLastCall("ValidatorPanel", "dispute");
        vm.roll(block.number + 2);
        panel.draw(caseId);
        vm.snapshotGasLastCall("ValidatorPanel", "draw, 3 of 9");
        address[] memory judges = panel.roundOf(caseId, 0).judges;
        for (uint256 i; i < judges.length; ++i) {
            bytes32 commitment = panel.commitmentOf(caseId, judges[i], 12, saltOf(judges[i]));
            vm.prank(judges[i]);
            panel.commitVote(caseId, commitment, 0);
        }
        vm.snapshotGasLastCall("ValidatorPanel", "commit");
        vm.warp(block.timestamp + STEP + 1);
        for (uint256 i; i < judges.length; ++i) {
            reveal(caseId, judges[i], 12);
        }
        vm.snapshotGasLastCall("ValidatorPanel", "reveal");
        vm.warp(block.timestamp + 2 * STEP);
        panel.conclude(caseId);
        vm.snapshotGasLastCall("ValidatorPanel", "conclude, 3 judges");
        carryOut(caseId, STANDING);
        vm.snapshotGasLastCall("ValidatorPanel", "carry out, 5 records");
    }

    /// @dev The most that a block has to bear: two rounds of the largest panel over 256 records, all of them slashed or paid.
    function test_largestCase_fitsABlock() public {
        contributionId = contribute(2000);
        bytes32 root = rootOf(2000, 1);
        vm.prank(rules.addr);
        datanets.recordVerdict(contributionId, root, 1, 0);
        for (uint256 i = 9; i < 256; ++i) {
            enlisted(string.concat("validator", vm.toString(i)), 100 ether);
        }
        vm.prank(builder.addr);
        panel.setTerms(datanetId, 9, FEE);
        vm.roll(block.number + 1);
        vm.prank(requester.addr);
        uint256 caseId = panel.dispute{ value: 0.9 ether }(contributionId, 1, type(uint256).max);
        address[] memory first = drawn(caseId, 0);
        vote(caseId, first, 1, 0, 0);
        vm.prank(appellant.addr);
        panel.appeal{ value: 3.6 ether }(caseId);
        vm.roll(block.number + 2);
        panel.draw(caseId);
        vm.snapshotGasLastCall("ValidatorPanel", "draw, 18 of 256");
        address[] memory second = panel.roundOf(caseId, 1).judges;
        vote(caseId, second, type(uint256).max, 0, 0);
        vm.warp(block.timestamp + 1);
        panel.conclude(caseId);
        vm.snapshotGasLastCall("ValidatorPanel", "conclude, 27 judges, 256 records");
        uint256[] memory standing = new uint256[](8);
        standing[0] = 1;
        panel.carryOut(caseId, recordIds(2000), standing);
        vm.snapshotGasLastCall("ValidatorPanel", "carry out, 2,000 records");
        vm.assertEq(datanets.contributionOf(contributionId).acceptedCount, 257);
    }
}
