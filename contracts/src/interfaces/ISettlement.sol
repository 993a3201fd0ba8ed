// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ISettlement
/// @notice Where answers are paid. Callers prepay; the serving node (the operator) settles the receipts of its answers in
///         batches: on chain stand one root over the receipts, what each payer pays in all, the parts of the fees by
///         model, and what each contributor is credited. Credits go to a cumulative Merkle-sum ledger that anyone can
///         rebuild from the call data and that pays against proofs. docs/settlement.md has every byte.
///
///         What the contract decides at once: nobody pays beyond what they prepaid; the parts of a fee follow the split
///         in force, to one wei a receipt; the ledger grants the contributors' parts and not a wei beyond; sequences have no gap
///         and no repetition; no more passes in a challenge window than the operator's bond covers. What it leaves to be
///         challenged before the {ICourt}: that ledgers follow from credits, that totals and lines follow from receipts, and
///         that receipts tell the truth.
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
        /// Which state of the stake behind the model earns the stakers' part: the one when the answer was made.
        uint32 stakeVersion;
        /// {MerkleSum} root over what each account earns of the contributors' part, accounts ascending.
        bytes32 sharesRoot;
        bytes32 attributionHash;
        bytes32 inferenceCommitment;
        /// Unix seconds; never less than the receipt's before.
        uint64 timestamp;
    }

    /// @notice What a batch says of its receipts.
    struct Batch {
        uint64 lastSequence;
        uint64 lastTimestamp;
        /// Merkle root over the receipts in order; leaves are `keccak256(receiptHash ‖ keccak256(signature))`.
        bytes32 receiptsRoot;
        /// Hash of the last receipt: the next batch's first one names it.
        bytes32 lastReceiptHash;
        /// {MerkleSum} root over the lines `(payer, sequence, fee)`, by payer, then sequence.
        bytes32 debitLinesRoot;
        /// {MerkleSum} root over the lines `(account, sequence, amount)` behind the credits, by account, then sequence;
        /// of all receipts since the last batch that credited. Zero without credits.
        bytes32 creditLinesRoot;
        /// Lines of the ledger after it. Not looked at without credits.
        uint32 accountCount;
    }

    /// @notice The receipts of a batch that share model, split and stake, added up.
    struct Group {
        uint256 modelId;
        uint32 splitVersion;
        uint32 stakeVersion;
        uint32 receiptCount;
        uint64 firstTimestamp;
        uint64 lastTimestamp;
        uint96 feeWei;
        uint96 platformWei;
        uint96 ownerWei;
        uint96 stakersWei;
    }

    /// @notice Packed credits (see {LedgerSegment}), and the ledger's root after them. Small enough to be recomputed in one
    ///         transaction.
    struct Segment {
        bytes credits;
        bytes32 ledgerRoot;
    }

    /// @notice The ledger after a batch. The chain keeps its hash; claims bring it along.
    struct Ledger {
        bytes32 root;
        uint256 sum;
        uint256 accountCount;
        uint256 settledAt;
        /// The batch whose ledger this one was built on; zero for none.
        uint256 previous;
        /// Who posted it.
        address operator;
        /// Hash of everything else that the batch posted, see {BatchSettled}.
        bytes32 bodyHash;
    }

    /// @notice What takes a contested batch's credits out of a claim: two ledgers that differ by them, and the claimed
    ///         accounts' lines in both.
    struct Exclusion {
        /// The batch that credited the contested one's receipts.
        uint64 batch;
        Ledger afterBatch;
        /// The ledger that {afterBatch} was built on; not looked at when it was built on none.
        Ledger beforeBatch;
        /// `(index 4 ‖ account 20 ‖ cumulative 12)*` of the claimed accounts that the ledger has.
        bytes afterClaims;
        bytes afterSiblings;
        bytes beforeClaims;
        bytes beforeSiblings;
    }

    error SettlementNotOperator(address caller);
    error SettlementZeroAddress();
    error SettlementSequenceMismatch(uint64 lastSequence, uint64 receiptCount, uint64 claimedLast);
    error SettlementTimestampOutOfRange(uint64 timestamp, uint256 earliest, uint256 latest);
    error SettlementModelRetired(uint256 modelId, uint64 timestamp, uint64 retiredAt);
    error SettlementSplitSuperseded(uint32 splitVersion, uint64 timestamp, uint64 supersededAt);
    error SettlementStakeOutOfDate(uint256 modelId, uint32 stakeVersion);
    error SettlementPartMismatch(uint256 group, uint256 exactBps, uint256 partWei);
    error SettlementInsufficientBalance(address payer, uint256 needed, uint256 available);
    error SettlementInvalidDebit(uint256 offset);
    error SettlementDebitsMismatch(uint256 feesWei, uint256 debitsWei);
    error SettlementSegmentTooLong(uint256 segment, uint256 byteCount);
    error SettlementAccountCountMismatch(uint256 accountCount, uint256 least);
    error SettlementWindowOpen(uint256 until);
    error SettlementWindowOutOfRange(uint64 challengeSeconds, uint64 withdrawalDelaySeconds);
    error SettlementLedgerLate(uint256 uncreditedWei, uint256 dueAt);
    error SettlementNotCourt(address caller);
    error SettlementNotCovered(uint256 exposedWei, uint256 coveredWei);
    error SettlementContested(uint64 batch, uint64 contested);
    error SettlementNotCredited(uint64 batch, uint64 credited);
    error SettlementInvalidExclusion(uint256 exclusion);
    error SettlementEmptyCredits();
    error SettlementCreditsMissing(uint256 from, uint256 count);
    error SettlementUnknownLedger(uint64 batch);
    error SettlementLedgerNotFinal(uint64 batch, uint256 finalAt);
    error SettlementInvalidClaims();
    error SettlementInvalidProof();
    error SettlementNothingToClaim(address account, uint256 cumulative, uint256 claimed);
    error SettlementLedgerExceeded(uint256 claimedTotal, uint256 ledgerSum);
    error SettlementWithdrawalPending(address account, uint256 amount, uint64 readyAt);
    error SettlementWithdrawalNotReady(address account, uint64 readyAt);
    error SettlementNothingToWithdraw(address account);
    error SettlementNonceUsed(address account, bytes32 nonce);
    /// @dev Over, or not signed by the account.
    error SettlementInvalidRefund(address account, uint256 deadline);
    error SettlementAuthorizationUnpaid(address from, bytes32 nonce);
    error SettlementNotWOPEN(address sender);
    error SettlementTransferFailed(address to, uint256 amount);

    event Deposited(address indexed account, uint256 amount);
    event WithdrawalRequested(address indexed account, uint256 amount, uint64 readyAt);
    event WithdrawalCancelled(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event BalanceWithdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice What stands on chain of a batch. `bodyHash` is `keccak256(abi.encode(batch, keccak256(debits),
    ///         keccak256(abi.encode(groups)), keccak256 of all segments' (keccak256(credits), ledgerRoot)))`.
    event BatchSettled(
        uint64 indexed batch,
        uint64 firstSequence,
        uint64 lastSequence,
        bytes32 receiptsRoot,
        bytes32 ledgerRoot,
        uint256 ledgerSum,
        uint256 accountCount,
        bytes32 bodyHash
    );
    /// @notice Segments were posted ahead of the call that credits them; `from` of those before stay in front of them.
    event CreditsPosted(uint256 from, uint256 count);
    event Claimed(address indexed account, uint256 amount);
    event CoverageChanged(uint256 coveredWei);
    event BatchContested(uint64 indexed batch);
    event BatchAcquitted(uint64 indexed batch);
    /// @notice A contested batch lost; `credited` is the batch whose credits are taken back.
    event BatchStruck(uint64 indexed batch, uint64 credited, bool isVoid);
    /// @notice The ledger stands as after `batch` again; what was credited since waits to be credited anew.
    event LedgerRewound(uint64 batch, uint256 ledgerSum, uint256 accountCount);
    event OperatorChanged(address indexed operator);
    event WindowsChanged(uint64 challengeSeconds, uint64 withdrawalDelaySeconds);

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

    /// @notice Pays `account` what is left of its request, once the delay has passed; anyone may send it.
    function withdraw(address account) external;

    /// @notice Gives `account` prepaid money back by its signature (EIP-712 `Refund`, key or ERC-1271); anyone may relay it.
    ///         The operator pays it out at once, since it knows what the account owes; through anyone else it is a
    ///         {requestWithdrawal}.
    /// @param nonce Not used before by the account, here or in {depositWithAuthorization}.
    function refund(address account, uint256 amount, bytes32 nonce, uint256 deadline, bytes calldata signature) external;

    /// @notice Pays the caller's earned balance (platform's and model owners' parts) to `to`.
    function withdrawBalance(address to) external;

    /// @notice Settles the next receipts, or none when it only credits what waits. Operator only. All or nothing.
    /// @param debits What each payer pays: `(address 20 ‖ length 1 ‖ amount)*`, addresses ascending, amounts big-endian.
    /// @param groups Sum to the debits.
    /// @param segments None, or credits that sum to all contributors' parts not credited yet: a ledger whose root has another
    ///        sum is void.
    function settle(
        Batch calldata batch,
        bytes calldata debits,
        Group[] calldata groups,
        Segment[] calldata segments
    ) external;

    /// @notice Posts segments ahead, where a batch has more than fit one transaction: they stand before those of the next
    ///         {settle} that has any. Operator only. Credits nobody by itself.
    /// @param from How many that were posted ahead before stay in front of these; the others are dropped.
    function postCredits(uint256 from, Segment[] calldata segments) external;

    /// @notice Pays accounts what a batch's ledger grants them beyond what they were paid; anyone may call. An account
    ///         that does not take the money finds it in {balanceOf}.
    /// @param batch Any that is past its challenge window; amounts are cumulative, so the newest pays most.
    /// @param ledger What {BatchSettled} said of it.
    /// @param claims `(index 4 ‖ account 20 ‖ cumulative 12)*`, indexes ascending.
    /// @param siblings `(hash 32 ‖ sum 12)*`: the nodes that the claims do not make themselves, level by level from the
    ///        bottom, left to right; empty nodes beyond the ledger's end are left out.
    function claim(uint64 batch, Ledger calldata ledger, bytes calldata claims, bytes calldata siblings) external;

    /// @notice Claims like {claim} against a ledger that has contested or struck batches in it, without what those credited.
    ///         So nobody waits for somebody else's dispute.
    /// @param exclusions One for each batch that credited contested receipts, ascending.
    function claimExcluding(
        uint64 batch,
        Ledger calldata ledger,
        bytes calldata claims,
        bytes calldata siblings,
        Exclusion[] calldata exclusions
    ) external;

    /// @notice Says what fees may pass in a challenge window. Court only.
    function setCoverage(uint96 coveredWei) external;

    /// @notice Marks a batch as disputed: ledgers that build on it pay without what its receipts were credited. Court only.
    function contest(uint64 batch) external;

    /// @notice Ends a dispute that the operator won; changes nothing when a proof struck the batch meanwhile. Court only.
    function acquit(uint64 batch) external;

    /// @notice Ends a dispute that the operator lost, or answers a proof: the ledger stands again as before the credits of
    ///         the batch's receipts. All wei credited since belong to contributors still and are to be credited anew. Ledgers
    ///         posted meanwhile pay without these credits; none of them does when the root was wrong. Court only.
    /// @param credited The batch that credited the receipts, `posted` what it left and `before` what that was built on.
    function rewind(uint64 batch, uint64 credited, Ledger calldata posted, Ledger calldata before, bool isVoid) external;

    /// @notice Names the serving node. Owner (governance) only.
    function setOperator(address operator) external;

    /// @notice Sets how long later batches can be challenged and how long later withdrawals wait. What is settled or requested
    ///         keeps its time. Owner (governance) only; not below half of what it was in the beginning, not above 30 days; the
    ///         challenge window not again before the longer of the last two has passed.
    function setWindows(uint64 challengeSeconds, uint64 withdrawalDelaySeconds) external;

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

    /// @notice What the ledger grants in all, how much of it was paid out, and what waits to be credited.
    function ledger() external view returns (uint256 sum, uint256 claimedTotal, uint256 uncreditedWei);

    /// @notice Hash of the {Ledger} that a batch left; zero for none.
    function ledgerHash(uint64 batch) external view returns (bytes32);

    /// @notice Where settlement stands: last receipt and its time, number of batches and of accounts in the ledger.
    function head()
        external
        view
        returns (uint64 lastSequence, uint64 lastTimestamp, uint64 batchCount, uint64 accountCount);

    /// @notice Number of segments that were posted ahead and wait for the batch that credits them.
    function postedCount() external view returns (uint256);

    /// @notice The batch whose ledger the next credits build on; zero for none.
    function ledgerBatch() external view returns (uint64);

    /// @notice Fees that may pass in a challenge window, in thousandths of an OPEN; that have, in millionths, each batch's
    ///         rounded up; and when the window began.
    function coverage() external view returns (uint256 coveredWei, uint256 exposedWei, uint64 since);

    /// @notice Batches that are contested or were struck, and the last ledger that each is in: 2^64 - 1 while contested.
    function contests() external view returns (uint64[] memory batches, uint64[] memory untils, bool[] memory areVoid);

    /// @notice Whether a batch's own credits were taken back, with it or with one before it.
    function isTakenBack(uint64 batch) external view returns (bool);

    /// @notice Decides challenges.
    function COURT() external view returns (address);

    /// @notice Seconds after a batch before its ledger pays, and between a request to withdraw prepaid money and its payment,
    ///         from now on; and the challenge window of batches that were settled up to `changedAt`.
    function windows()
        external
        view
        returns (uint64 challengeSeconds, uint64 withdrawalDelaySeconds, uint64 formerSeconds, uint64 changedAt);

    /// @notice When the challenge window of a batch that was settled then is over: the window of its time, whatever was voted
    ///         since.
    function finalAt(uint256 settledAt) external view returns (uint256);

    /// @notice Seconds of the longest window in which a batch may be open now.
    function openSeconds() external view returns (uint64);

    /// @notice EIP-712 domain separator.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
