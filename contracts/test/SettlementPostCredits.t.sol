// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAudit } from "../src/interfaces/IAudit.sol";
import { ICourt } from "../src/interfaces/ICourt.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { CourtTest } from "./CourtTest.t.sol";

/// @notice Credits of one batch that are posted in several transactions: all segments but the last ahead.
contract Settlement_postCredits_Test is CourtTest {
    ICourt.Posted internal none;

    function postAs(
        Actor memory sender,
        ISettlement.Batch memory batch,
        bytes memory debits_,
        ISettlement.Group[] memory groups_,
        ISettlement.Segment[] memory segments
    ) internal override {
        for (uint256 i; i + 1 < segments.length; ++i) {
            vm.prank(sender.addr);
            settlement.postCredits(i, _only(segments[i]));
        }
        if (segments.length != 0) segments = _only(segments[segments.length - 1]);
        super.postAs(sender, batch, debits_, groups_, segments);
    }

    function _only(ISettlement.Segment memory segment) private pure returns (ISettlement.Segment[] memory segments) {
        segments = new ISettlement.Segment[](1);
        segments[0] = segment;
    }

    function slice(bytes calldata packed, uint256 from, uint256 to) external pure returns (bytes memory) {
        return packed[from:to];
    }

    /// @dev The draft's two new accounts, each a segment of its own.
    function _each() private view returns (ISettlement.Segment[] memory segments) {
        segments = new ISettlement.Segment[](2);
        segments[0] = ISettlement.Segment(this.slice(credits, 0, 23), MerkleSum.leafHash(low.addr, 10_000));
        segments[1] = ISettlement.Segment(this.slice(credits, 23, credits.length), ledgerRoot);
    }

    function _claimBoth(ICourt.Posted memory posted) private {
        vm.warp(block.timestamp + CHALLENGE);
        uint256[] memory lines = new uint256[](2);
        lines[1] = 1;
        (bytes memory claims, bytes memory siblings) = book.prove(lines);
        settlement.claim(posted.number, posted.ledger, claims, siblings);
        vm.assertEq(low.addr.balance, 10_000);
        vm.assertEq(high.addr.balance, 4000);
    }

    function test_settle_segmentsPostedAhead_creditsAllAtOnce() public {
        ICourt.Posted memory posted = post(_each());
        vm.assertEq(keccak256(abi.encode(posted.ledger)), settlement.ledgerHash(1));
        vm.assertEq(settlement.postedCount(), 0);
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 14_000);
        vm.assertEq(uncredited, 0);
        _claimBoth(posted);
    }

    /// @dev Posting again after a crash, after another batch, or after what was wrong: the later words count.
    function test_postCredits_again_replacesWhatCameAfter() public {
        ISettlement.Segment[] memory segments = _each();
        vm.startPrank(operator.addr);
        vm.expectEmit(address(settlement));
        emit ISettlement.CreditsPosted(0, 2);
        settlement.postCredits(0, segments);
        settlement.postCredits(1, _only(segments[0]));
        vm.assertEq(settlement.postedCount(), 2);
        settlement.postCredits(0, new ISettlement.Segment[](0));
        vm.assertEq(settlement.postedCount(), 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementCreditsMissing.selector, 1, 0));
        settlement.postCredits(1, segments);
        settlement.postCredits(0, _only(segments[1]));
        vm.stopPrank();
        // posts from zero on
        _claimBoth(post(segments));
    }

    function test_postCredits_batchWithoutCreditsBetween_leavesThem() public {
        ISettlement.Segment[] memory segments = _each();
        vm.prank(operator.addr);
        settlement.postCredits(0, _only(segments[0]));
        ICourt.Posted memory posted = post(new ISettlement.Segment[](0));
        vm.assertEq(posted.ledger.root, 0);
        vm.assertEq(settlement.postedCount(), 1);
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncredited, 14_000);
    }

    function test_postCredits_strangerOrTooLong_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNotOperator.selector, stranger.addr));
        vm.prank(stranger.addr);
        settlement.postCredits(0, new ISettlement.Segment[](0));
        ISettlement.Segment[] memory segments = _only(ISettlement.Segment(new bytes(256 * 33 + 1), 0));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSegmentTooLong.selector, 0, 8449));
        vm.prank(operator.addr);
        settlement.postCredits(0, segments);
    }

    /// @dev What was posted ahead is before the court as all else is.
    function test_proveRoot_segmentPostedAhead_wrongRootVoids() public {
        ISettlement.Segment[] memory segments = _each();
        segments[0].ledgerRoot = keccak256("nothing that follows");
        ICourt.Posted memory posted = post(segments);
        IAudit.Recomputed memory segment;
        (segment.digests, segment.credits) = (digestsOf(segments), segments[0].credits);
        this.prove(abi.encodeCall(IAudit.proveRoot, (posted, none, segment, 0)));
        requireConvicted(1, false);
    }
}
