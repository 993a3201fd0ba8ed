// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAudit } from "../src/interfaces/IAudit.sol";
import { ICourt } from "../src/interfaces/ICourt.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { LedgerSegment } from "../src/libraries/LedgerSegment.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { CourtTest } from "./CourtTest.t.sol";

contract Audit_proveRoot_Test is CourtTest {
    ICourt.Posted internal none;

    /// @dev Lines of the ledger now, before the next credits: those asked for and the last, with the nodes beside them.
    function _shown(uint256[] memory lines) internal view returns (bytes memory claims, bytes memory siblings) {
        return book.prove(lines);
    }

    function _segment() internal view returns (IAudit.Recomputed memory segment) {
        segment.digests = bytes.concat(keccak256(credits), ledgerRoot);
        segment.credits = credits;
    }

    function _prove(
        ICourt.Posted memory posted,
        ICourt.Posted memory previous,
        IAudit.Recomputed memory segment
    ) internal pure returns (bytes memory) {
        return abi.encodeCall(IAudit.proveRoot, (posted, previous, segment, 0));
    }

    function test_proveRoot_firstLedger_rightOneReverts() public {
        ICourt.Posted memory posted = post();
        requireNoFault(_prove(posted, none, _segment()), 1);
    }

    function test_proveRoot_firstLedger_wrongRootVoidsIt() public {
        ledgerRoot = keccak256("nothing that follows");
        ICourt.Posted memory posted = post();
        this.prove(_prove(posted, none, _segment()));
        requireConvicted(1, false);
        vm.warp(block.timestamp + CHALLENGE);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementContested.selector, 1, 1));
        settlement.claim(1, posted.ledger, abi.encodePacked(uint32(0), low.addr, uint96(1)), hex"");
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncredited, 14_000);
    }

    /// @dev The credits of the void batch are made anew by the next one; whoever could claim before can claim all the while.
    function test_proveRoot_laterLedger_olderOnesPayAndCreditsAreMadeAnew() public {
        ICourt.Posted memory first = post();
        uint256[] memory lines = new uint256[](2);
        (lines[0], lines[1]) = (0, 1);
        (bytes memory shown, bytes memory siblings) = _shown(lines);
        draft(7000, 3000);
        bytes32 right = ledgerRoot;
        ledgerRoot = keccak256("nothing that follows");
        ICourt.Posted memory second = post();
        IAudit.Recomputed memory segment = _segment();
        (segment.width, segment.lines, segment.siblings) = (2, shown, siblings);
        this.prove(_prove(second, first, segment));
        vm.snapshotGasLastCall("Audit", "proveRoot, 2 credits");
        requireConvicted(2, false);

        vm.warp(block.timestamp + CHALLENGE);
        settlement.claim(1, first.ledger, shown, siblings);
        vm.assertEq(low.addr.balance, 10_000);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementContested.selector, 2, 2));
        settlement.claim(2, second.ledger, shown, siblings);

        // the operator stands again once everything it answers for is final
        vm.warp(block.timestamp + 2 * CHALLENGE + 4 * STEP);
        court.bondFor(operator.addr);
        bytes memory kept = credits;
        delete receipts;
        delete signatures;
        delete shares;
        delete leafSums;
        ISettlement.Receipt memory free = blank();
        (free.feeWei, free.sharesRoot) = (0, 0);
        receipts.push(book.append(free));
        signatures.push(signReceipt(operator, free));
        shares.push("");
        leafSums.push(0);
        (credits, ledgerRoot, debits) = (kept, right, "");
        groups[0].receiptCount = 1;
        (groups[0].feeWei, groups[0].platformWei, groups[0].ownerWei) = (0, 0, 0);
        (groups[0].firstTimestamp, groups[0].lastTimestamp) = (uint64(block.timestamp), uint64(block.timestamp));
        ICourt.Posted memory third = post();
        vm.assertEq(third.ledger.previous, 1);
        vm.warp(block.timestamp + CHALLENGE);
        claimLines(lines);
        vm.assertEq(low.addr.balance, 20_000);
        vm.assertEq(high.addr.balance, 8000);
    }

    function test_proveRoot_otherWidthOrLines_isNoProof() public {
        ICourt.Posted memory first = post();
        uint256[] memory lines = new uint256[](2);
        (lines[0], lines[1]) = (0, 1);
        IAudit.Recomputed memory segment;
        (bytes memory shown, bytes memory siblings) = _shown(lines);
        draft(7000, 3000);
        ICourt.Posted memory second = post();
        segment = _segment();
        (segment.width, segment.lines, segment.siblings) = (2, shown, siblings);
        requireNoFault(_prove(second, first, segment), 2);
        segment.width = 3;
        vm.expectRevert(IAudit.AuditInvalidProof.selector);
        this.prove(_prove(second, first, segment));
        segment.width = 2;
        segment.credits = hex"01ff";
        vm.expectRevert(IAudit.AuditInvalidProof.selector);
        this.prove(_prove(second, first, segment));
    }

    /// @dev The root follows from the credits, but they are not what is owed.
    function test_proveRoot_sumNotWhatIsOwed_voids() public {
        (credits, ledgerRoot) =
        (abi.encodePacked(uint8(0xf2), low.addr, uint16(14_001)), MerkleSum.leafHash(low.addr, 14_001));
        accountsAfter = 1;
        ICourt.Posted memory posted = post();
        this.prove(_prove(posted, none, _segment()));
        requireConvicted(1, false);
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncredited, 14_000);
    }

    /// @dev The root follows and the sum is right, but the ledger is said to have another number of lines.
    function testFuzz_proveRoot_numberOfLinesWrong_voids(uint32 said) public {
        accountsAfter = said == 2 ? 3 : said == 0 ? 1 : said;
        ICourt.Posted memory posted = post();
        this.prove(_prove(posted, none, _segment()));
        requireConvicted(1, false);
    }

    function test_proveRoot_malformedCredits_void() public {
        bytes memory fresh = abi.encodePacked(uint8(0xf2), ann.addr, uint16(3000));
        bytes[10] memory bad = [
            // no amount, an empty amount, an amount of zero, an amount cut short, a place cut short
            bytes(hex"01"),
            hex"00",
            hex"0100",
            hex"f3",
            hex"e10000",
            // an amount that no line has room for
            bytes.concat(hex"fd", bytes20(ann.addr), new bytes(12), hex"01"),
            // a line that is not there, near and far
            hex"1101",
            hex"e10000000501",
            // a new account without an address
            abi.encodePacked(uint8(0xf1), address(0), uint8(1)),
            // an old line after a new account
            bytes.concat(fresh, hex"0101")
        ];
        for (uint256 i; i < bad.length; ++i) {
            // so long that a line may be new
            bytes memory packed = bad[i].length < 22 ? bytes.concat(bad[i], new bytes(22)) : bad[i];
            vm.expectRevert(bytes("convicted"));
            this.convict(i == 3 || i == 4 ? bytes.concat(fresh, bad[i]) : packed);
        }
    }

    /// @dev A root of zero in the middle, which what is no credit might be taken to lead to, hides nothing.
    function test_proveRoot_malformedUnderARootOfZero_voids() public {
        ISettlement.Segment[] memory segments = new ISettlement.Segment[](2);
        segments[0] = ISettlement.Segment(bytes.concat(hex"1101", new bytes(22)), 0);
        segments[1] = ISettlement.Segment(credits, ledgerRoot);
        ICourt.Posted memory posted = post(segments);
        IAudit.Recomputed memory segment;
        (segment.digests, segment.credits) = (digestsOf(segments), segments[0].credits);
        this.prove(_prove(posted, none, segment));
        requireConvicted(1, false);
    }

    /// @dev Undoes itself, for the next ones.
    function convict(bytes calldata malformed) external {
        credits = malformed;
        accountsAfter = 1;
        ICourt.Posted memory posted = post();
        this.prove(_prove(posted, none, _segment()));
        requireConvicted(1, false);
        revert("convicted");
    }

    function test_proveDoubled_accountWithTwoLines_voids() public {
        // both credits of the draft go to `low`, as if it were two accounts
        credits = abi.encodePacked(uint8(0xf2), low.addr, uint16(10_000), uint8(0xf2), low.addr, uint16(4000));
        MerkleSum.Node[] memory nodes = new MerkleSum.Node[](2);
        nodes[0] = MerkleSum.leaf(low.addr, 10_000);
        nodes[1] = MerkleSum.leaf(low.addr, 4000);
        ledgerRoot = rootOf(nodes);
        ICourt.Posted memory posted = post();
        IAudit.LedgerLine memory one = IAudit.LedgerLine(low.addr, 10_000, pathOf(nodes, 0));
        IAudit.LedgerLine memory other = IAudit.LedgerLine(low.addr, 4000, pathOf(nodes, 1));
        requireNoFault(abi.encodeCall(IAudit.proveDoubled, (posted, none, one, one, 0)), 1);
        this.prove(abi.encodeCall(IAudit.proveDoubled, (posted, none, one, other, 0)));
        requireConvicted(1, false);
    }
}

