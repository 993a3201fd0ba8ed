// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAudit } from "../src/interfaces/IAudit.sol";
import { ICourt } from "../src/interfaces/ICourt.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { CourtTest } from "./CourtTest.t.sol";

contract Audit_proveReceipt_Test is CourtTest {
    function _data(ICourt.Posted memory posted, uint256 i) internal view returns (bytes memory) {
        return abi.encodeCall(IAudit.proveReceipt, (posted, filed(i, true), bytes32("salt")));
    }

    function test_proveReceipt_rightOnes_reverts() public {
        ICourt.Posted memory posted = post();
        requireNoFault(_data(posted, 0), posted.number);
        requireNoFault(_data(posted, 1), posted.number);
    }

    function test_proveReceipt_forged_freesTheBatch() public {
        signatures[1] = signReceipt(stranger, receipts[1]);
        ICourt.Posted memory posted = post();
        bytes memory data = _data(posted, 1);
        this.prove(data);
        vm.snapshotGasLastCall("Audit", "proveReceipt, of 2");
        requireConvicted(posted.number, true);
        uint256 before = settlement.prepaidOf(caller.addr);
        court.refund(posted, debits, 0, 10);
        vm.assertEq(settlement.prepaidOf(caller.addr), before + 20_000);
        court.refund(posted, debits, 0, 10);
        vm.assertEq(settlement.prepaidOf(caller.addr), before + 20_000, "refunded twice");
    }

    function test_proveReceipt_doubled_convicts() public {
        // the second place holds the first receipt again
        (receipts[1], signatures[1], shares[1]) = (receipts[0], signatures[0], shares[0]);
        ISettlement.Receipt memory last = receipts[1];
        last.sequence = 2;
        ICourt.Posted memory posted = _postAs2(last);
        this.prove(_data(posted, 1));
        requireConvicted(posted.number, true);
    }

    function test_proveReceipt_reordered_convicts() public {
        (ISettlement.Receipt memory first, bytes memory signature) = (receipts[0], signatures[0]);
        (receipts[0], signatures[0]) = (receipts[1], signatures[1]);
        (receipts[1], signatures[1]) = (first, signature);
        first.sequence = 2;
        ICourt.Posted memory posted = _postAs2(first);
        this.prove(_data(posted, 0));
        requireConvicted(posted.number, true);
    }

    /// @dev Posts the draft under the sequence that is due, whatever the last receipt says.
    function _postAs2(ISettlement.Receipt memory named) private returns (ICourt.Posted memory posted) {
        ISettlement.Receipt memory kept = receipts[1];
        uint64 sequence = kept.sequence;
        posted.batch = ISettlement.Batch({
            lastSequence: named.sequence,
            lastTimestamp: named.timestamp,
            receiptsRoot: rootOf(receiptNodes()),
            lastReceiptHash: book.hash(kept),
            debitLinesRoot: rootOf(nodesOf(debitEntries)),
            creditLinesRoot: rootOf(nodesOf(creditEntries)),
            accountCount: uint32(book.accountCount())
        });
        vm.assertTrue(sequence != 2);
        ISettlement.Segment[] memory segments = new ISettlement.Segment[](1);
        segments[0] = ISettlement.Segment(credits, ledgerRoot);
        (posted.debitsHash, posted.groups) = (keccak256(debits), groups);
        postAs(operator, posted.batch, debits, groups, segments);
        posted.number = 1;
        (uint256 sum,,) = settlement.ledger();
        posted.ledger = ISettlement.Ledger({
            root: ledgerRoot,
            sum: sum,
            accountCount: book.accountCount(),
            settledAt: block.timestamp,
            previous: 0,
            operator: operator.addr,
            bodyHash: bodyHash(posted.batch, debits, groups, segments)
        });
        posted.segmentsHash = keccak256(digestsOf(segments));
    }

    function test_proveReceipt_leavesThatDoNotSumToTheFees_convicts() public {
        leafSums[0] = 1;
        ICourt.Posted memory posted = post();
        this.prove(_data(posted, 1));
        requireConvicted(posted.number, true);
    }

    function test_proveReceipt_ofNoGroup_convicts() public {
        receipts[1].modelId = 7;
        signatures[1] = signReceipt(operator, receipts[1]);
        ICourt.Posted memory posted = post();
        this.prove(_data(posted, 1));
        requireConvicted(posted.number, true);
    }

    function test_proveReceipt_sharesNotTheContributorsPart_convicts() public {
        shares[1] = pack1(low.addr, 6999);
        receipts[1].sharesRoot = audit.sharesRoot(shares[1]);
        signatures[1] = signReceipt(operator, receipts[1]);
        ICourt.Posted memory posted = post();
        this.prove(_data(posted, 1));
        requireConvicted(posted.number, true);
    }

    function test_proveReceipt_notOfTheBatchOrNotPosted_reverts() public {
        ICourt.Posted memory posted = post();
        ICourt.Filed memory other = filed(1, true);
        other.path.index = 0;
        refused(abi.encodeCall(IAudit.proveReceipt, (posted, other, 0)));
        posted.groups[0].feeWei += 1;
        bytes memory data = _data(posted, 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotPosted.selector, posted.number));
        this.prove(data);
    }

    function test_proveReceipt_afterTheWindow_reverts() public {
        signatures[1] = signReceipt(stranger, receipts[1]);
        ICourt.Posted memory posted = post();
        vm.warp(block.timestamp + CHALLENGE + 1);
        bytes memory data = _data(posted, 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtWindowOver.selector, posted.number, block.timestamp - 1));
        this.prove(data);
    }

    function test_proveReceipt_copiedFromThePool_earnsTheCopierNothing() public {
        signatures[1] = signReceipt(stranger, receipts[1]);
        ICourt.Posted memory posted = post();
        bytes memory data = _data(posted, 1);
        ICourt.Filed memory forged = filed(1, true);
        vm.prank(challenger.addr);
        audit.announce(keccak256(abi.encode(challenger.addr, data)));
        vm.roll(block.number + 1);
        // the copier sees the call, announces it as their own, and is a block late
        bytes32 copied = keccak256(abi.encode(stranger.addr, data));
        vm.startPrank(stranger.addr);
        audit.announce(copied);
        vm.expectRevert(abi.encodeWithSelector(IAudit.AuditNotAnnounced.selector, copied));
        audit.proveReceipt(posted, forged, bytes32("salt"));
        vm.stopPrank();
        vm.prank(challenger.addr);
        audit.proveReceipt(posted, forged, bytes32("salt"));
        requireConvicted(posted.number, true);
        vm.assertEq(court.owedTo(stranger.addr), 0);
        // and the same proof pays once
        vm.roll(block.number + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ICourt.CourtAlreadyConvicted.selector, posted.number, ICourt.Fault.Unsigned)
        );
        vm.prank(stranger.addr);
        audit.proveReceipt(posted, forged, bytes32("salt"));
    }
}

