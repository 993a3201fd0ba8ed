// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { IValidatorPanel } from "../src/interfaces/IValidatorPanel.sol";
import { Base } from "./Base.t.sol";
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

contract ValidatorPanel_vote_Test is ValidatorPanelTest {
    function test_conclude_agreement_isCarriedOutAndPaid() public {
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        vote(caseId, judges, 4, 0, 0);
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelTooEarly.selector);
        panel.conclude(caseId);
        vm.warp(block.timestamp + STEP);
        vm.assertTrue(panel.conclude(caseId) == IValidatorPanel.Outcome.Decided);
        IValidatorPanel.Case memory case_ = panel.caseOf(caseId);
        vm.assertEq(case_.accepted, 4);
        vm.assertEq(case_.rejected, 8);
        for (uint256 i; i < judges.length; ++i) {
            vm.assertEq(panel.owedTo(judges[i]), FEE);
            vm.assertEq(bonded(judges[i]), 100 ether);
            uint256 had = judges[i].balance;
            vm.prank(judges[i]);
            panel.withdraw();
            vm.assertEq(judges[i].balance, had + FEE);
        }
        vm.assertEq(address(panel).balance, 0);

        carryOut(caseId, STANDING);
        IDatanets.Contribution memory contribution = datanets.contributionOf(contributionId);
        vm.assertEq(contribution.acceptedRoot, rootOf(RECORD_COUNT, 7));
        vm.assertEq(contribution.acceptedCount, 3);
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelNotDecided.selector, caseId));
        carryOut(caseId, 7);
    }

    function test_carryOut_otherRecordsOrAnotherStanding_reverts() public {
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        vote(caseId, judges, 4, 0, 0);
        vm.warp(block.timestamp + STEP);
        panel.conclude(caseId);
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelWrongRecords.selector);
        carryOut(caseId, 1);
        bytes32[] memory ids = recordIds(RECORD_COUNT);
        ids[4] = keccak256("another");
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelWrongRecords.selector);
        panel.carryOut(caseId, ids, new uint256[](1));
    }

    /// @dev What one judge committed to is worth nothing to another, nor for another case.
    function test_reveal_copiedCommitment_reverts() public {
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        bytes32 commitment = panel.commitmentOf(caseId, judges[0], 4, saltOf(judges[0]));
        vm.prank(judges[0]);
        panel.commitVote(caseId, commitment, 0);
        vm.prank(judges[1]);
        panel.commitVote(caseId, commitment, 0);
        vm.warp(block.timestamp + STEP + 1);
        reveal(caseId, judges[0], 4);
        vm.prank(judges[1]);
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelWrongReveal.selector, caseId, judges[1]));
        panel.revealVote(caseId, 4, saltOf(judges[0]), "");
        vm.prank(judges[0]);
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelWrongReveal.selector);
        panel.revealVote(caseId, 4, saltOf(judges[0]), "");
    }

    function test_vote_byWhoeverIsNotDrawnOrOutOfTime_reverts() public {
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        vm.prank(requester.addr);
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelNotDrawn.selector, caseId, requester.addr));
        panel.commitVote(caseId, bytes32(uint256(1)), 0);
        commit(caseId, judges[0], 4);
        vm.prank(judges[0]);
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelTooEarly.selector);
        panel.revealVote(caseId, 4, saltOf(judges[0]), "");
        vm.warp(block.timestamp + STEP + 1);
        vm.prank(judges[1]);
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelTooLate.selector);
        panel.commitVote(caseId, bytes32(uint256(1)), 0);
        vm.warp(block.timestamp + STEP);
        vm.prank(judges[0]);
        vm.expectPartialRevert(IValidatorPanel.ValidatorPanelTooLate.selector);
        panel.revealVote(caseId, 4, saltOf(judges[0]), "");
    }

    /// @dev Judges of a first round have no say in the second, revealed or not.
    function test_vote_twice_isImpossible() public {
        uint256 caseId = dispute();
        address[] memory first = drawn(caseId, 0);
        vm.warp(block.timestamp + 2 * STEP + 1);
        vm.prank(appellant.addr);
        panel.appeal{ value: 1.2 ether }(caseId);
        address[] memory second = drawn(caseId, 1);
        vm.assertEq(second.length, 6);
        for (uint256 i; i < first.length; ++i) {
            for (uint256 j; j < second.length; ++j) {
                vm.assertTrue(first[i] != second[j]);
            }
            vm.prank(first[i]);
            vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelNotDrawn.selector, caseId, first[i]));
            panel.commitVote(caseId, bytes32(uint256(1)), 0);
        }
    }

    function test_conclude_silence_costsFivePerCentAndPaysThoseWhoSpoke() public {
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        commit(caseId, judges[0], 12);
        commit(caseId, judges[1], 12);
        vm.warp(block.timestamp + STEP + 1);
        reveal(caseId, judges[0], 12);
        reveal(caseId, judges[1], 12);
        vm.warp(block.timestamp + 2 * STEP);
        vm.expectEmit(address(panel));
        emit IValidatorPanel.JudgeSlashed(caseId, judges[2], 5 ether, true);
        panel.conclude(caseId);
        vm.assertApproxEqAbs(bonded(judges[2]), 95 ether, 1, "slashed");
        vm.assertEq(panel.owedTo(judges[0]), (0.3 ether + 5 ether) / 2);
        vm.assertEq(panel.owedTo(judges[2]), 0);
    }

    function test_conclude_mostOfTheStakeSilent_decidesNothingAndCostsTheSilent() public {
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        commit(caseId, judges[0], 12);
        vm.warp(block.timestamp + STEP + 1);
        reveal(caseId, judges[0], 12);
        vm.warp(block.timestamp + 2 * STEP);
        vm.assertTrue(panel.conclude(caseId) == IValidatorPanel.Outcome.Hung);
        vm.assertEq(panel.owedTo(requester.addr), 0.3 ether);
        vm.assertEq(panel.owedTo(judges[0]), 10 ether);
        vm.assertApproxEqAbs(bonded(judges[1]), 95 ether, 1, "slashed");
        vm.expectRevert(abi.encodeWithSelector(IValidatorPanel.ValidatorPanelNotDecided.selector, caseId));
        carryOut(caseId, STANDING);
    }

    function test_conclude_nobodySpeaks_carriesWhatIsSlashedToTheNextCase() public {
        uint256 caseId = dispute();
        drawn(caseId, 0);
        vm.warp(block.timestamp + 3 * STEP + 1);
        panel.conclude(caseId);
        vm.assertEq(panel.carriedWei(), 15 ether);
        vm.assertEq(address(panel).balance, 15.3 ether);
    }

    function test_conclude_clearlyOutvoted_isSlashed() public {
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        vote(caseId, judges, 12, 1, 0);
        vm.warp(block.timestamp + STEP);
        panel.conclude(caseId);
        vm.assertApproxEqAbs(bonded(judges[2]), 98 ether, 1, "two per cent");
        vm.assertEq(panel.owedTo(judges[0]), (0.3 ether + 2 ether) / 2);
        vm.assertEq(panel.owedTo(judges[2]), 0);
    }

    function test_conclude_outvotedOnHalf_isNotSlashed() public {
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        vote(caseId, judges, 12, 1, 4);
        vm.warp(block.timestamp + STEP);
        panel.conclude(caseId);
        vm.assertEq(bonded(judges[2]), 100 ether);
        vm.assertEq(panel.owedTo(judges[2]), FEE);
    }

    /// @dev Oracle: the median of the votes, each counted as often as its stake says.
    function testFuzz_conclude_anyVotes_areTheStakeWeightedMedian(uint256[3] memory votes, uint256 stakes) public {
        for (uint256 i; i < 9; ++i) {
            uint256 more = (stakes >> (8 * i) & 255) * 1 ether;
            vm.startPrank(validators[i].addr);
            pools.stake{ value: 1 ether + more }(VALIDATOR, uint160(validators[i].addr));
            address[] memory whom = new address[](1);
            whom[0] = validators[i].addr;
            panel.refresh(whom);
            vm.stopPrank();
        }
        vm.roll(block.number + 1);
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        for (uint256 i; i < 3; ++i) {
            votes[i] &= DISPUTED;
            commit(caseId, judges[i], votes[i]);
        }
        vm.warp(block.timestamp + STEP + 1);
        for (uint256 i; i < 3; ++i) {
            reveal(caseId, judges[i], votes[i]);
        }
        vm.warp(block.timestamp + 2 * STEP);
        panel.conclude(caseId);
        IValidatorPanel.Case memory case_ = panel.caseOf(caseId);
        for (uint256 record = 2; record < 4; ++record) {
            uint256 total;
            uint256 ones;
            for (uint256 i; i < 3; ++i) {
                uint256 weight = panel.voteOf(caseId, judges[i]).weight;
                total += weight;
                if (votes[i] >> record & 1 == 1) ones += weight;
            }
            vm.assertEq(case_.accepted >> record & 1, 2 * ones > total ? 1 : 0);
            vm.assertEq(case_.rejected >> record & 1, 2 * ones < total ? 1 : 0);
        }
        vm.assertEq(case_.accepted & ~DISPUTED, 0);
        vm.assertEq(case_.rejected & ~DISPUTED, 0);
    }

    function test_conclude_slashedToTheCap_stillConcludes() public {
        vm.prank(governance.addr);
        pools.setSlasher(address(panel), 100);
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        vm.warp(block.timestamp + 3 * STEP + 1);
        panel.conclude(caseId);
        for (uint256 i; i < judges.length; ++i) {
            vm.assertApproxEqAbs(bonded(judges[i]), 99 ether, 1, "no more than the cap");
        }
        // not entitled any more: nothing is slashed, and nothing stops
        vm.prank(governance.addr);
        pools.setSlasher(address(panel), 0);
        caseId = dispute();
        drawn(caseId, 0);
        vm.warp(block.timestamp + 3 * STEP + 1);
        vm.assertTrue(panel.conclude(caseId) == IValidatorPanel.Outcome.Hung);
    }

    /// @dev Who asks for their stake once drawn still answers with it; who asked before has no weight.
    function test_exit_duringACase_neitherEscapesNorIsHeldUp() public {
        Actor memory leaving = validators[0];
        vm.startPrank(leaving.addr);
        uint256 early = pools.requestUnstake(VALIDATOR, uint160(leaving.addr), 60_000 ether);
        address[] memory whom = new address[](1);
        whom[0] = leaving.addr;
        panel.refresh(whom);
        vm.stopPrank();
        vm.roll(block.number + 1);
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        uint256 drawnAt = block.timestamp;
        for (uint256 i; i < judges.length; ++i) {
            uint256 stake = judges[i] == leaving.addr ? 40 ether : 100 ether;
            vm.assertApproxEqAbs(panel.voteOf(caseId, judges[i]).weight, stake, 1, "what stays");
        }
        address judge = judges[0] == leaving.addr ? judges[1] : judges[0];
        vm.prank(judge);
        uint256 unstaking = pools.requestUnstake(VALIDATOR, uint160(judge), 100_000 ether);
        vm.warp(block.timestamp + 3 * STEP + 1);
        panel.conclude(caseId);
        vm.warp(drawnAt + UNBONDING);
        vm.prank(judge);
        vm.assertApproxEqAbs(pools.unstake(unstaking), 95 ether, 0.01 ether, "slashed on its way out");
        vm.prank(leaving.addr);
        pools.unstake(early);
    }

    function test_withdraw_reentered_paysOnce() public {
        Reenterer judge = new Reenterer(panel);
        vm.deal(address(judge), 300 ether);
        (address[] memory holders,) = panel.places();
        judge.enter(pools, 200 ether, holders.length);
        vm.roll(block.number + 1);
        for (uint256 i; i < 7; ++i) {
            vm.prank(validators[i].addr);
            panel.retire();
        }
        vm.roll(block.number + 1);
        uint256 caseId = dispute();
        address[] memory judges = drawn(caseId, 0);
        vote(caseId, judges, 12, 0, 0);
        vm.warp(block.timestamp + STEP);
        panel.conclude(caseId);
        uint256 had = address(judge).balance;
        vm.prank(address(judge));
        panel.withdraw();
        vm.assertEq(address(judge).balance, had + FEE);
        vm.assertTrue(judge.wasRefused());
    }

    function test_receive_fromAnyoneElse_reverts() public {
        (bool sent,) = address(panel).call{ value: 1 }("");
        vm.assertFalse(sent);
    }
}

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