/// @notice The recomputation held against a ledger that is built whole, from the leaves up.
contract LedgerSegment_Test is CourtTest {
    function rootAfter(
        bytes32 rootBefore,
        uint256 width,
        bytes calldata packed,
        bytes calldata lines,
        bytes calldata siblings
    ) external pure returns (bytes32) {
        (MerkleSum.Node memory root,) = LedgerSegment.rootAfter(rootBefore, width, packed, lines, siblings);
        return root.hash;
    }

    /// @dev Any ledger, any credits: an honest root is always found, so that nobody is convicted for one.
    function testFuzz_rootAfter_anyCredits_isTheBooksRoot(uint8 size, uint8 fresh, uint256 mask) public {
        book.take();
        uint256 width = 2 + size % 40;
        for (uint256 i = 2; i < width; ++i) {
            book.credit(vm.addr(1000 + i), 1 + i * 7919);
        }
        book.take();
        bytes32 before = book.root();
        uint256[] memory lines = new uint256[](width);
        uint256 count;
        for (uint256 i; i < width; ++i) {
            bool isCredited = mask >> i & 1 == 1;
            if (isCredited || i + 1 == width) lines[count++] = i;
        }
        assembly ("memory-safe") {
            mstore(lines, count)
        }
        (bytes memory shown, bytes memory siblings) = book.prove(lines);
        for (uint256 i; i < width; ++i) {
            if (mask >> i & 1 == 1) book.credit(book.accounts(i), 1 + uint256(uint32(mask >> i)));
        }
        for (uint256 i; i < fresh % 20; ++i) {
            book.credit(vm.addr(5000 + i), 1 + i);
        }
        ISettlement.Segment[] memory segments = book.take();
        if (segments.length == 0) return;
        bytes32 root = this.rootAfter(before, width, segments[0].credits, shown, siblings);
        vm.assertEq(root, segments[0].ledgerRoot);
        vm.assertEq(root, book.root());
        // no other width passes for the ledger's
        uint256[2] memory others = [width - 1, width + 1];
        for (uint256 i; i < 2; ++i) {
            (bool succeeded,) = address(this)
                .staticcall(abi.encodeCall(this.rootAfter, (before, others[i], segments[0].credits, shown, siblings)));
            vm.assertTrue(!succeeded);
        }
    }
}
