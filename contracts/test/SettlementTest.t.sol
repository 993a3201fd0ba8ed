// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { Book, World } from "./World.t.sol";

/// @notice A world with one model and a caller who prepaid, and what the node posts for its receipts.
abstract contract SettlementTest is World {
    uint256 internal constant FEE = 10_000;

    Book internal book;
    uint256 internal modelId;
    Actor internal ann;
    Actor internal bob;
    uint64 internal lastLedgerBatch;
    ISettlement.Ledger internal lastLedger;

    function setUp() public virtual override {
        super.setUp();
        book = new Book();
        modelId = publishModel("solidity-1");
        ann = actor("ann");
        bob = actor("bob");
        deposit(caller, 1 ether);
    }

    function blank() internal view returns (ISettlement.Receipt memory receipt) {
        receipt.payer = caller.addr;
        receipt.modelId = modelId;
        receipt.promptHash = keccak256("prompt");
        receipt.answerHash = keccak256("answer");
        receipt.inputTokens = 12;
        receipt.outputTokens = 34;
        receipt.feeWei = FEE;
        receipt.splitVersion = 1;
        receipt.sharesRoot = keccak256("shares");
        receipt.attributionHash = keccak256("attribution");
        receipt.inferenceCommitment = keccak256("inference");
        receipt.timestamp = uint64(block.timestamp);
    }

    function one(ISettlement.Receipt memory receipt) internal pure returns (ISettlement.Receipt[] memory receipts) {
        receipts = new ISettlement.Receipt[](1);
        receipts[0] = receipt;
    }

    /// @dev The receipts' parts as the split says; what is left belongs to contributors.
    function contributorsPart(uint256 feeWei, bool hasStakers) internal pure returns (uint256) {
        return feeWei - feeWei * 1000 / 10_000 - feeWei * 2000 / 10_000 - (hasStakers ? feeWei * 2000 / 10_000 : 0);
    }

    /// @dev What the node posts for receipts of which all are of one payer, model, split and stake.
    function pack(ISettlement
                .Receipt[] memory receipts)
        internal
        view
        returns (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups)
    {
        bytes32[] memory leaves = new bytes32[](receipts.length);
        uint256[] memory fees = new uint256[](receipts.length);
        groups = new ISettlement.Group[](1);
        ISettlement.Group memory group = groups[0];
        group.modelId = receipts[0].modelId;
        group.splitVersion = receipts[0].splitVersion;
        group.stakeVersion = receipts[0].stakeVersion;
        group.firstTimestamp = receipts[0].timestamp;
        for (uint256 i; i < receipts.length; ++i) {
            fees[i] = receipts[i].feeWei;
            leaves[i] = leafOf(receipts[i]);
            add(group, receipts[i]);
        }
        batch = ISettlement.Batch({
            lastSequence: receipts[receipts.length - 1].sequence,
            lastTimestamp: group.lastTimestamp,
            receiptsRoot: book.receiptsRoot(leaves, fees),
            lastReceiptHash: book.hash(receipts[receipts.length - 1]),
            debitLinesRoot: keccak256("debit lines"),
            creditLinesRoot: keccak256("credit lines"),
            accountCount: 0
        });
        if (group.feeWei != 0) debits = abi.encodePacked(receipts[0].payer, uint8(12), group.feeWei);
    }

    function leafOf(ISettlement.Receipt memory receipt) internal view returns (bytes32) {
        return keccak256(
            bytes.concat(
                book.hash(receipt),
                keccak256(
                    sign(
                        operator,
                        keccak256(abi.encodePacked("\x19\x01", settlement.DOMAIN_SEPARATOR(), book.hash(receipt)))
                    )
                )
            )
        );
    }

    /// @dev Adds a receipt to its group, part by part as the split says, each rounded down.
    function add(ISettlement.Group memory group, ISettlement.Receipt memory receipt) internal view {
        group.receiptCount += 1;
        group.lastTimestamp = receipt.timestamp;
        group.feeWei += uint96(receipt.feeWei);
        if (receipt.splitVersion == 0 || receipt.splitVersion > feePolicy.currentVersion()) return;
        IFeePolicy.Split memory split = feePolicy.splitOf(receipt.splitVersion);
        group.platformWei += uint96(receipt.feeWei * split.platformBps / 10_000);
        group.ownerWei += uint96(receipt.feeWei * split.ownerBps / 10_000);
        (uint256 staked,,) = staking.stakeAt(receipt.modelId, receipt.stakeVersion);
        if (staked != 0) group.stakersWei += uint96(receipt.feeWei * split.stakersBps / 10_000);
    }

    /// @dev Settles receipts with the credits that the book has taken in.
    function settle(ISettlement.Receipt[] memory receipts) internal {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(receipts);
        settle(batch, debits, groups, book.take());
    }

    function settle(
        ISettlement.Batch memory batch,
        bytes memory debits,
        ISettlement.Group[] memory groups,
        ISettlement.Segment[] memory segments
    ) internal {
        uint256 previous = settlement.ledgerBatch();
        if (segments.length != 0) batch.accountCount = uint32(book.accountCount());
        postAs(operator, batch, debits, groups, segments);
        (,, uint64 number,) = settlement.head();
        (uint256 sum,,) = settlement.ledger();
        if (segments.length == 0) return;
        lastLedgerBatch = number;
        lastLedger = ISettlement.Ledger({
            root: segments[segments.length - 1].ledgerRoot,
            sum: sum,
            accountCount: book.accountCount(),
            settledAt: block.timestamp,
            previous: previous,
            operator: operator.addr,
            bodyHash: bodyHash(batch, debits, groups, segments)
        });
    }

    function postAs(
        Actor memory sender,
        ISettlement.Batch memory batch,
        bytes memory debits,
        ISettlement.Group[] memory groups,
        ISettlement.Segment[] memory segments
    ) internal virtual {
        vm.prank(sender.addr);
        settlement.settle(batch, debits, groups, segments);
    }

    function bodyHash(
        ISettlement.Batch memory batch,
        bytes memory debits,
        ISettlement.Group[] memory groups,
        ISettlement.Segment[] memory segments
    ) internal pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i; i < segments.length; ++i) {
            hashes = bytes.concat(hashes, keccak256(segments[i].credits), segments[i].ledgerRoot);
        }
        return keccak256(
            abi.encode(
                batch,
                keccak256(debits),
                keccak256(abi.encode(groups)),
                segments.length == 0 ? bytes32(0) : keccak256(hashes)
            )
        );
    }

    function nextReceipt() internal returns (ISettlement.Receipt memory) {
        ISettlement.Receipt memory receipt = blank();
        receipt.stakeVersion = staking.versionOf(modelId);
        return book.append(receipt);
    }

    /// @dev Settles one answer and credits all contributors' part to one account.
    function settleOne(address account) internal {
        ISettlement.Receipt memory receipt = nextReceipt();
        book.credit(account, contributorsPart(FEE, staking.totalStakeOf(modelId) != 0));
        settle(one(receipt));
    }

    /// @dev Claims for one account against the last ledger, past its window.
    function claim(address account) internal {
        vm.warp(lastLedger.settledAt + CHALLENGE);
        uint256[] memory lines = new uint256[](1);
        lines[0] = book.indexOf(account);
        claimLines(lines);
    }

    function claimLines(uint256[] memory lines) internal {
        (bytes memory claims, bytes memory siblings) = book.prove(lines);
        settlement.claim(lastLedgerBatch, lastLedger, claims, siblings);
    }

    function two(
        ISettlement.Receipt memory first,
        ISettlement.Receipt memory second
    ) internal pure returns (ISettlement.Receipt[] memory receipts) {
        receipts = new ISettlement.Receipt[](2);
        receipts[0] = first;
        receipts[1] = second;
    }
}