contract ValidatorPanel_gas_Test is ValidatorPanelTest {
    function test_flows_areMeasured() public {
        uint256 caseId = dispute();
        vm.snapshotGasLastCall("validatorPanel", "dispute");
        vm.roll(block.number + 2);
        panel.draw(caseId);
        vm.snapshotGasLastCall("validatorPanel", "draw, 3 of 9");
        address[] memory judges = panel.roundOf(caseId, 0).judges;
        for (uint256 i; i < judges.length; ++i) {
            bytes32 commitment = panel.commitmentOf(caseId, judges[i], 12, saltOf(judges[i]));
            vm.prank(judges[i]);
            panel.commitVote(caseId, commitment, 0);
        }
        vm.snapshotGasLastCall("validatorPanel", "commit");
        vm.warp(block.timestamp + STEP + 1);
        for (uint256 i; i < judges.length; ++i) {
            reveal(caseId, judges[i], 12);
        }
        vm.snapshotGasLastCall("validatorPanel", "reveal");
        vm.warp(block.timestamp + 2 * STEP);
        panel.conclude(caseId);
        vm.snapshotGasLastCall("validatorPanel", "conclude, 3 judges");
        carryOut(caseId, STANDING);
        vm.snapshotGasLastCall("validatorPanel", "carry out, 5 records");
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
        vm.snapshotGasLastCall("validatorPanel", "draw, 18 of 256");
        address[] memory second = panel.roundOf(caseId, 1).judges;
        vote(caseId, second, type(uint256).max, 0, 0);
        vm.warp(block.timestamp + 1);
        panel.conclude(caseId);
        vm.snapshotGasLastCall("validatorPanel", "conclude, 27 judges, 256 records");
        uint256[] memory standing = new uint256[](8);
        standing[0] = 1;
        panel.carryOut(caseId, recordIds(2000), standing);
        vm.snapshotGasLastCall("validatorPanel", "carry out, 2,000 records");
        vm.assertEq(datanets.contributionOf(contributionId).acceptedCount, 257);
    }
}

/// @notice A judge in code that asks for its money once more while it is being paid.
contract Reenterer is Base {
    address private immutable _PANEL;
    bool public wasRefused;

    constructor(IValidatorPanel panel) {
        _PANEL = address(panel);
    }

    receive() external payable {
        (bool paid,) = _PANEL.call(abi.encodeCall(IValidatorPanel.withdraw, ()));
        wasRefused = !paid;
    }

    function enter(ISecurityStake stakes, uint256 amount, uint256 place) external {
        stakes.stake{ value: amount }(ISecurityStake.Role.Validator, uint160(address(this)));
        IValidatorPanel(_PANEL).enlist(place);
    }
}
