// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { SumPath } from "../libraries/SumPath.sol";
import { ICourt } from "./ICourt.sol";
import { ISettlement } from "./ISettlement.sol";

/// @title IAudit
/// @notice Decides by one proof, in one transaction, what follows from posted data: that a receipt is none, that a batch's
///         lines, totals or roots do not follow. A proof that shows no fault reverts and costs its gas.
///
///         A proof is announced by its hash in an earlier block, with the sender in it: who copies it from the pool of
///         pending transactions gets nothing. The last argument of each is anything that keeps the hash from being guessed.
interface IAudit {
    /// @notice One payment to or from an account for one receipt, with its place among a batch's lines.
    struct Line {
        address account;
        uint64 sequence;
        uint96 amount;
        SumPath.Path path;
    }

    /// @notice All lines of an account: those beside them show that there are no others. Without any (`isEmpty`), `left` and
    ///         `right` stand next to each other. What a side does not have is not looked at.
    struct Lines {
        bool isEmpty;
        Line left;
        Line first;
        Line last;
        Line right;
    }

    /// @notice An account's line in the ledger.
    struct LedgerLine {
        address account;
        uint256 cumulative;
        SumPath.Path path;
    }

    /// @notice What a segment's root is recomputed from.
    struct Recomputed {
        /// `(keccak256(credits) ‖ ledgerRoot)*` of all segments of the batch.
        bytes digests;
        /// Which of them, from zero.
        uint256 place;
        bytes credits;
        /// Lines of the ledger before it.
        uint256 width;
        /// `(index 4 ‖ account 20 ‖ cumulative 12)*` before it: of all accounts that it credits, and the last line.
        bytes lines;
        /// As for {ISettlement.claim}.
        bytes siblings;
    }

    error AuditNotAnnounced(bytes32 announcement);
    error AuditAlreadyAnnounced(bytes32 announcement);
    error AuditNotCourt(address caller);
    error AuditNoFault(uint64 batch);
    error AuditInvalidProof();

    event Announced(bytes32 indexed announcement, address indexed sender);

    /// @notice Announces a proof: `keccak256(abi.encode(sender, call data))` of the later call.
    function announce(bytes32 announcement) external;

    /// @notice Proves that a receipt in a batch is unsigned, misplaced, of the wrong sum, of no group, or that its shares are
    ///         wrong. The batch becomes free for its payers.
    function proveReceipt(ICourt.Posted calldata posted, ICourt.Filed calldata filed, bytes32 salt) external;

    /// @notice Proves that a batch's lines do not sum to its debits or credits, do not ascend, or name a receipt of another
    ///         batch.
    /// @param previous The batch whose ledger it was built on; only looked at for credits, and when there is one.
    /// @param second The line after the first; not looked at when the first alone tells.
    function proveLines(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        bool isCredit,
        Line calldata first,
        Line calldata second,
        bytes32 salt
    ) external;

    /// @notice Proves that a line is not what its receipt says.
    /// @param receiptBatch The batch of the receipt: for debits the same as `posted`.
    /// @param filed With the hash of the signature in place of the signature.
    function proveLine(
        ICourt.Posted calldata posted,
        bool isCredit,
        Line calldata line,
        ICourt.Posted calldata receiptBatch,
        ICourt.Filed calldata filed,
        ICourt.Posted calldata previous,
        bytes32 salt
    ) external;

    /// @notice Proves that a payer was charged something else than the sum of its lines.
    function proveDebit(
        ICourt.Posted calldata posted,
        address payer,
        bytes calldata debits,
        Lines calldata lines,
        bytes32 salt
    ) external;

    /// @notice Proves that an account was credited something else than the sum of its lines.
    /// @param before Its line in the ledger before; not looked at when its line is new.
    function proveCredit(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        LedgerLine calldata line,
        LedgerLine calldata before,
        Lines calldata lines,
        bytes32 salt
    ) external;

    /// @notice Proves that a segment's ledger root does not follow.
    function proveRoot(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        Recomputed calldata segment,
        bytes32 salt
    ) external;

    /// @notice Proves that an account has two lines in a ledger.
    function proveDoubled(
        ICourt.Posted calldata posted,
        ICourt.Posted calldata previous,
        LedgerLine calldata one,
        LedgerLine calldata other,
        bytes32 salt
    ) external;

    /// @notice Uses up an announcement that {COURT} was brought. {COURT} only.
    function consume(bytes32 announcement) external;

    /// @notice What is wrong with a receipt that a batch has, if anything. Reverts when the batch does not have it.
    function receiptFault(
        ICourt.Posted calldata posted,
        ICourt.Filed calldata filed
    ) external view returns (bool isFault, ICourt.Fault fault);

    /// @notice Reverts unless the batch has the receipt; the signature's hash stands in place of the signature.
    function requireFiled(ICourt.Posted calldata posted, ICourt.Filed calldata filed) external view;

    /// @notice Reverts unless a batch has the line; says whether it is the last.
    function requireLine(
        ICourt.Posted calldata posted,
        bool isCredit,
        Line calldata line
    ) external pure returns (bool isLast);

    /// @notice Reverts unless shares, `(account 20 ‖ amount 12)*`, ascend; else gives their root.
    function sharesRoot(bytes calldata shares) external pure returns (bytes32);

    /// @notice Hash of a receipt (EIP-712 struct hash, without the domain).
    function hashReceipt(ISettlement.Receipt calldata receipt) external pure returns (bytes32);

    /// @notice Digest of a receipt that the node signs, under the domain of {ISettlement}.
    function digestReceipt(ISettlement.Receipt calldata receipt) external view returns (bytes32);

    /// @notice Carries out what is found here.
    function COURT() external view returns (ICourt);
}
