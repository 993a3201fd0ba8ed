// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import { MessageHashUtils } from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import { IAudit } from "../interfaces/IAudit.sol";
import { ICourt } from "../interfaces/ICourt.sol";
import { IFeePolicy } from "../interfaces/IFeePolicy.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";
import { LedgerSegment } from "../libraries/LedgerSegment.sol";
import { MerkleSum } from "../libraries/MerkleSum.sol";
import { PostedBatch } from "../libraries/PostedBatch.sol";
import { SumPath } from "../libraries/SumPath.sol";
import { Settlement } from "./Settlement.sol";

/// @title Audit
/// @notice See {IAudit}. Deployed by {Court}, which carries out what it finds. Holds no money; owned by nobody.
///
///         What the proofs together leave no room for: every receipt is signed and in its place, or demanded and not shown;
///         lines are those of receipts, each once; posted totals are sums of lines; every root follows from the one before.
///         So posted totals are what receipts say. Only that groups divide fees by the models of the receipts is decided
///         by no proof: a receipt without a group is {ICourt.Fault.Ungrouped}, one in another's group shows in its owner's
///         part for whoever adds receipts up.
contract Audit is IAudit {
    using PostedBatch for ICourt.Posted;
    using SumPath for SumPath.Path;

    bytes32 private constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(uint64 sequence,bytes32 previousHash,address payer,uint256 modelId,bytes32 promptHash,bytes32 answerHash,uint32 inputTokens,uint32 outputTokens,uint256 feeWei,uint32 splitVersion,uint32 stakeVersion,bytes32 sharesRoot,bytes32 attributionHash,bytes32 inferenceCommitment,uint64 timestamp)"
    );
    uint256 private constant BPS = 10_000;
    uint256 private constant SHARE_BYTES = 32;

    /// @inheritdoc IAudit
    ICourt public immutable COURT;
    Settlement public immutable SETTLEMENT;

    mapping(bytes32 announcement => uint256) private _announcedAt;

    /// @dev Gives way to the sender's own announcement from an earlier block only.
    modifier announced() {
        _consume(keccak256(abi.encode(msg.sender, msg.data)));
        _;
    }

    constructor(ICourt court, Settlement settlement) {
        COURT = court;
        SETTLEMENT = settlement;
    }

    /// @inheritdoc IAudit
    function announce(bytes32 announcement) external {
        if (_announcedAt[announcement] != 0) revert AuditAlreadyAnnounced(announcement);
        _announcedAt[announcement] = block.number;
        emit Announced(announcement, msg.sender);
    }

    /// @inheritdoc IAudit
    function proveReceipt(ICourt.Posted calldata posted, ICourt.Filed calldata filed, bytes32) external announced {
        posted.requireOpen(SETTLEMENT);
        (bool isFault, ICourt.Fault fault) = _receiptFault(posted, filed);
        if (!isFault) revert AuditNoFault(posted.number);
        _undo(posted, posted, false, fault);
    }

    /// @inheritdoc IAudit
    function proveLines(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        bool isCredit,
        Line calldata first,
        Line calldata second,
        bytes32
    ) external announced {
        posted.requireOpen(SETTLEMENT);
        uint256 firstSequence = posted.batch.lastSequence - posted.countOf() + 1;
        uint256 total = posted.feesOf();
        if (isCredit) {
            _requirePrevious(posted, previous);
            bool isNone = posted.ledger.previous == 0;
            firstSequence = isNone ? 1 : uint256(previous.batch.lastSequence) + 1;
            total = posted.ledger.sum - (isNone ? 0 : previous.ledger.sum);
        }
        SumPath.Summit memory summit = _climb(posted, isCredit, first);
        if (
            summit.total == total && first.sequence >= firstSequence && first.sequence <= posted.batch.lastSequence
                && first.amount != 0
        ) {
            _climb(posted, isCredit, second);
            bool isAscending =
                first.account < second.account || (first.account == second.account && first.sequence < second.sequence);
            if (second.path.index != first.path.index + 1 || isAscending) revert AuditNoFault(posted.number);
        }
        _undo(posted, previous, isCredit, ICourt.Fault.Lines);
    }

    /// @inheritdoc IAudit
    function proveLine(
        ICourt.Posted calldata posted,
        bool isCredit,
        Line calldata line,
        ICourt.Posted calldata receiptBatch,
        ICourt.Filed calldata filed,
        ICourt.Posted calldata previous,
        bytes32
    ) external announced {
        posted.requireOpen(SETTLEMENT);
        _climb(posted, isCredit, line);
        if (_isOf(line, isCredit, receiptBatch, filed)) revert AuditNoFault(posted.number);
        _undo(posted, previous, isCredit, ICourt.Fault.Line);
    }

    /// @inheritdoc IAudit
    function proveDebit(
        ICourt.Posted calldata posted,
        address payer,
        bytes calldata debits,
        Lines calldata lines,
        bytes32
    ) external announced {
        posted.requireOpen(SETTLEMENT);
        if (keccak256(debits) != posted.debitsHash) revert AuditInvalidProof();
        uint256 charged;
        for (uint256 offset; offset < debits.length;) {
            (address account, uint256 amount, uint256 next) = PostedBatch.debitAt(debits, offset);
            if (account == payer) charged = amount;
            offset = next;
        }
        if (charged == _sumOf(posted, false, payer, lines)) revert AuditNoFault(posted.number);
        _undo(posted, posted, false, ICourt.Fault.Total);
    }

    /// @inheritdoc IAudit
    function proveCredit(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        LedgerLine calldata line,
        LedgerLine calldata before,
        Lines calldata lines,
        bytes32
    ) external announced {
        posted.requireOpen(SETTLEMENT);
        _requirePrevious(posted, previous);
        uint256 credited = line.cumulative;
        _climbLedger(posted, line);
        if (posted.ledger.previous != 0 && line.path.index < previous.ledger.accountCount) {
            _climbLedger(previous, before);
            if (before.path.index != line.path.index || before.account != line.account) revert AuditInvalidProof();
            if (before.cumulative <= line.cumulative) credited = line.cumulative - before.cumulative;
        }
        if (credited == _sumOf(posted, true, line.account, lines)) revert AuditNoFault(posted.number);
        _undo(posted, previous, true, ICourt.Fault.Total);
    }

    /// @inheritdoc IAudit
    function proveRoot(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        Recomputed calldata segment,
        bytes32
    ) external announced {
        posted.requireOpen(SETTLEMENT);
        _requirePrevious(posted, previous);
        (bytes32 claimed, bytes32 rootBefore) = _digestsOf(posted, segment);
        if (segment.place == 0) {
            bool isFirst = posted.ledger.previous == 0;
            rootBefore = isFirst ? bytes32(0) : previous.ledger.root;
            if (segment.width != (isFirst ? 0 : previous.ledger.accountCount)) revert AuditInvalidProof();
        } else if (segment.width == 0) {
            revert AuditInvalidProof();
        }
        (MerkleSum.Node memory root, uint256 count) =
            LedgerSegment.rootAfter(rootBefore, segment.width, segment.credits, segment.lines, segment.siblings);
        // the last segment's ledger is the batch's: it has the sum that is owed, on so many lines
        bool isLast = segment.digests.length == 64 * (segment.place + 1);
        bool isWhole = !isLast || (root.sum == posted.ledger.sum && count == posted.ledger.accountCount);
        if (count != 0 && root.hash == claimed && isWhole) revert AuditNoFault(posted.number);
        _void(posted, previous, ICourt.Fault.Root);
    }

    /// @inheritdoc IAudit
    function proveDoubled(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        LedgerLine calldata one,
        LedgerLine calldata other,
        bytes32
    ) external announced {
        posted.requireOpen(SETTLEMENT);
        _requirePrevious(posted, previous);
        _climbLedger(posted, one);
        _climbLedger(posted, other);
        if (one.account != other.account || one.path.index == other.path.index) revert AuditNoFault(posted.number);
        _void(posted, previous, ICourt.Fault.Doubled);
    }

    /// @inheritdoc IAudit
    function consume(bytes32 announcement) external {
        if (msg.sender != address(COURT)) revert AuditNotCourt(msg.sender);
        _consume(announcement);
    }

    /// @inheritdoc IAudit
    function receiptFault(
        ICourt.Posted calldata posted,
        ICourt.Filed calldata filed
    ) external view returns (bool isFault, ICourt.Fault fault) {
        return _receiptFault(posted, filed);
    }

    /// @inheritdoc IAudit
    function requireFiled(ICourt.Posted calldata posted, ICourt.Filed calldata filed) external view {
        _requireFiled(posted, filed, _hashReceipt(filed.receipt), bytes32(filed.signature));
    }

    /// @inheritdoc IAudit
    function requireLine(
        ICourt.Posted calldata posted,
        bool isCredit,
        Line calldata line
    ) external pure returns (bool) {
        return _climb(posted, isCredit, line).isLast;
    }

    /// @inheritdoc IAudit
    function sharesRoot(bytes calldata shares) external pure returns (bytes32) {
        return _sharesRoot(shares);
    }

    /// @inheritdoc IAudit
    function hashReceipt(ISettlement.Receipt calldata receipt) external pure returns (bytes32) {
        return _hashReceipt(receipt);
    }

    /// @inheritdoc IAudit
    function digestReceipt(ISettlement.Receipt calldata receipt) external view returns (bytes32) {
        return _digest(_hashReceipt(receipt));
    }

    function _consume(bytes32 announcement) private {
        uint256 block_ = _announcedAt[announcement];
        if (block_ == 0 || block_ >= block.number) revert AuditNotAnnounced(announcement);
        delete _announcedAt[announcement];
    }

    /// @dev Debits that are wrong are given back; credits that are wrong are taken back.
    function _undo(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        bool isCredit,
        ICourt.Fault fault
    ) private {
        COURT.sentence(posted, previous.ledger, fault, isCredit ? ICourt.Remedy.Strike : ICourt.Remedy.Free, msg.sender);
    }

    function _void(ICourt.Posted calldata posted, ICourt.Posted calldata previous, ICourt.Fault fault) private {
        COURT.sentence(posted, previous.ledger, fault, ICourt.Remedy.Void, msg.sender);
    }

    /// @dev Whether a line is what its receipt says; reverts when it is another receipt's.
    function _isOf(
        Line calldata line,
        bool isCredit,
        ICourt.Posted calldata receiptBatch,
        ICourt.Filed calldata filed
    ) private view returns (bool) {
        receiptBatch.requirePosted(SETTLEMENT);
        ISettlement.Receipt calldata receipt = filed.receipt;
        _requireFiled(receiptBatch, filed, _hashReceipt(receipt), bytes32(filed.signature));
        uint256 index = receipt.sequence - (receiptBatch.batch.lastSequence - receiptBatch.countOf() + 1);
        if (receipt.sequence != line.sequence || index != filed.path.index) revert AuditInvalidProof();
        if (!isCredit) return receipt.payer == line.account && receipt.feeWei == line.amount;
        bytes32 corrected = COURT.correctedRoot(receipt.sequence);
        if (_sharesRoot(filed.shares) != (corrected == 0 ? receipt.sharesRoot : corrected)) {
            revert AuditInvalidProof();
        }
        return _shareOf(filed.shares, line.account) == line.amount;
    }

    /// @dev What is wrong with a receipt that a batch has, if anything.
    function _receiptFault(
        ICourt.Posted calldata posted,
        ICourt.Filed calldata filed
    ) private view returns (bool isFault, ICourt.Fault fault) {
        ISettlement.Receipt calldata receipt = filed.receipt;
        bytes32 receiptHash = _hashReceipt(receipt);
        uint256 total = _requireFiled(posted, filed, receiptHash, keccak256(filed.signature));
        (address signer,,) = ECDSA.tryRecover(_digest(receiptHash), filed.signature);
        if (signer != posted.ledger.operator) return (true, ICourt.Fault.Unsigned);
        uint256 firstSequence = posted.batch.lastSequence - posted.countOf() + 1;
        if (receipt.sequence != firstSequence + filed.path.index) return (true, ICourt.Fault.Misplaced);
        if (filed.leafSum != receipt.feeWei || total != posted.feesOf()) return (true, ICourt.Fault.Sum);
        if (!_isGrouped(posted, receipt)) return (true, ICourt.Fault.Ungrouped);
        if (filed.shares.length != 0 && _sharesRoot(filed.shares) == receipt.sharesRoot) {
            if (_sharesSum(filed.shares) != _contributorsWei(receipt)) return (true, ICourt.Fault.Shares);
        }
        return (false, fault);
    }

    /// @dev Reverts unless the batch has the receipt; gives the sum of all receipts' leaves.
    function _requireFiled(
        ICourt.Posted calldata posted,
        ICourt.Filed calldata filed,
        bytes32 receiptHash,
        bytes32 signatureHash
    ) private pure returns (uint256 total) {
        SumPath.Summit memory summit =
            filed.path.climb(keccak256(bytes.concat(receiptHash, signatureHash)), filed.leafSum);
        if (summit.root != posted.batch.receiptsRoot) revert AuditInvalidProof();
        return summit.total;
    }

    function _isGrouped(
        ICourt.Posted calldata posted,
        ISettlement.Receipt calldata receipt
    ) private pure returns (bool) {
        for (uint256 i; i < posted.groups.length; ++i) {
            ISettlement.Group calldata group = posted.groups[i];
            if (
                group.modelId == receipt.modelId && group.splitVersion == receipt.splitVersion
                    && group.stakeVersion == receipt.stakeVersion && receipt.timestamp >= group.firstTimestamp
                    && receipt.timestamp <= group.lastTimestamp
            ) return true;
        }
        return false;
    }

    /// @dev The contributors' part of a fee, as {FeePolicy} and {Staking} say.
    function _contributorsWei(ISettlement.Receipt calldata receipt) private view returns (uint256) {
        IFeePolicy.Split memory split = SETTLEMENT.FEE_POLICY().splitOf(receipt.splitVersion);
        (uint256 staked,,) = SETTLEMENT.STAKING().stakeAt(receipt.modelId, receipt.stakeVersion);
        uint256 feeWei = receipt.feeWei;
        return feeWei - feeWei * split.platformBps / BPS - feeWei * split.ownerBps / BPS
            - (staked == 0 ? 0 : feeWei * split.stakersBps / BPS);
    }

    /// @dev Root over packed shares; what does not ascend has none.
    function _sharesRoot(bytes calldata shares) private pure returns (bytes32) {
        uint256 count = shares.length / SHARE_BYTES;
        if (shares.length % SHARE_BYTES != 0) revert AuditInvalidProof();
        if (count == 0) return 0;
        uint256[] memory indexes = new uint256[](count);
        MerkleSum.Node[] memory nodes = new MerkleSum.Node[](count);
        address last;
        for (uint256 i; i < count; ++i) {
            (address account, uint256 amount) = _shareAt(shares, i);
            if (account <= last) revert AuditInvalidProof();
            indexes[i] = i;
            nodes[i] = MerkleSum.leaf(account, amount);
            last = account;
        }
        return MerkleSum.rootOf(indexes, nodes, count, shares[0:0]).hash;
    }

    function _sharesSum(bytes calldata shares) private pure returns (uint256 sum) {
        for (uint256 i; i < shares.length / SHARE_BYTES; ++i) {
            (, uint256 amount) = _shareAt(shares, i);
            sum += amount;
        }
    }

    function _shareOf(bytes calldata shares, address whose) private pure returns (uint256) {
        for (uint256 i; i < shares.length / SHARE_BYTES; ++i) {
            (address account, uint256 amount) = _shareAt(shares, i);
            if (account == whose) return amount;
        }
        return 0;
    }

    function _shareAt(bytes calldata shares, uint256 i) private pure returns (address account, uint256 amount) {
        bytes32 word = bytes32(shares[i * SHARE_BYTES:(i + 1) * SHARE_BYTES]);
        return (address(bytes20(word)), uint96(uint256(word)));
    }

    /// @dev Sum of an account's lines; reverts unless they are all of its lines.
    function _sumOf(
        ICourt.Posted calldata posted,
        bool isCredit,
        address account,
        Lines calldata lines
    ) private pure returns (uint256) {
        (Line calldata first, Line calldata last) = (lines.first, lines.last);
        bool isLast = lines.isEmpty;
        uint256 next;
        uint256 sum;
        if (!lines.isEmpty) {
            SumPath.Summit memory begin = _climb(posted, isCredit, first);
            SumPath.Summit memory end = _climb(posted, isCredit, last);
            if (first.account != account || last.account != account || begin.before > end.before) {
                revert AuditInvalidProof();
            }
            sum = end.before + last.amount - begin.before;
            (isLast, next) = (end.isLast, last.path.index + 1);
        }
        uint256 place = lines.isEmpty ? lines.right.path.index : first.path.index;
        bool isRightShown = !isLast;
        if (lines.isEmpty) {
            // nothing to the right is shown by the left one being the last
            SumPath.Summit memory beside = _isSame(lines.right, lines.left)
                ? _climb(posted, isCredit, lines.left)
                : SumPath.Summit(0, 0, 0, false);
            isRightShown = !beside.isLast;
            if (!isRightShown) place = lines.left.path.index + 1;
            next = place;
        }
        if (place != 0) {
            _climb(posted, isCredit, lines.left);
            if (lines.left.account >= account || lines.left.path.index + 1 != place) revert AuditInvalidProof();
        }
        if (isRightShown) {
            _climb(posted, isCredit, lines.right);
            if (lines.right.account <= account || lines.right.path.index != next) revert AuditInvalidProof();
        }
        return sum;
    }

    /// @dev A right neighbour that repeats the left one says that there is none.
    function _isSame(Line calldata one, Line calldata other) private pure returns (bool) {
        return one.path.index == other.path.index && one.account == other.account;
    }

    function _climb(
        ICourt.Posted calldata posted,
        bool isCredit,
        Line calldata line
    ) private pure returns (SumPath.Summit memory summit) {
        bytes32 leaf = keccak256(abi.encodePacked(line.account, line.sequence, line.amount));
        summit = line.path.climb(leaf, line.amount);
        if (summit.root != (isCredit ? posted.batch.creditLinesRoot : posted.batch.debitLinesRoot)) {
            revert AuditInvalidProof();
        }
    }

    function _climbLedger(ICourt.Posted calldata posted, LedgerLine calldata line) private pure {
        SumPath.Summit memory summit =
            line.path.climb(MerkleSum.leafHash(line.account, line.cumulative), line.cumulative);
        if (summit.root != posted.ledger.root) revert AuditInvalidProof();
    }

    /// @dev What a segment says that its root is, and what the segment before it says.
    function _digestsOf(
        ICourt.Posted calldata posted,
        Recomputed calldata segment
    ) private pure returns (bytes32 claimed, bytes32 rootBefore) {
        uint256 offset = 64 * segment.place;
        bytes calldata digests = segment.digests;
        if (
            keccak256(digests) != posted.segmentsHash || offset + 64 > digests.length
                || keccak256(segment.credits) != bytes32(digests[offset:offset + 32])
        ) revert AuditInvalidProof();
        claimed = bytes32(digests[offset + 32:offset + 64]);
        if (segment.place != 0) rootBefore = bytes32(digests[offset - 32:offset]);
    }

    /// @dev A batch that credits, and the one whose ledger it was built on.
    function _requirePrevious(ICourt.Posted calldata posted, ICourt.Posted calldata previous) private view {
        if (posted.segmentsHash == 0) revert AuditInvalidProof();
        if (posted.ledger.previous == 0) return;
        if (previous.number != posted.ledger.previous) revert AuditInvalidProof();
        previous.requirePosted(SETTLEMENT);
    }

    /// @dev Every field is one word, so the words of the struct are those of `encodeData`.
    function _hashReceipt(ISettlement.Receipt calldata receipt) private pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt));
    }

    function _digest(bytes32 receiptHash) private view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(SETTLEMENT.DOMAIN_SEPARATOR(), receiptHash);
    }
}
