// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { IModels } from "../src/interfaces/IModels.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { IStaking } from "../src/interfaces/IStaking.sol";
import { SettlementTest } from "./SettlementTest.t.sol";

contract Settlement_settle_Test is SettlementTest {
    function test_settle_oneReceipt_dividesTheFee() public {
        stake(backer, modelId, 1 ether);
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = 10_003;
        receipt.stakeVersion = 1;
        receipt = book.append(receipt);
        book.credit(ann.addr, 5003);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(one(receipt));
        ISettlement.Segment[] memory segments = book.take();
        batch.accountCount = 1;
        vm.expectEmit(address(settlement));
        emit ISettlement.BatchSettled(
            1, 1, 1, leafOf(receipt), book.root(), 5003, 1, bodyHash(batch, debits, groups, segments)
        );
        settle(batch, debits, groups, segments);

        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether - 10_003);
        vm.assertEq(settlement.balanceOf(treasury.addr), 1000);
        vm.assertEq(settlement.balanceOf(builder.addr), 2000);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 2000);
        (uint256 sum, uint256 claimedTotal, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(sum, 5003);
        vm.assertEq(claimedTotal, 0);
        vm.assertEq(uncreditedWei, 0);
        (uint64 sequence, uint64 timestamp, uint64 batches, uint64 accounts) = settlement.head();
        vm.assertEq(sequence, 1);
        vm.assertEq(timestamp, NOON);
        vm.assertEq(batches, 1);
        vm.assertEq(accounts, 1);
        vm.assertEq(settlement.ledgerHash(1), keccak256(abi.encode(lastLedger)));
        vm.assertEq(settlement.ledgerHash(2), 0);
    }

    function test_settle_nobodyStakes_stakersPartJoinsContributors() public {
        settleOne(ann.addr);
        vm.assertEq(settlement.balanceOf(treasury.addr), 1000);
        vm.assertEq(settlement.balanceOf(builder.addr), 2000);
        (uint256 sum,,) = settlement.ledger();
        vm.assertEq(sum, 7000);
    }

    /// @dev Parts always sum to the fee, whatever the fee and the split.
    function testFuzz_settle_anyFeeAndSplit_sumsExactly(uint256 fee, uint16 a, uint16 b, uint16 c, bool staked) public {
        IFeePolicy.Split memory split;
        split.platformBps = uint16(bound(a, 0, 2000));
        split.ownerBps = uint16(bound(b, 0, 3000));
        split.stakersBps = uint16(bound(c, 0, 2000));
        split.contributorsBps = 10_000 - split.platformBps - split.ownerBps - split.stakersBps;
        vm.prank(governance.addr);
        feePolicy.setSplit(split);
        if (staked) stake(backer, modelId, 1 ether);
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = bound(fee, 0, 1 ether);
        receipt.splitVersion = 2;
        receipt.stakeVersion = staking.versionOf(modelId);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(receipt)));
        settle(batch, debits, groups, book.take());

        ISettlement.Group memory group = groups[0];
        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether - group.feeWei);
        (,, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(
            settlement.balanceOf(treasury.addr) + settlement.balanceOf(builder.addr) + uncreditedWei + group.stakersWei,
            group.feeWei
        );
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), group.stakersWei);
    }

    /// @dev Many receipts, each part rounded down: the groups sum to the fees, and no part may be a wei above its share.
    function test_settle_manyReceipts_partsAreWithinAWeiEach() public {
        ISettlement.Receipt[] memory receipts = new ISettlement.Receipt[](7);
        for (uint256 i; i < 7; ++i) {
            ISettlement.Receipt memory receipt = blank();
            receipt.feeWei = 10_009;
            receipts[i] = book.append(receipt);
        }
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(receipts);
        vm.assertEq(groups[0].platformWei, 7000);
        groups[0].platformWei = 7007;
        _expect(abi.encodeWithSelector(ISettlement.SettlementPartMismatch.selector, 0, 70_063_000, 7007));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        groups[0].platformWei = 6999;
        _expect(abi.encodeWithSelector(ISettlement.SettlementPartMismatch.selector, 0, 70_063_000, 6999));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        // seven receipts may round 70063 x 10 % = 7006.3 down by less than seven
        groups[0].platformWei = 7000;
        settle(batch, debits, groups, new ISettlement.Segment[](0));
        (,, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(uncreditedWei, 70_063 - 7000 - 14_007);
    }

    function test_settle_stakersPartWithoutStake_reverts() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        groups[0].stakersWei = 1;
        _expect(abi.encodeWithSelector(ISettlement.SettlementPartMismatch.selector, 0, 0, 1));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    /// @dev Attack: stake right before settlement, to earn from answers that were made before.
    function test_settle_stakeThatCameAfterTheAnswer_earnsNothing() public {
        stake(backer, modelId, 1 ether);
        ISettlement.Receipt memory receipt = nextReceipt();
        vm.warp(NOON + 2);
        stake(stranger, modelId, 1000 ether);
        book.credit(ann.addr, 5000);
        settle(one(receipt));
        vm.assertEq(staking.pendingRewards(modelId, stranger.addr), 0);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 2000);
    }

    /// @dev Attack: leave, so that stakers who stay are paid less, or so that settlement fails.
    function test_settle_stakeThatLeftAfterTheAnswer_isPaidStill() public {
        stake(backer, modelId, 1 ether);
        ISettlement.Receipt memory receipt = nextReceipt();
        vm.warp(NOON + 2);
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        book.credit(ann.addr, 5000);
        settle(one(receipt));
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 2000);
        uint256 before = backer.addr.balance;
        vm.prank(backer.addr);
        staking.claimRewards(modelId);
        vm.assertEq(backer.addr.balance, before + 2000);
    }

    function test_settle_stakeOfAnotherTime_reverts() public {
        stake(backer, modelId, 1 ether);
        vm.warp(NOON + 2);
        ISettlement.Receipt memory receipt = blank();
        // of the time before anyone staked
        receipt.stakeVersion = 0;
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(receipt)));
        _expect(abi.encodeWithSelector(ISettlement.SettlementStakeOutOfDate.selector, modelId, 0));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        // of a time before the stake came
        groups[0].stakeVersion = 1;
        groups[0].firstTimestamp = uint64(NOON - 1);
        vm.expectPartialRevert(ISettlement.SettlementStakeOutOfDate.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_stranger_reverts() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNotOperator.selector, stranger.addr));
        vm.prank(stranger.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_noReceipts_reverts() public {
        ISettlement.Batch memory batch;
        batch.lastTimestamp = uint64(NOON);
        _expect(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 0, 0, 0));
        settlement.settle(batch, "", new ISettlement.Group[](0), new ISettlement.Segment[](0));
    }

    /// @dev Attack: the same batch again, and batches in another order.
    function test_settle_replayedOrReordered_reverts() public {
        ISettlement.Receipt memory receipt = nextReceipt();
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(one(receipt));
        (ISettlement.Batch memory later, bytes memory laterDebits, ISettlement.Group[] memory laterGroups) =
            pack(one(nextReceipt()));
        _expect(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 0, 1, 2));
        settlement.settle(later, laterDebits, laterGroups, new ISettlement.Segment[](0));
        settle(batch, debits, groups, new ISettlement.Segment[](0));
        _expect(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 1, 1, 1));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        settle(later, laterDebits, laterGroups, new ISettlement.Segment[](0));
    }

    function test_settle_poorPayer_revertsNamingThem() public {
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = 1 ether + 1;
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(receipt)));
        _expect(
            abi.encodeWithSelector(
                ISettlement.SettlementInsufficientBalance.selector, caller.addr, 1 ether + 1, 1 ether
            )
        );
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_debitsNotTheFees_revert() public {
        (ISettlement.Batch memory batch,, ISettlement.Group[] memory groups) = pack(one(nextReceipt()));
        _expect(abi.encodeWithSelector(ISettlement.SettlementDebitsMismatch.selector, FEE, FEE - 1));
        settlement.settle(
            batch, abi.encodePacked(caller.addr, uint8(2), uint16(FEE - 1)), groups, new ISettlement.Segment[](0)
        );
        _expect(abi.encodeWithSelector(ISettlement.SettlementDebitsMismatch.selector, FEE, 0));
        settlement.settle(batch, "", groups, new ISettlement.Segment[](0));
    }

    function test_settle_malformedDebits_revert() public {
        (ISettlement.Batch memory batch,, ISettlement.Group[] memory groups) = pack(one(nextReceipt()));
        bytes memory good = abi.encodePacked(caller.addr, uint8(2), uint16(1));
        bytes[4] memory bad = [
            abi.encodePacked(caller.addr, uint8(0)),
            abi.encodePacked(caller.addr, uint8(13), uint104(1)),
            abi.encodePacked(caller.addr, uint8(2), uint8(1)),
            abi.encodePacked(address(0), uint8(1), uint8(1))
        ];
        for (uint256 i; i < bad.length; ++i) {
            _expect(abi.encodeWithSelector(ISettlement.SettlementInvalidDebit.selector, 0));
            settlement.settle(batch, bad[i], groups, new ISettlement.Segment[](0));
        }
        // the same payer twice
        _expect(abi.encodeWithSelector(ISettlement.SettlementInvalidDebit.selector, 23));
        settlement.settle(batch, bytes.concat(good, good), groups, new ISettlement.Segment[](0));
    }

    function test_settle_unknownModelSplitOrStake_reverts() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        groups[0].modelId = 77;
        _expect(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 77));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        groups[0].modelId = 0;
        _expect(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 0));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        groups[0].modelId = modelId;
        groups[0].splitVersion = 0;
        _expect(abi.encodeWithSelector(IFeePolicy.FeePolicyUnknownVersion.selector, 0));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        groups[0].splitVersion = 1;
        groups[0].stakeVersion = 5;
        _expect(abi.encodeWithSelector(IStaking.StakingUnknownVersion.selector, modelId, 5));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_answerAfterRetirement_reverts() public {
        vm.prank(builder.addr);
        models.retire(modelId);
        // what was answered before can still be settled, later
        ISettlement.Receipt memory before = nextReceipt();
        vm.warp(NOON + 2 days);
        book.credit(ann.addr, 7000);
        settle(one(before));

        ISettlement.Receipt memory late = blank();
        late.timestamp = uint64(NOON + 1);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(late)));
        _expect(
            abi.encodeWithSelector(ISettlement.SettlementModelRetired.selector, modelId, uint64(NOON + 1), uint64(NOON))
        );
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_supersededSplit_standsForOneHour() public {
        vm.prank(governance.addr);
        feePolicy.setSplit(IFeePolicy.Split(0, 2000, 2000, 6000));
        vm.warp(NOON + 2 hours);
        ISettlement.Receipt memory intime = blank();
        intime.timestamp = uint64(NOON + 1 hours);
        book.credit(ann.addr, 7000);
        settle(one(book.append(intime)));

        ISettlement.Receipt memory late = blank();
        late.timestamp = uint64(NOON + 1 hours + 1);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(late)));
        _expect(
            abi.encodeWithSelector(
                ISettlement.SettlementSplitSuperseded.selector, 1, uint64(NOON + 1 hours + 1), uint64(NOON)
            )
        );
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_timeBackwardsOrFarAhead_reverts() public {
        settleOne(ann.addr);
        ISettlement.Receipt memory receipt = blank();
        receipt.timestamp = uint64(NOON - 1);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(receipt)));
        _expect(
            abi.encodeWithSelector(
                ISettlement.SettlementTimestampOutOfRange.selector, NOON - 1, NOON, NOON + 10 minutes
            )
        );
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        batch.lastTimestamp = uint64(NOON + 10 minutes + 1);
        vm.expectPartialRevert(ISettlement.SettlementTimestampOutOfRange.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        // a group's times lie between the last batch and this one's last
        batch.lastTimestamp = uint64(NOON);
        vm.expectPartialRevert(ISettlement.SettlementTimestampOutOfRange.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    /// @dev What the credits say is decided by {IAudit.proveRoot}; what the ledger grants in all is what is owed, whatever they say.
    function test_settle_creditsNotTheParts_grantsWhatIsOwedAndProvesNothing() public {
        ISettlement.Receipt memory receipt = nextReceipt();
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(one(receipt));
        book.credit(ann.addr, 7001);
        settle(batch, debits, groups, book.take());
        (uint256 sum,, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(sum, 7000);
        vm.assertEq(uncreditedWei, 0);
        vm.warp(block.timestamp + CHALLENGE);
        vm.expectRevert(ISettlement.SettlementInvalidProof.selector);
        settlement.claim(1, lastLedger, abi.encodePacked(uint32(0), ann.addr, uint96(7001)), "");
    }

    /// @dev That credits make no more lines than they say is for the court: `testFuzz_proveRoot_numberOfLinesWrong_voids`.
    function test_settle_fewerLinesThanBeforeOrTooManyBytes_reverts() public {
        settleOne(ann.addr);
        settleOne(bob.addr);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        book.credit(bob.addr, 7000);
        ISettlement.Segment[] memory segments = book.take();
        for (uint32 few; few < 2; ++few) {
            batch.accountCount = few;
            _expect(abi.encodeWithSelector(ISettlement.SettlementAccountCountMismatch.selector, few, 2));
            settlement.settle(batch, debits, groups, segments);
        }
        batch.accountCount = 2;
        segments[0].credits = new bytes(256 * 33 + 1);
        _expect(abi.encodeWithSelector(ISettlement.SettlementSegmentTooLong.selector, 0, 8449));
        settlement.settle(batch, debits, groups, segments);
    }

    function test_settle_nothingToCredit_reverts() public {
        ISettlement.Receipt memory free = blank();
        (free.feeWei, free.sharesRoot) = (0, 0);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(free)));
        book.credit(ann.addr, 1);
        ISettlement.Segment[] memory segments = book.take();
        batch.accountCount = 1;
        _expect(abi.encodeWithSelector(ISettlement.SettlementEmptyCredits.selector));
        settlement.settle(batch, debits, groups, segments);
    }

    /// @dev Credits may come with a later batch, then all of them, and within a day.
    function test_settle_creditsLater_allAtOnceAndInTime() public {
        settle(one(nextReceipt()));
        (uint256 sum,, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncreditedWei, 7000);
        ISettlement.Receipt memory receipt = nextReceipt();
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(one(receipt));
        vm.warp(NOON + 1 days + 1);
        _expect(abi.encodeWithSelector(ISettlement.SettlementLedgerLate.selector, 14_000, NOON + 1 days));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        book.credit(bob.addr, 14_000);
        settle(batch, debits, groups, book.take());
        (sum,, uncreditedWei) = settlement.ledger();
        vm.assertEq(sum, 14_000);
        vm.assertEq(uncreditedWei, 0);
    }

    function test_settle_oneBadGroup_settlesNothing() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory good) =
            pack(two(nextReceipt(), nextReceipt()));
        ISettlement.Group[] memory groups = new ISettlement.Group[](2);
        groups[0] = good[0];
        groups[0].receiptCount = 1;
        groups[1] = good[0];
        groups[1].modelId = 9;
        vm.expectPartialRevert(IModels.ModelsUnknownModel.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether);
        vm.assertEq(settlement.balanceOf(builder.addr), 0);
    }

    function _expect(bytes memory refusal) private {
        vm.expectRevert(refusal);
        vm.prank(operator.addr);
    }
}