contract Audit_lines_Test is CourtTest {
    ICourt.Posted internal none;

    function test_proveLines_rightOnes_reverts() public {
        ICourt.Posted memory posted = post();
        requireNoFault(abi.encodeCall(IAudit.proveLines, (posted, none, true, creditLine(0), creditLine(1), 0)), 1);
        requireNoFault(abi.encodeCall(IAudit.proveLines, (posted, none, true, creditLine(1), creditLine(2), 0)), 1);
        requireNoFault(abi.encodeCall(IAudit.proveLines, (posted, none, false, debitLine(0), debitLine(1), 0)), 1);
        requireNoFault(
            abi.encodeCall(IAudit.proveLine, (posted, true, creditLine(2), posted, filed(1, false), none, 0)), 1
        );
        requireNoFault(
            abi.encodeCall(IAudit.proveLine, (posted, false, debitLine(0), posted, filed(0, false), none, 0)), 1
        );
    }

    function test_proveLines_otherSumThanPosted_convicts() public {
        debitEntries[1].amount -= 1;
        ICourt.Posted memory posted = post();
        this.prove(abi.encodeCall(IAudit.proveLines, (posted, none, false, debitLine(0), noLine(), 0)));
        requireConvicted(posted.number, true);
    }

    function test_proveLines_doubledOrUnordered_convicts() public {
        creditEntries[1] = creditEntries[0];
        creditEntries[2].amount -= creditEntries[0].amount - 3000;
        ICourt.Posted memory posted = post();
        this.prove(abi.encodeCall(IAudit.proveLines, (posted, none, true, creditLine(0), creditLine(1), 0)));
        requireConvicted(posted.number, false);
        _requireRewound();
    }

    function test_proveLines_ofAnotherTimesReceipt_convicts() public {
        ICourt.Posted memory first = post();
        draft(7000, 3000);
        // credited in the batch before already
        creditEntries[0].sequence = 1;
        ICourt.Posted memory posted = post();
        this.prove(abi.encodeCall(IAudit.proveLines, (posted, first, true, creditLine(0), noLine(), 0)));
        requireConvicted(posted.number, false);
    }

    function test_proveLine_creditNotTheShare_takesCreditsBack() public {
        creditEntries[1].amount -= 1;
        creditEntries[2].amount += 1;
        ICourt.Posted memory posted = post();
        this.prove(abi.encodeCall(IAudit.proveLine, (posted, true, creditLine(2), posted, filed(1, false), none, 0)));
        vm.snapshotGasLastCall("Audit", "proveLine, of 3");
        requireConvicted(posted.number, false);
        _requireRewound();
    }

    function test_proveLine_debitOfAnotherPayer_freesTheBatch() public {
        debitEntries[1].account = address(0xffff);
        ICourt.Posted memory posted = post();
        this.prove(abi.encodeCall(IAudit.proveLine, (posted, false, debitLine(1), posted, filed(1, false), none, 0)));
        requireConvicted(posted.number, true);
    }

    function _requireRewound() internal view {
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncredited, 14_000);
        vm.assertEq(settlement.ledgerBatch(), 0);
    }
}

