// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ICourt } from "../src/interfaces/ICourt.sol";
import { IPanel } from "../src/interfaces/IPanel.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { CourtTest } from "./CourtTest.t.sol";
import { Book } from "./World.t.sol";

abstract contract PanelTest is CourtTest {
    bytes32 internal constant SECRET = keccak256("secret");
    bytes32 internal constant COMPUTED = keccak256("what the panel computes");

    Actor[] internal members;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 8; ++i) {
            members.push(richActor(string.concat("juror", vm.toString(i))));
            vm.prank(members[i].addr);
            panel.join{ value: 10 ether }();
        }
        vm.warp(block.timestamp + 1);
        book = new Book();
        draft(7000, 3000);
    }

    function fileCase(ICourt.Posted memory posted, uint256 i) internal {
        bytes memory data = abi.encodeCall(ICourt.contest, (posted, filed(i, false), keccak256(abi.encode(SECRET))));
        announced(challenger, address(court), data, STAKE);
    }

    function drawn() internal returns (address[] memory jurors) {
        vm.roll(block.number + 1);
        vm.prevrandao(keccak256("l1"));
        panel.seal(1);
        panel.draw(1, SECRET);
        (, jurors,,,,) = panel.caseOf(1);
    }

    /// @dev Each juror commits and reveals; a result of 1 stands for not revealing.
    function vote(bytes32[5] memory results) internal {
        address[] memory jurors = drawn();
        for (uint256 i; i < 5; ++i) {
            vm.prank(jurors[i]);
            panel.commitVote(1, keccak256(abi.encode(uint256(1), jurors[i], results[i], bytes32(i))));
        }
        vm.warp(block.timestamp + STEP + 1);
        for (uint256 i; i < 5; ++i) {
            if (results[i] == bytes32(uint256(1))) continue;
            vm.prank(jurors[i]);
            panel.revealVote(1, results[i], bytes32(i));
        }
        vm.warp(block.timestamp + STEP + 1);
        court.decide(1);
    }

    function same(bytes32 result) internal pure returns (bytes32[5] memory) {
        return [result, result, result, result, result];
    }
}

