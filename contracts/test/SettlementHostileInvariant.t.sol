// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAudit } from "../src/interfaces/IAudit.sol";
import { ICourt } from "../src/interfaces/ICourt.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { Court } from "../src/settlement/Court.sol";
import { Settlement } from "../src/settlement/Settlement.sol";
import { Base } from "./Base.t.sol";
import { Book, World } from "./World.t.sol";

/// @notice An operator that posts whatever ledgers it likes, and everyone who claims from them, at random. Settling looks at no
///         root, so all that keeps other people's money from a thief is what claims are held against.
contract HostileHandler is Base {
    /// @dev What is wrong with a ledger: nothing; all of it is the thief's, in a tree of the right total; its total is higher or
    ///      lower than what is owed; no tree has its root; or its credits are none.
    enum Kind {
        Right,
        Thief,
        TooMuch,
        TooLittle,
        Garbage,
        Malformed
    }

    struct Posting {
        Kind kind;
        /// Whether it and all that it is built on is right.
        bool isSound;
        /// The tree that its root is said to be of.
        Book book;
        bytes credits;
    }

    Settlement public immutable SETTLEMENT;
    Court public immutable COURT;
    IAudit public immutable AUDIT;
    uint256 public immutable MODEL;

    Actor private _operator;
    Actor private _payer;
    Actor private _challenger;
    address public thief;
    address[3] public contributors;

    mapping(uint64 batch => Posting) private _postings;
    mapping(uint64 batch => bytes) private _posted;
    uint64 private _last;

    /// @dev What receipts say that each contributor earned, and all of them.
    mapping(address account => uint256) public earned;
    uint256 public paidIn;
    /// @dev Claims that were paid from a ledger whose total is not what the contract owes.
    uint256 public wronglyPaid;
    uint256 public robberies;
    uint256 public convictions;

    constructor(Settlement settlement, Court court, uint256 model) {
        (SETTLEMENT, COURT, AUDIT, MODEL) = (settlement, court, court.AUDIT(), model);
        _operator = actor("operator");
        _payer = richActor("payer");
        _challenger = richActor("challenger");
        thief = actor("thief").addr;
        contributors = [actor("ann").addr, actor("bob").addr, actor("cy").addr];
    }

    /// @dev Prepaid money beside the ledger's, which a ledger that says too much would be paid from.
    function deposit(uint256 amount) external {
        vm.prank(_payer.addr);
        SETTLEMENT.deposit{ value: bound(amount, 1, 100 ether) }(_payer.addr);
    }

    function withdrawPrepaid(uint256 amount) external {
        (uint256 pending, uint64 readyAt) = SETTLEMENT.withdrawalOf(_payer.addr);
        if (pending != 0) {
            if (block.timestamp < readyAt) vm.warp(readyAt);
            SETTLEMENT.withdraw(_payer.addr);
        } else if (SETTLEMENT.prepaidOf(_payer.addr) != 0) {
            amount = bound(amount, 1, SETTLEMENT.prepaidOf(_payer.addr));
            vm.prank(_payer.addr);
            SETTLEMENT.requestWithdrawal(amount);
        }
    }

    /// @dev One answer, whose contributors' part one account earned, in a batch with a ledger of some kind.
    function post(uint256 fee, uint256 kind, uint256 who) external {
        fee = bound(fee, 10, 100 ether);
        _standAgain();
        vm.prank(_payer.addr);
        SETTLEMENT.deposit{ value: fee }(_payer.addr);
        (uint256 sum,, uint256 owed) = SETTLEMENT.ledger();
        owed += fee - fee * 1000 / 10_000 - fee * 2000 / 10_000;
        earned[contributors[who % 3]] += fee - fee * 1000 / 10_000 - fee * 2000 / 10_000;
        paidIn += fee - fee * 1000 / 10_000 - fee * 2000 / 10_000;

        Posting memory posting = _draft(Kind(kind % 6), sum, owed);
        _settle(fee, posting);
    }

    /// @dev A conviction suspends for a while.
    function _standAgain() private {
        (,, uint64 suspendedUntil,,) = COURT.bondOf(_operator.addr);
        if (block.timestamp < suspendedUntil) vm.warp(suspendedUntil);
        COURT.bondFor(_operator.addr);
    }

    /// @dev The ledger after the batch as it should be, and as the operator says that it is.
    function _draft(Kind kind, uint256 sum, uint256 owed) private returns (Posting memory posting) {
        uint64 previous = SETTLEMENT.ledgerBatch();
        bool isBaseSound = previous == 0 || _postings[previous].isSound;
        Book right = _copyOf(previous);
        if (isBaseSound) {
            for (uint256 i; i < 3; ++i) {
                uint256 missing = earned[contributors[i]] - right.cumulative(contributors[i]);
                if (missing != 0) right.credit(contributors[i], missing);
            }
        } else {
            right.credit(contributors[0], owed);
        }
        posting.credits = right.take()[0].credits;
        (posting.kind, posting.book) = (kind, right);
        posting.isSound = kind == Kind.Right && isBaseSound;
        if (kind == Kind.Malformed) posting.credits[0] = 0x00;
        if (kind == Kind.Right) return posting;
        uint256 total = sum + owed;
        if (kind == Kind.TooMuch) total += 1 + address(SETTLEMENT).balance;
        if (kind == Kind.TooLittle) total -= 1;
        posting.book = _robbed(total, right.accountCount());
    }

    function _copyOf(uint64 batch) private returns (Book copy) {
        copy = new Book();
        if (batch == 0) return copy;
        Book book = _postings[batch].book;
        for (uint256 i; i < book.accountCount(); ++i) {
            copy.credit(book.accounts(i), book.cumulative(book.accounts(i)));
        }
        copy.take();
    }

    /// @dev A tree of as many lines, with everything on the thief's.
    function _robbed(uint256 total, uint256 lines) private returns (Book book) {
        book = new Book();
        book.credit(thief, total);
        for (uint256 i = 1; i < lines; ++i) {
            book.credit(address(uint160(0xf111e4 + i)), 0);
        }
        book.take();
    }

    function _settle(uint256 fee, Posting memory posting) private {
        ICourt.Posted memory posted;
        (uint64 lastSequence,, uint64 batchCount, uint64 accountCount) = SETTLEMENT.head();
        posted.batch.lastSequence = lastSequence + 1;
        posted.batch.lastTimestamp = uint64(block.timestamp);
        uint256 count = posting.book.accountCount();
        posted.batch.accountCount = uint32(count < accountCount ? accountCount : count);
        posted.groups = _groups(fee);
        bytes memory debits = abi.encodePacked(_payer.addr, uint8(12), uint96(fee));
        posted.debitsHash = keccak256(debits);
        ISettlement.Segment[] memory segments = new ISettlement.Segment[](1);
        segments[0] = ISettlement.Segment(
            posting.credits,
            posting.kind == Kind.Garbage ? keccak256(abi.encode(batchCount, "garbage")) : posting.book.root()
        );
        posted.segmentsHash = keccak256(abi.encodePacked(keccak256(segments[0].credits), segments[0].ledgerRoot));
        posted.ledger.root = segments[0].ledgerRoot;
        posted.ledger.previous = SETTLEMENT.ledgerBatch();
        vm.prank(_operator.addr);
        SETTLEMENT.settle(posted.batch, debits, posted.groups, segments);
        _keep(posted, posting);
    }

    function _groups(uint256 fee) private view returns (ISettlement.Group[] memory groups) {
        groups = new ISettlement.Group[](1);
        groups[0].modelId = MODEL;
        groups[0].splitVersion = 1;
        groups[0].receiptCount = 1;
        groups[0].firstTimestamp = groups[0].lastTimestamp = uint64(block.timestamp);
        groups[0].feeWei = uint96(fee);
        groups[0].platformWei = uint96(fee * 1000 / 10_000);
        groups[0].ownerWei = uint96(fee * 2000 / 10_000);
    }

    function _keep(ICourt.Posted memory posted, Posting memory posting) private {
        (,, posted.number, posted.ledger.accountCount) = _headAndCount();
        (posted.ledger.sum,,) = SETTLEMENT.ledger();
        posted.ledger.settledAt = block.timestamp;
        posted.ledger.operator = _operator.addr;
        posted.ledger.bodyHash = keccak256(
            abi.encode(posted.batch, posted.debitsHash, keccak256(abi.encode(posted.groups)), posted.segmentsHash)
        );
        vm.assertEq(keccak256(abi.encode(posted.ledger)), SETTLEMENT.ledgerHash(posted.number));
        _posted[posted.number] = abi.encode(posted);
        _postings[posted.number] = posting;
        _last = posted.number;
    }

    function _headAndCount() private view returns (uint64, uint64, uint64, uint256) {
        (uint64 sequence, uint64 timestamp, uint64 number, uint64 count) = SETTLEMENT.head();
        return (sequence, timestamp, number, count);
    }

    /// @dev A claim of one line against any ledger that was ever posted, once that is final.
    function claim(uint256 seed, uint256 line) external {
        if (_last == 0) return;
        uint64 number = uint64(1 + seed % _last);
        ISettlement.Ledger memory ledger = _at(number).ledger;
        Posting storage posting = _postings[number];
        if (block.timestamp < SETTLEMENT.finalAt(ledger.settledAt)) vm.warp(SETTLEMENT.finalAt(ledger.settledAt));
        uint256[] memory lines = new uint256[](1);
        lines[0] = line % posting.book.accountCount();
        (bytes memory claims, bytes memory siblings) = posting.book.prove(lines);
        uint256 before = thief.balance;
        try SETTLEMENT.claim(number, ledger, claims, siblings) {
            if (posting.kind == Kind.TooMuch || posting.kind == Kind.TooLittle || posting.kind == Kind.Garbage) {
                ++wronglyPaid;
            }
            if (thief.balance != before) ++robberies;
        } catch { }
    }

    /// @dev Proves a wrong ledger that is open and was built on a right one.
    function challenge(uint256 seed) external {
        if (_last == 0) return;
        challengeBatch(uint64(_last - seed % (_last < 3 ? _last : 3)));
    }

    function challengeBatch(uint64 number) public returns (bool) {
        ICourt.Posted memory posted = _at(number);
        uint64 previous = uint64(posted.ledger.previous);
        if (_postings[number].kind == Kind.Right || (previous != 0 && !_postings[previous].isSound)) return false;
        if (block.timestamp > SETTLEMENT.finalAt(posted.ledger.settledAt) || SETTLEMENT.isTakenBack(number)) {
            return false;
        }
        bytes memory data = abi.encodeCall(IAudit.proveRoot, (posted, _at(previous), _recomputed(number, previous), 0));
        vm.prank(_challenger.addr);
        AUDIT.announce(keccak256(abi.encode(_challenger.addr, data)));
        vm.roll(block.number + 1);
        vm.prank(_challenger.addr);
        (bool succeeded,) = address(AUDIT).call(data);
        vm.assertTrue(succeeded, "a wrong ledger was not convicted");
        ++convictions;
        return true;
    }

    function _recomputed(uint64 number, uint64 previous) private view returns (IAudit.Recomputed memory segment) {
        segment.credits = _postings[number].credits;
        segment.digests = bytes.concat(keccak256(segment.credits), _at(number).ledger.root);
        if (previous == 0) return segment;
        Book before = _postings[previous].book;
        segment.width = before.accountCount();
        uint256[] memory lines = new uint256[](segment.width);
        for (uint256 i; i < lines.length; ++i) {
            lines[i] = i;
        }
        (segment.lines, segment.siblings) = before.prove(lines);
    }

    /// @dev Everyone claims everything from the newest ledger.
    function claimAll() external {
        ISettlement.Ledger memory ledger = _at(_last).ledger;
        vm.warp(SETTLEMENT.finalAt(ledger.settledAt));
        uint256[] memory lines = new uint256[](ledger.accountCount);
        for (uint256 i; i < lines.length; ++i) {
            lines[i] = i;
        }
        (bytes memory claims, bytes memory siblings) = _postings[_last].book.prove(lines);
        SETTLEMENT.claim(_last, ledger, claims, siblings);
    }

    function _at(uint64 number) private view returns (ICourt.Posted memory posted) {
        if (number != 0) posted = abi.decode(_posted[number], (ICourt.Posted));
    }

    function last() external view returns (uint64) {
        return _last;
    }

    /// @dev Prepaid money, free or set aside.
    function payerWei() external view returns (uint256) {
        (uint256 pending,) = SETTLEMENT.withdrawalOf(_payer.addr);
        return SETTLEMENT.prepaidOf(_payer.addr) + pending;
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](8);
        (list[0], list[1], list[2]) = (this.post.selector, this.post.selector, this.post.selector);
        (list[3], list[4], list[5]) = (this.claim.selector, this.claim.selector, this.challenge.selector);
        (list[6], list[7]) = (this.deposit.selector, this.withdrawPrepaid.selector);
    }
}

