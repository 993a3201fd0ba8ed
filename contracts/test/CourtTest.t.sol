// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAudit } from "../src/interfaces/IAudit.sol";
import { ICourt } from "../src/interfaces/ICourt.sol";
import { IPanel } from "../src/interfaces/IPanel.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { SumPath } from "../src/libraries/SumPath.sol";
import { SettlementTest } from "./SettlementTest.t.sol";

/// @notice Batches that are right to the last line until a test makes one thing in them wrong, and what challenges them.
abstract contract CourtTest is SettlementTest {
    struct Entry {
        address account;
        uint64 sequence;
        uint96 amount;
    }

    /// @dev What the next batch will post; a test changes it before {post}.
    ISettlement.Receipt[] internal receipts;
    bytes[] internal signatures;
    bytes[] internal shares;
    uint256[] internal leafSums;
    Entry[] internal debitEntries;
    Entry[] internal creditEntries;
    bytes internal debits;
    ISettlement.Group[] internal groups;
    bytes internal credits;
    bytes32 internal ledgerRoot;
    /// @dev What the batch says of the ledger's lines; zero for what is so.
    uint32 internal accountsAfter;

    IAudit internal audit;
    IPanel internal panel;
    Actor internal challenger;
    Actor internal low;
    Actor internal high;

    function setUp() public virtual override {
        super.setUp();
        (audit, panel) = (court.AUDIT(), court.PANEL());
        challenger = richActor("challenger");
        (low, high) = ann.addr < bob.addr ? (ann, bob) : (bob, ann);
        draft(7000, 3000);
    }

    /// @dev Two answers of 10,000 wei: the first pays `low`, the second both, and what is left of 7,000 to `high`.
    function draft(uint96 first, uint96 second) internal {
        delete receipts;
        delete signatures;
        delete shares;
        delete leafSums;
        delete debitEntries;
        delete creditEntries;
        add(first == 7000 ? pack1(low.addr, 7000) : pack2(first));
        add(pack2(second));
        reckon();
    }

    function pack1(address account, uint96 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(account, amount);
    }

    function pack2(uint96 lows) internal view returns (bytes memory) {
        return abi.encodePacked(low.addr, lows, high.addr, uint96(7000 - lows));
    }

    /// @dev Adds a receipt with these shares to the draft.
    function add(bytes memory packed) internal {
        ISettlement.Receipt memory receipt = blank();
        receipt.stakeVersion = staking.versionOf(modelId);
        receipt.sharesRoot = audit.sharesRoot(packed);
        receipts.push(book.append(receipt));
        signatures.push(signReceipt(operator, receipts[receipts.length - 1]));
        shares.push(packed);
        leafSums.push(receipt.feeWei);
    }

    function signReceipt(Actor memory signer, ISettlement.Receipt memory receipt) internal view returns (bytes memory) {
        return sign(signer, audit.digestReceipt(receipt));
    }

    /// @dev Draws up lines, debits, groups and credits from the receipts of the draft.
    function reckon() internal {
        delete debitEntries;
        delete creditEntries;
        delete groups;
        groups.push();
        ISettlement.Group memory group = groups[0];
        group.modelId = modelId;
        group.splitVersion = 1;
        group.stakeVersion = staking.versionOf(modelId);
        group.firstTimestamp = uint64(block.timestamp);
        uint96 fees;
        for (uint256 i; i < receipts.length; ++i) {
            add(group, receipts[i]);
            fees += uint96(receipts[i].feeWei);
            debitEntries.push(Entry(receipts[i].payer, receipts[i].sequence, uint96(receipts[i].feeWei)));
        }
        groups[0] = group;
        debits = abi.encodePacked(caller.addr, uint8(12), fees);
        for (uint256 who; who < 2; ++who) {
            for (uint256 i; i < receipts.length; ++i) {
                address account = who == 0 ? low.addr : high.addr;
                uint96 amount = shareOf(shares[i], account);
                if (amount == 0) continue;
                creditEntries.push(Entry(account, receipts[i].sequence, amount));
                book.credit(account, amount);
            }
        }
        ISettlement.Segment[] memory segments = book.take();
        (credits, ledgerRoot) = (segments[0].credits, segments[0].ledgerRoot);
    }

    function shareOf(bytes memory packed, address account) internal pure returns (uint96 amount) {
        for (uint256 i; i < packed.length / 32; ++i) {
            uint256 word;
            assembly ("memory-safe") {
                word := mload(add(add(packed, 0x20), mul(i, 0x20)))
            }
            if (address(uint160(word >> 96)) == account) return uint96(word);
        }
    }

    /// @dev Settles the draft.
    function post() internal returns (ICourt.Posted memory posted) {
        ISettlement.Segment[] memory segments = new ISettlement.Segment[](credits.length == 0 ? 0 : 1);
        if (segments.length != 0) segments[0] = ISettlement.Segment(credits, ledgerRoot);
        return post(segments);
    }

    function post(ISettlement.Segment[] memory segments) internal returns (ICourt.Posted memory posted) {
        ISettlement.Receipt memory last = receipts[receipts.length - 1];
        posted.batch = ISettlement.Batch({
            lastSequence: last.sequence,
            lastTimestamp: last.timestamp,
            receiptsRoot: rootOf(receiptNodes()),
            lastReceiptHash: book.hash(last),
            debitLinesRoot: rootOf(nodesOf(debitEntries)),
            creditLinesRoot: segments.length == 0 ? bytes32(0) : rootOf(nodesOf(creditEntries)),
            accountCount: accountsAfter == 0 ? uint32(book.accountCount()) : accountsAfter
        });
        (posted.debitsHash, posted.groups) = (keccak256(debits), groups);
        uint256 previous = settlement.ledgerBatch();
        postAs(operator, posted.batch, debits, groups, segments);
        (,, uint64 number, uint64 accountCount) = settlement.head();
        (uint256 sum,,) = settlement.ledger();
        posted.number = number;
        posted.ledger = ISettlement.Ledger({
            root: segments.length == 0 ? bytes32(0) : segments[segments.length - 1].ledgerRoot,
            sum: sum,
            accountCount: accountCount,
            settledAt: block.timestamp,
            previous: previous,
            operator: operator.addr,
            bodyHash: bodyHash(posted.batch, debits, groups, segments)
        });
        bytes memory digests = digestsOf(segments);
        posted.segmentsHash = segments.length == 0 ? bytes32(0) : keccak256(digests);
        if (segments.length != 0) (lastLedgerBatch, lastLedger) = (number, posted.ledger);
    }

    function digestsOf(ISettlement.Segment[] memory segments) internal pure returns (bytes memory digests) {
        for (uint256 i; i < segments.length; ++i) {
            digests = bytes.concat(digests, keccak256(segments[i].credits), segments[i].ledgerRoot);
        }
    }

    function receiptNodes() internal view returns (MerkleSum.Node[] memory nodes) {
        nodes = new MerkleSum.Node[](receipts.length);
        for (uint256 i; i < nodes.length; ++i) {
            nodes[i] = MerkleSum.Node(
                keccak256(bytes.concat(book.hash(receipts[i]), keccak256(signatures[i]))), leafSums[i]
            );
        }
    }

    function nodesOf(Entry[] memory entries) internal pure returns (MerkleSum.Node[] memory nodes) {
        nodes = new MerkleSum.Node[](entries.length);
        for (uint256 i; i < nodes.length; ++i) {
            Entry memory entry = entries[i];
            nodes[i] = MerkleSum.Node(
                keccak256(abi.encodePacked(entry.account, entry.sequence, entry.amount)), entry.amount
            );
        }
    }

    function ledgerNodes() internal view returns (MerkleSum.Node[] memory nodes) {
        nodes = new MerkleSum.Node[](book.accountCount());
        for (uint256 i; i < nodes.length; ++i) {
            address account = book.accounts(i);
            nodes[i] = MerkleSum.leaf(account, book.cumulative(account));
        }
    }

    function above(MerkleSum.Node[] memory level) internal pure returns (MerkleSum.Node[] memory up) {
        up = new MerkleSum.Node[]((level.length + 1) / 2);
        for (uint256 i; i < up.length; ++i) {
            MerkleSum.Node memory left = level[2 * i];
            MerkleSum.Node memory right = 2 * i + 1 < level.length ? level[2 * i + 1] : MerkleSum.Node(0, 0);
            up[i] =
                MerkleSum.Node(keccak256(abi.encode(left.hash, left.sum, right.hash, right.sum)), left.sum + right.sum);
        }
    }

    function rootOf(MerkleSum.Node[] memory level) internal pure returns (bytes32) {
        while (level.length > 1) {
            level = above(level);
        }
        return level[0].hash;
    }

    /// @dev The way up from a leaf, with every sibling.
    function pathOf(MerkleSum.Node[] memory level, uint256 index) internal pure returns (SumPath.Path memory path) {
        path.index = index;
        for (; level.length > 1; index /= 2) {
            uint256 beside = index ^ 1;
            MerkleSum.Node memory node = beside < level.length ? level[beside] : MerkleSum.Node(0, 0);
            path.siblings = bytes.concat(path.siblings, node.hash, bytes12(uint96(node.sum)));
            level = above(level);
        }
    }

    /// @dev A receipt of the draft with its place; `isWhole` with the signature, else with its hash.
    function filed(uint256 i, bool isWhole) internal view returns (ICourt.Filed memory) {
        return ICourt.Filed({
            receipt: receipts[i],
            signature: isWhole ? signatures[i] : bytes.concat(keccak256(signatures[i])),
            leafSum: leafSums[i],
            path: pathOf(receiptNodes(), i),
            shares: shares[i]
        });
    }

    function debitLine(uint256 i) internal view returns (IAudit.Line memory) {
        Entry memory entry = debitEntries[i];
        return IAudit.Line(entry.account, entry.sequence, entry.amount, pathOf(nodesOf(debitEntries), i));
    }

    function creditLine(uint256 i) internal view returns (IAudit.Line memory) {
        Entry memory entry = creditEntries[i];
        return IAudit.Line(entry.account, entry.sequence, entry.amount, pathOf(nodesOf(creditEntries), i));
    }

    function noLine() internal pure returns (IAudit.Line memory line) { }

    /// @dev Announces a call, waits for the next block and makes it.
    function announced(Actor memory sender, address to, bytes memory data) internal {
        announced(sender, to, data, 0);
    }

    function announced(Actor memory sender, address to, bytes memory data, uint256 value) internal {
        vm.prank(sender.addr);
        audit.announce(keccak256(abi.encode(sender.addr, data)));
        vm.roll(block.number + 1);
        vm.deal(sender.addr, sender.addr.balance + value);
        vm.prank(sender.addr);
        (bool succeeded, bytes memory result) = to.call{ value: value }(data);
        if (succeeded) return;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }

    function prove(bytes memory data) external {
        announced(challenger, address(audit), data);
    }

    function refused(bytes memory data) internal {
        vm.expectRevert(IAudit.AuditInvalidProof.selector);
        this.prove(data);
    }

    function requireNoFault(bytes memory data, uint64 batch) internal {
        vm.expectRevert(abi.encodeWithSelector(IAudit.AuditNoFault.selector, batch));
        this.prove(data);
    }

    function requireConvicted(uint64 batch, bool isFree) internal view {
        (bool isConvicted, bool isFreed,) = court.verdictOn(batch);
        vm.assertTrue(isConvicted);
        vm.assertTrue(isFreed == isFree);
        vm.assertEq(court.owedTo(challenger.addr), PENALTY / 2);
        vm.assertEq(court.owedTo(treasury.addr), PENALTY / 2);
        (uint256 covered,,) = settlement.coverage();
        vm.assertEq(covered, 0);
    }
}