contract Panel_case_Test is PanelTest {
    function test_decide_overturned_panelAndChallengerAreWinners() public {
        ICourt.Posted memory posted = post();
        fileCase(posted, 1);
        vote(same(COMPUTED));
        vm.assertEq(court.owedTo(challenger.addr), STAKE + PENALTY / 2);
        (, address[] memory jurors,,,,) = panel.caseOf(1);
        for (uint256 i; i < 5; ++i) {
            vm.assertEq(panel.owedTo(jurors[i]), PENALTY / 2 / 5);
        }
        vm.assertEq(court.correctedRoot(2), COMPUTED);
        ICourt.Posted memory none;
        court.strike(1, posted, none);
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncredited, 14_000);
        vm.prank(jurors[0]);
        panel.withdraw();
        vm.snapshotGasLastCall("Panel", "withdraw");
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelNothingOwed.selector, jurors[0]));
        vm.prank(jurors[0]);
        panel.withdraw();
    }

    function test_decide_upheld_challengerPays() public {
        ICourt.Posted memory posted = post();
        fileCase(posted, 1);
        bytes32 right = receipts[1].sharesRoot;
        // one computes otherwise, one does not reveal
        vote([right, right, right, COMPUTED, bytes32(uint256(1))]);
        vm.assertEq(court.owedTo(operator.addr), STAKE / 2);
        vm.assertEq(court.owedTo(challenger.addr), 0);
        (, address[] memory jurors,,,,) = panel.caseOf(1);
        vm.assertEq(panel.owedTo(jurors[0]), uint256(2 ether + STAKE / 2) / 3);
        vm.assertEq(panel.seatOf(jurors[3]), 9 ether);
        vm.assertEq(panel.seatOf(jurors[4]), 9 ether);
        (uint64[] memory contested,,) = settlement.contests();
        vm.assertEq(contested.length, 0);
    }

    function test_decide_hungPanel_nobodyWins() public {
        ICourt.Posted memory posted = post();
        fileCase(posted, 1);
        bytes32 silent = bytes32(uint256(1));
        vote([COMPUTED, receipts[1].sharesRoot, silent, silent, silent]);
        vm.assertEq(court.owedTo(challenger.addr), STAKE);
        vm.assertEq(court.owedTo(operator.addr), 0);
    }

    function test_decide_challengerKeepsTheSecret_loses() public {
        ICourt.Posted memory posted = post();
        fileCase(posted, 1);
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelTooEarly.selector, 1, block.timestamp + STEP + 1));
        court.decide(1);
        vm.warp(block.timestamp + STEP + 1);
        court.decide(1);
        vm.assertEq(court.owedTo(operator.addr), STAKE);
    }

    /// @dev The chain's half of the seed is fixed while only the challenger knows the other.
    function test_draw_beforeSealOrWithAnotherSecret_reverts() public {
        fileCase(post(), 1);
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelTooEarly.selector, 1, block.number + 1));
        panel.seal(1);
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelTooEarly.selector, 1, block.number + 1));
        panel.draw(1, SECRET);
        vm.roll(block.number + 1);
        panel.seal(1);
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelAlreadySealed.selector, 1));
        panel.seal(1);
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelWrongSecret.selector, 1));
        panel.draw(1, keccak256("another"));
        panel.draw(1, SECRET);
        vm.expectPartialRevert(IPanel.PanelTooLate.selector);
        panel.draw(1, SECRET);
    }

    function test_draw_partiesAndLatecomers_areNotDrawn() public {
        for (uint256 i; i < 8; ++i) {
            vm.prank(members[i].addr);
            panel.stepDown();
        }
        vm.deal(operator.addr, 10 ether);
        vm.prank(operator.addr);
        panel.join{ value: 10 ether }();
        vm.deal(challenger.addr, 100 ether);
        vm.prank(challenger.addr);
        panel.join{ value: 10 ether }();
        ICourt.Posted memory posted = post();
        vm.warp(block.timestamp + 1);
        vm.prank(members[0].addr);
        panel.join{ value: 10 ether }();
        bytes memory data = abi.encodeCall(ICourt.contest, (posted, filed(1, false), keccak256(abi.encode(SECRET))));
        vm.expectRevert(IPanel.PanelNobodySeated.selector);
        this.fileAs(data);
    }

    function fileAs(bytes calldata data) external {
        announced(challenger, address(court), data, STAKE);
    }

    function test_revealVote_copiedCommitment_reveals_nothing() public {
        fileCase(post(), 1);
        address[] memory jurors = drawn();
        bytes32 commitment = keccak256(abi.encode(uint256(1), jurors[0], COMPUTED, bytes32("salt")));
        vm.prank(jurors[0]);
        panel.commitVote(1, commitment);
        vm.prank(jurors[1]);
        panel.commitVote(1, commitment);
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelTooEarly.selector, 1, block.timestamp + STEP + 1));
        vm.prank(jurors[0]);
        panel.revealVote(1, COMPUTED, bytes32("salt"));
        vm.warp(block.timestamp + STEP + 1);
        vm.prank(jurors[0]);
        panel.revealVote(1, COMPUTED, bytes32("salt"));
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelWrongReveal.selector, 1, jurors[1]));
        vm.prank(jurors[1]);
        panel.revealVote(1, COMPUTED, bytes32("salt"));
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelNotDrawn.selector, 1, stranger.addr));
        vm.prank(stranger.addr);
        panel.revealVote(1, COMPUTED, bytes32("salt"));
        vm.expectRevert(abi.encodeWithSelector(IPanel.PanelOnDuty.selector, jurors[0], 1));
        vm.prank(jurors[0]);
        panel.stepDown();
    }
}

