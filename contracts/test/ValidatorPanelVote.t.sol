// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { IValidatorPanel } from "../src/interfaces/IValidatorPanel.sol";
import { Base } from "./Base.t.sol";
import { ValidatorPanelTest } from "./ValidatorPanelTest.t.sol";

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
