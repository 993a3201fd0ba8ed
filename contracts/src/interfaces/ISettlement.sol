// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { MerkleSum } from "../libraries/MerkleSum.sol";

/// @title ISettlement
/// @notice Where answers are paid. Callers prepay; the serving node (the operator) settles signed receipts in batches; each
///         fee is divided by the split that governance set, and the contributors' parts go to a cumulative ledger that
///         anyone can rebuild from the call data and that pays against proofs.
///
///         What the operator is trusted with: that receipts tell the truth about answers, and that a ledger root follows
///         from the credits posted with it. What it cannot do: spend a payer's money beyond what was prepaid, skip or
///         reorder receipts, bend a split, or promise contributors more (or less) than their parts of the fees.
interface ISettlement {
    /// @notice One answer, as its caller received it. Its hash is the EIP-712 struct hash; the node signs the digest under
    ///         the domain "OpenLedger Settlement", "1".
    struct Receipt {
        /// 1, 2, 3, ... without gaps.
        uint64 sequence;
        /// Hash of the receipt before; zero for the first.
        bytes32 previousHash;
        address payer;
        uint256 modelId;
        bytes32 promptHash;
        bytes32 answerHash;
        uint32 inputTokens;
        uint32 outputTokens;
        uint256 feeWei;
        uint32 splitVersion;
        bytes32 sharesRoot;
        bytes32 attributionHash;
        bytes32 inferenceCommitment;
        /// Unix seconds; never less than the receipt's before.
        uint64 timestamp;
    }

    error SettlementNotOperator(address caller);
    error SettlementZeroAddress();
    error SettlementEmptyBatch();
    error SettlementSequenceMismatch(uint64 expected, uint64 sequence);
    error SettlementHashMismatch(uint64 sequence, bytes32 expected, bytes32 previousHash);
    error SettlementTimestampOutOfRange(uint64 sequence, uint64 timestamp, uint256 earliest, uint256 latest);
    error SettlementModelRetired(uint64 sequence, uint256 modelId, uint64 retiredAt);
    error SettlementSplitSuperseded(uint64 sequence, uint32 splitVersion, uint64 supersededAt);
    error SettlementInsufficientBalance(address payer, uint256 needed, uint256 available);
    error SettlementInvalidCredit(uint256 index);
    error SettlementCreditsMismatch(uint256 contributorsWei, uint256 creditsWei);
    error SettlementLedgerMismatch(uint256 expected, uint256 ledgerSum);
    error SettlementInvalidProof(address account, uint256 cumulative, uint256 index);
    error SettlementNothingToClaim(address account, uint256 cumulative, uint256 claimed);
    error SettlementLedgerExceeded(uint256 claimedTotal, uint256 ledgerSum);
    error SettlementWithdrawalPending(address account, uint256 amount, uint64 readyAt);
    error SettlementWithdrawalNotReady(address account, uint64 readyAt);
    error SettlementNothingToWithdraw(address account);
    error SettlementAuthorizationCredited(address from, bytes32 nonce);
    error SettlementAuthorizationUnpaid(address from, bytes32 nonce);
    error SettlementNotWOPEN(address sender);
    error SettlementTransferFailed(address to, uint256 amount);

    event Deposited(address indexed account, uint256 amount);
    event WithdrawalRequested(address indexed account, uint256 amount, uint64 readyAt);
    event WithdrawalCancelled(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event BalanceWithdrawn(address indexed account, address indexed to, uint256 amount);
    event ReceiptSettled(
        uint64 indexed sequence,
        address indexed payer,
        uint256 indexed modelId,
        bytes32 receiptHash,
        uint256 feeWei,
        uint256 platformWei,
        uint256 ownerWei,
        uint256 stakersWei,
        uint256 contributorsWei
    );
    event BatchSettled(
        uint64 indexed batch, uint64 firstSequence, uint64 lastSequence, bytes32 ledgerRoot, uint256 ledgerSum
    );
    event Claimed(address indexed account, uint256 amount);
    event OperatorChanged(address indexed operator);

    /// @notice Prepays for `account` with the value sent along.
    function deposit(address account) external payable;

    /// @notice Prepays for `from` with WOPEN, moved by a signature over EIP-3009's `TransferWithAuthorization` (domain of
    ///         WOPEN, `to` this contract); anyone may relay it. An {IAgentWallet} is asked for the money with the
    ///         session key's signature; any other account pays from its WOPEN by its own, key or ERC-1271.
    /// @dev    If someone handed the authorization to WOPEN first, the money is here already: it is credited then.
    function depositWithAuthorization(
        address from,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Sets `amount` of the caller's prepaid money aside for {withdraw}. Until paid out it still covers receipts
    ///         that the rest does not. One request at a time.
    function requestWithdrawal(uint256 amount) external;

    /// @notice Puts what the caller set aside back.
    function cancelWithdrawal() external;

    /// @notice Pays the caller what is left of their request, once the delay has passed.
    function withdraw() external;

    /// @notice Pays the caller's earned balance (platform's and model owners' parts) to `to`.
    function withdrawBalance(address to) external;

    /// @notice Settles receipts in order and posts the ledger that follows. Operator only. All or nothing.
    /// @param receipts Continue the chain: `sequence` one higher, `previousHash` the hash of the one before.
    /// @param credits Packed `(address 20 bytes ‖ uint96 amount 12 bytes)*` in the ledger's order of application: the
    ///        contributors' parts of these receipts by account. Sums exactly to those parts.
    /// @param ledgerRoot {MerkleSum} root after the credits, over accounts in order of first credit.
    /// @param ledgerSum Its sum; the sum before plus the credits.
    function settle(Receipt[] calldata receipts, bytes calldata credits, bytes32 ledgerRoot, uint256 ledgerSum) external;

    /// @notice Pays `account` what the ledger grants it beyond what it was paid; anyone may call.
    /// @param cumulative The account's amount in the current ledger.
    /// @param index The account's place in the ledger.
    /// @param siblings Proof from the bottom up.
    function claim(address account, uint256 cumulative, uint256 index, MerkleSum.Node[] calldata siblings) external;

    /// @notice Names the serving node. Owner (governance) only.
    function setOperator(address operator) external;

    /// @notice Account that settles.
    function operator() external view returns (address);

    /// @notice Prepaid wei of an account, without what it set aside.
    function prepaidOf(address account) external view returns (uint256);

    /// @notice What an account set aside, and when it can be withdrawn.
    function withdrawalOf(address account) external view returns (uint256 amount, uint64 readyAt);

    /// @notice Earned wei (platform's and model owners' parts) not yet withdrawn.
    function balanceOf(address account) external view returns (uint256);

    /// @notice Wei claimed from the ledger by an account since the beginning.
    function claimed(address account) external view returns (uint256);

    /// @notice Current ledger: root, its sum, and how much of it was paid out.
    function ledger() external view returns (bytes32 root, uint256 sum, uint256 claimedTotal);

    /// @notice End of the chain of receipts: sequence, hash and time of the last, and the number of batches.
    function head()
        external
        view
        returns (uint64 lastSequence, bytes32 lastReceiptHash, uint64 lastTimestamp, uint64 batchCount);

    /// @notice Hash of a receipt (EIP-712 struct hash, without the domain).
    function hashReceipt(Receipt calldata receipt) external pure returns (bytes32);

    /// @notice Digest of a receipt that the node signs.
    function digestReceipt(Receipt calldata receipt) external view returns (bytes32);

    /// @notice EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