contract Panel_exclusion_Test is PanelTest {
    /// @dev A batch, and what proves both accounts' lines in its ledger.
    struct Settled {
        ICourt.Posted posted;
        bytes claims;
        bytes siblings;
    }

    function _settled() private returns (Settled memory settled) {
        uint256[] memory lines = new uint256[](2);
        lines[1] = 1;
        settled.posted = post();
        (settled.claims, settled.siblings) = book.prove(lines);
    }

    /// @dev Three batches, of which the second is disputed.
    function _dispute() private returns (Settled memory first, Settled memory second, Settled memory third) {
        first = _settled();
        draft(7000, 3000);
        second = _settled();
        fileCase(second.posted, 1);
        draft(6000, 2000);
        third = _settled();
    }

    function _exclude(
        Settled memory before,
        Settled memory disputed
    ) private pure returns (ISettlement.Exclusion[] memory exclusions) {
        exclusions = new ISettlement.Exclusion[](1);
        exclusions[0] = ISettlement.Exclusion({
            batch: disputed.posted.number,
            afterBatch: disputed.posted.ledger,
            beforeBatch: before.posted.ledger,
            afterClaims: disputed.claims,
            afterSiblings: disputed.siblings,
            beforeClaims: before.claims,
            beforeSiblings: before.siblings
        });
    }

    function _claim(Settled memory settled, ISettlement.Exclusion[] memory exclusions) private {
        settlement.claimExcluding(3, settled.posted.ledger, settled.claims, settled.siblings, exclusions);
    }

    function _requireContested(Settled memory settled) private {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementContested.selector, 3, 2));
        settlement.claim(3, settled.posted.ledger, settled.claims, settled.siblings);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementContested.selector, 3, 2));
        _claim(settled, new ISettlement.Exclusion[](0));
    }

    /// @dev Whoever earned in 1 and 3 is paid for both while 2 is disputed, and for 2 when the operator has won.
    function test_claimExcluding_disputedBatch_delaysNobody() public {
        (Settled memory first, Settled memory second, Settled memory third) = _dispute();
        vm.warp(third.posted.ledger.settledAt + CHALLENGE);
        _requireContested(third);
        ISettlement.Exclusion[] memory exclusions = _exclude(first, second);
        // half of what would be excluded is no exclusion
        exclusions[0].afterClaims = "";
        vm.expectRevert(ISettlement.SettlementInvalidClaims.selector);
        _claim(third, exclusions);
        exclusions = _exclude(first, second);
        _claim(third, exclusions);
        vm.snapshotGasLastCall("Settlement", "claimExcluding, 2 accounts");
        vm.assertEq(low.addr.balance, 10_000 + 8000);
        vm.assertEq(high.addr.balance, 4000 + 6000);

        // nobody tells the secret: the operator wins, and the rest is paid
        court.decide(1);
        settlement.claim(3, third.posted.ledger, third.claims, third.siblings);
        vm.assertEq(low.addr.balance, 28_000);
        vm.assertEq(high.addr.balance, 14_000);
    }

    /// @dev What a struck batch credited is never paid; what others credited is, before and after.
    function test_claimExcluding_struckBatch_paysWithoutIt() public {
        (Settled memory first, Settled memory second, Settled memory third) = _dispute();
        vote(same(COMPUTED));
        court.strike(1, second.posted, first.posted);
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 14_000);
        vm.assertEq(uncredited, 28_000);
        vm.warp(third.posted.ledger.settledAt + CHALLENGE);
        _requireContested(third);
        _claim(third, _exclude(first, second));
        vm.assertEq(low.addr.balance + high.addr.balance, 28_000);
        (, uint256 claimed,) = settlement.ledger();
        vm.assertEq(claimed, 28_000);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtUnknownCase.selector, 1));
        court.strike(1, second.posted, first.posted);
    }
}