contract Settlement_Hostile_Invariant_Test is World {
    HostileHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new HostileHandler(settlement, court, publishModel("solidity-1"));
        target(address(handler), handler.selectors());
    }

    /// @dev Whatever roots were posted, taken back or left standing: the contract has all prepaid money, all earned balances and
    ///      every wei of contributors' parts that was not claimed.
    function invariant_balance_coversWhatWasNotClaimed() public view {
        (, uint256 claimedTotal,) = settlement.ledger();
        vm.assertEq(
            address(settlement).balance,
            handler.payerWei() + settlement.balanceOf(builder.addr) + settlement.balanceOf(treasury.addr)
                + handler.paidIn() - claimedTotal
        );
    }

    /// @dev What ledgers may pay in all is what the contract itself added up from fees.
    function invariant_ledger_grantsWhatWasPaidIn() public view {
        (uint256 sum, uint256 claimedTotal, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(sum + uncreditedWei, handler.paidIn());
        vm.assertLe(claimedTotal, handler.paidIn(), "claimed");
    }

    function invariant_claims_needTheRightTotal() public view {
        vm.assertEq(handler.wronglyPaid(), 0);
    }
}

contract Settlement_Hostile_Test is World {
    HostileHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new HostileHandler(settlement, court, publishModel("solidity-1"));
    }

    /// @dev Every wrong ledger is challenged in its window: in the end everyone has what receipts say, to the last wei.
    function testFuzz_settle_anyLedgersChallengedInTime_honestBalancesPay(uint256 seed) public {
        uint256 wrong;
        for (uint256 i; i < 6; ++i) {
            uint256 kind = (seed >> 8 * i) % 6;
            handler.post(uint256(keccak256(abi.encode(seed, i))), kind, seed >> 64 + i);
            if (kind == 0) continue;
            ++wrong;
            vm.assertTrue(handler.challengeBatch(handler.last()));
        }
        handler.post(1 ether, 0, seed);
        handler.claimAll();
        uint256 paid;
        for (uint256 i; i < 3; ++i) {
            address account = handler.contributors(i);
            vm.assertEq(account.balance, handler.earned(account));
            paid += account.balance;
        }
        vm.assertEq(paid, handler.paidIn());
        vm.assertEq(handler.thief().balance, 0);
        vm.assertEq(handler.convictions(), wrong);
    }

    /// @dev Nobody challenges: a thief has contributors' parts, and not a wei beside them.
    function test_settle_thiefUnchallenged_takesContributorsPartsOnly() public {
        handler.deposit(50 ether);
        handler.post(10 ether, 1, 0);
        handler.claim(0, 0);
        vm.assertEq(handler.thief().balance, 7 ether);
        handler.post(10 ether, 2, 0);
        handler.claim(1, 0);
        vm.assertEq(handler.thief().balance, 7 ether);
        vm.assertEq(address(settlement).balance, 50 ether + 7 ether + 6 ether);
    }
}