contract Audit_totals_Test is CourtTest {
    ICourt.Posted internal none;

    function _lines(
        uint256 first,
        uint256 last,
        uint256 count,
        bool isCredit
    ) internal view returns (IAudit.Lines memory lines) {
        lines.first = isCredit ? creditLine(first) : debitLine(first);
        lines.last = isCredit ? creditLine(last) : debitLine(last);
        if (first != 0) lines.left = isCredit ? creditLine(first - 1) : debitLine(first - 1);
        if (last + 1 != count) lines.right = isCredit ? creditLine(last + 1) : debitLine(last + 1);
    }

    function _ledgerLine(address account) internal view returns (IAudit.LedgerLine memory) {
        uint256 index = book.indexOf(account);
        return IAudit.LedgerLine(account, book.cumulative(account), pathOf(ledgerNodes(), index));
    }

    function _credit(
        ICourt.Posted memory posted,
        address account,
        IAudit.Lines memory lines
    ) internal view returns (bytes memory) {
        IAudit.LedgerLine memory before;
        return abi.encodeCall(IAudit.proveCredit, (posted, none, _ledgerLine(account), before, lines, 0));
    }

    function test_proveTotals_rightOnes_reverts() public {
        ICourt.Posted memory posted = post();
        requireNoFault(abi.encodeCall(IAudit.proveDebit, (posted, caller.addr, debits, _lines(0, 1, 2, false), 0)), 1);
        requireNoFault(_credit(posted, low.addr, _lines(0, 1, 3, true)), 1);
        requireNoFault(_credit(posted, high.addr, _lines(2, 2, 3, true)), 1);
    }

    function test_proveTotals_partOfTheLines_isNoProof() public {
        ICourt.Posted memory posted = post();
        IAudit.Lines memory lines = _lines(0, 0, 3, true);
        refused(_credit(posted, low.addr, lines));
        lines = _lines(1, 1, 3, true);
        refused(_credit(posted, low.addr, lines));
        lines.isEmpty = true;
        lines.left = creditLine(0);
        lines.right = creditLine(1);
        refused(_credit(posted, low.addr, lines));
        // neither may an empty place be shown beside an account's own lines
        lines.left = creditLine(2);
        lines.right = creditLine(2);
        refused(_credit(posted, high.addr, lines));
    }

    function test_proveDebit_payerWithoutReceipts_freesTheBatch() public {
        // the stranger is charged what the caller owes
        deposit(stranger, 1 ether);
        debits = caller.addr < stranger.addr
            ? abi.encodePacked(caller.addr, uint8(2), uint16(10_000), stranger.addr, uint8(2), uint16(10_000))
            : abi.encodePacked(stranger.addr, uint8(2), uint16(10_000), caller.addr, uint8(2), uint16(10_000));
        ICourt.Posted memory posted = post();
        IAudit.Lines memory lines;
        lines.isEmpty = true;
        if (caller.addr < stranger.addr) (lines.left, lines.right) = (debitLine(1), debitLine(1));
        else lines.right = debitLine(0);
        uint256 before = settlement.prepaidOf(stranger.addr);
        this.prove(abi.encodeCall(IAudit.proveDebit, (posted, stranger.addr, debits, lines, 0)));
        requireConvicted(posted.number, true);
        court.refund(posted, debits, 0, 1);
        court.refund(posted, debits, 1, 1);
        vm.assertEq(settlement.prepaidOf(stranger.addr), before + 10_000);
    }

    function test_proveDebit_doubleCharge_freesTheBatch() public {
        debitEntries[1] = Entry(high.addr > caller.addr ? high.addr : address(type(uint160).max), 2, 10_000);
        ICourt.Posted memory posted = post();
        this.prove(abi.encodeCall(IAudit.proveDebit, (posted, caller.addr, debits, _lines(0, 0, 2, false), 0)));
        requireConvicted(posted.number, true);
    }

    function test_proveCredit_moreThanTheLines_takesCreditsBack() public {
        // the credits give `high` a wei that its lines do not have
        Entry memory entry = creditEntries[2];
        creditEntries[2] = Entry(entry.account, entry.sequence, entry.amount - 1);
        creditEntries[1].amount += 1;
        ICourt.Posted memory posted = post();
        this.prove(_credit(posted, high.addr, _lines(2, 2, 3, true)));
        vm.snapshotGasLastCall("Audit", "proveCredit, of 3 lines and 2 accounts");
        requireConvicted(posted.number, false);
    }

    function test_proveCredit_accountWithoutLines_takesCreditsBack() public {
        creditEntries.pop();
        creditEntries[1].amount = 7000;
        ICourt.Posted memory posted = post();
        IAudit.Lines memory lines;
        lines.isEmpty = true;
        (lines.left, lines.right) = (creditLine(1), creditLine(1));
        this.prove(_credit(posted, high.addr, lines));
        requireConvicted(posted.number, false);
    }

    function test_proveCredit_ofAnOlderAccount_countsWhatItHadBefore() public {
        ICourt.Posted memory first = post();
        IAudit.LedgerLine memory before = _ledgerLine(low.addr);
        draft(7000, 3000);
        ICourt.Posted memory posted = post();
        requireNoFault(
            abi.encodeCall(
                IAudit.proveCredit, (posted, first, _ledgerLine(low.addr), before, _lines(0, 1, 3, true), 0)
            ),
            posted.number
        );
    }
}
