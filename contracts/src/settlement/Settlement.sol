// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { ERC165Checker } from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import { IAgentWallet } from "../interfaces/IAgentWallet.sol";
import { IFeePolicy } from "../interfaces/IFeePolicy.sol";
import { IModels } from "../interfaces/IModels.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";
import { IWOPEN } from "../interfaces/IWOPEN.sol";
import { MerkleSum } from "../libraries/MerkleSum.sol";
import { Staking } from "./Staking.sol";

/// @title Settlement
/// @notice See {ISettlement}. Owned by the timelock; deploys {Staking} and is the only account that rewards there.
///
///         Invariant: native OPEN held == prepaid + set aside for withdrawal + earned balances + (ledger sum - claimed
///         total), as long as nobody forces value on the contract; never less.
contract Settlement is ISettlement, EIP712, Ownable, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IWOPEN;

    struct Prepaid {
        uint128 balance;
        uint128 setAside;
        uint64 readyAt;
    }

    /// @dev What a batch carries from receipt to receipt; written to storage once, or when the model changes.
    struct Batch {
        uint64 sequence;
        bytes32 receiptHash;
        uint64 timestamp;
        uint256 platformWei;
        uint256 contributorsWei;
        // the model that the receipts at hand are about
        uint256 modelId;
        address modelOwner;
        uint64 retiredAt;
        bool hasStakers;
        uint256 ownerWei;
        uint256 stakersWei;
        // the split that they are divided by
        uint32 splitVersion;
        uint64 supersededAt;
        IFeePolicy.Split split;
    }

    bytes32 private constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(uint64 sequence,bytes32 previousHash,address payer,uint256 modelId,bytes32 promptHash,bytes32 answerHash,uint32 inputTokens,uint32 outputTokens,uint256 feeWei,uint32 splitVersion,bytes32 sharesRoot,bytes32 attributionHash,bytes32 inferenceCommitment,uint64 timestamp)"
    );
    uint256 private constant BPS = 10_000;
    uint256 private constant CREDIT_BYTES = 32;

    /// @notice How long after a new split the one before may still stand on receipts: callers were shown it.
    uint64 public constant SPLIT_GRACE_SECONDS = 1 hours;
    /// @notice How far the node's clock may run before the chain's.
    uint64 public constant CLOCK_DRIFT_SECONDS = 10 minutes;

    IFeePolicy public immutable FEE_POLICY;
    IModels public immutable MODELS;
    IWOPEN public immutable WOPEN;
    Staking public immutable STAKING;
    /// @notice Seconds between a request to withdraw prepaid money and its payment.
    uint64 public immutable WITHDRAWAL_DELAY_SECONDS;

    address private _operator;
    uint64 private _lastSequence;
    bytes32 private _lastReceiptHash;
    uint64 private _lastTimestamp;
    uint64 private _batchCount;
    uint128 private _ledgerSum;
    uint128 private _claimedTotal;
    bytes32 private _ledgerRoot;
    mapping(address account => Prepaid) private _prepaid;
    mapping(address account => uint256) private _balances;
    mapping(address account => uint256) private _claimed;
    mapping(address from => mapping(bytes32 nonce => bool)) private _credited;

    /// @param owner Governance: names the operator.
    /// @param initialOperator The serving node's account.
    /// @param withdrawalDelaySeconds Long enough for the node to settle what it served meanwhile.
    /// @param unbondingSeconds See {Staking}.
    constructor(
        address owner,
        address initialOperator,
        IFeePolicy feePolicy,
        IModels models,
        IWOPEN wopen,
        uint64 withdrawalDelaySeconds,
        uint64 unbondingSeconds
    ) EIP712("OpenLedger Settlement", "1") Ownable(owner) {
        FEE_POLICY = feePolicy;
        MODELS = models;
        WOPEN = wopen;
        WITHDRAWAL_DELAY_SECONDS = withdrawalDelaySeconds;
        STAKING = new Staking(address(this), models, unbondingSeconds);
        _setOperator(initialOperator);
    }

    /// @notice Takes native OPEN from WOPEN only: money sent plainly would belong to nobody.
    receive() external payable {
        if (msg.sender != address(WOPEN)) revert SettlementNotWOPEN(msg.sender);
    }

    /// @inheritdoc ISettlement
    function deposit(address account) external payable {
        _credit(account, msg.value);
    }

    /// @inheritdoc ISettlement
    function depositWithAuthorization(
        address from,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external nonReentrant {
        if (_credited[from][nonce]) revert SettlementAuthorizationCredited(from, nonce);
        _credited[from][nonce] = true;

        bytes32 outcome = WOPEN.authorizationOutcome(from, nonce);
        if (outcome != 0) {
            // handed to WOPEN by someone else before: the money is here, or it never was for this
            if (outcome != keccak256(abi.encode(address(this), value))) {
                revert SettlementAuthorizationUnpaid(from, nonce);
            }
        } else if (ERC165Checker.supportsInterface(from, type(IAgentWallet).interfaceId)) {
            // the wallet may be a stranger's code, so what counts is what can be taken from it, not what arrives meanwhile
            IAgentWallet(from)
                .transferWithAuthorization(from, address(this), value, validAfter, validBefore, nonce, signature);
            WOPEN.safeTransferFrom(from, address(this), value);
        } else {
            WOPEN.transferWithAuthorization(from, address(this), value, validAfter, validBefore, nonce, signature);
        }
        WOPEN.withdraw(value);
        _credit(from, value);
    }

    /// @inheritdoc ISettlement
    function requestWithdrawal(uint256 amount) external {
        Prepaid storage prepaid = _prepaid[msg.sender];
        if (prepaid.setAside != 0) {
            revert SettlementWithdrawalPending(msg.sender, prepaid.setAside, prepaid.readyAt);
        }
        if (amount == 0) revert SettlementNothingToWithdraw(msg.sender);
        if (amount > prepaid.balance) revert SettlementInsufficientBalance(msg.sender, amount, prepaid.balance);

        prepaid.balance -= uint128(amount);
        prepaid.setAside = uint128(amount);
        prepaid.readyAt = uint64(block.timestamp) + WITHDRAWAL_DELAY_SECONDS;
        emit WithdrawalRequested(msg.sender, amount, prepaid.readyAt);
    }

    /// @inheritdoc ISettlement
    function cancelWithdrawal() external {
        Prepaid storage prepaid = _prepaid[msg.sender];
        uint128 amount = prepaid.setAside;
        if (amount == 0) revert SettlementNothingToWithdraw(msg.sender);

        prepaid.setAside = 0;
        prepaid.balance += amount;
        emit WithdrawalCancelled(msg.sender, amount);
    }

    /// @inheritdoc ISettlement
    function withdraw() external nonReentrant {
        Prepaid storage prepaid = _prepaid[msg.sender];
        uint256 amount = prepaid.setAside;
        if (amount == 0) revert SettlementNothingToWithdraw(msg.sender);
        if (block.timestamp < prepaid.readyAt) revert SettlementWithdrawalNotReady(msg.sender, prepaid.readyAt);

        prepaid.setAside = 0;
        emit Withdrawn(msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc ISettlement
    function withdrawBalance(address to) external nonReentrant {
        uint256 amount = _balances[msg.sender];
        if (amount == 0) revert SettlementNothingToWithdraw(msg.sender);
        if (to == address(0)) revert SettlementZeroAddress();

        _balances[msg.sender] = 0;
        emit BalanceWithdrawn(msg.sender, to, amount);
        _pay(to, amount);
    }

    /// @inheritdoc ISettlement
    function settle(
        Receipt[] calldata receipts,
        bytes calldata credits,
        bytes32 ledgerRoot,
        uint256 ledgerSum
    ) external nonReentrant {
        if (msg.sender != _operator) revert SettlementNotOperator(msg.sender);
        if (receipts.length == 0) revert SettlementEmptyBatch();

        Batch memory batch;
        batch.sequence = _lastSequence;
        batch.receiptHash = _lastReceiptHash;
        batch.timestamp = _lastTimestamp;
        for (uint256 i; i < receipts.length; ++i) {
            _settleReceipt(batch, receipts[i]);
        }
        _payModel(batch);
        _balances[FEE_POLICY.treasury()] += batch.platformWei;
        _postLedger(batch.contributorsWei, credits, ledgerRoot, ledgerSum);

        uint64 firstSequence = _lastSequence + 1;
        _lastSequence = batch.sequence;
        _lastReceiptHash = batch.receiptHash;
        _lastTimestamp = batch.timestamp;
        emit BatchSettled(++_batchCount, firstSequence, batch.sequence, ledgerRoot, ledgerSum);
    }

    /// @inheritdoc ISettlement
    function claim(
        address account,
        uint256 cumulative,
        uint256 index,
        MerkleSum.Node[] calldata siblings
    ) external nonReentrant {
        uint256 ledgerSum = _ledgerSum;
        if (!MerkleSum.verify(_ledgerRoot, ledgerSum, MerkleSum.leaf(account, cumulative), index, siblings)) {
            revert SettlementInvalidProof(account, cumulative, index);
        }
        uint256 paid = _claimed[account];
        if (cumulative <= paid) revert SettlementNothingToClaim(account, cumulative, paid);
        uint256 amount = cumulative - paid;
        uint256 claimedTotal = _claimedTotal + amount;
        // a ledger that took from one account to give to another could otherwise spend prepaid money
        if (claimedTotal > ledgerSum) revert SettlementLedgerExceeded(claimedTotal, ledgerSum);

        _claimed[account] = cumulative;
        _claimedTotal = uint128(claimedTotal);
        emit Claimed(account, amount);
        _pay(account, amount);
    }

    /// @inheritdoc ISettlement
    function setOperator(address newOperator) external onlyOwner {
        _setOperator(newOperator);
    }

    /// @inheritdoc ISettlement
    function operator() external view returns (address) {
        return _operator;
    }

    /// @inheritdoc ISettlement
    function prepaidOf(address account) external view returns (uint256) {
        return _prepaid[account].balance;
    }

    /// @inheritdoc ISettlement
    function withdrawalOf(address account) external view returns (uint256 amount, uint64 readyAt) {
        Prepaid storage prepaid = _prepaid[account];
        return (prepaid.setAside, prepaid.setAside == 0 ? 0 : prepaid.readyAt);
    }

    /// @inheritdoc ISettlement
    function balanceOf(address account) external view returns (uint256) {
        return _balances[account];
    }

    /// @inheritdoc ISettlement
    function claimed(address account) external view returns (uint256) {
        return _claimed[account];
    }

    /// @inheritdoc ISettlement
    function ledger() external view returns (bytes32 root, uint256 sum, uint256 claimedTotal) {
        return (_ledgerRoot, _ledgerSum, _claimedTotal);
    }

    /// @inheritdoc ISettlement
    function head()
        external
        view
        returns (uint64 lastSequence, bytes32 lastReceiptHash, uint64 lastTimestamp, uint64 batchCount)
    {
        return (_lastSequence, _lastReceiptHash, _lastTimestamp, _batchCount);
    }

    /// @inheritdoc ISettlement
    function hashReceipt(Receipt calldata receipt) external pure returns (bytes32) {
        return _hashReceipt(receipt);
    }

    /// @inheritdoc ISettlement
    function digestReceipt(Receipt calldata receipt) external view returns (bytes32) {
        return _hashTypedDataV4(_hashReceipt(receipt));
    }

    /// @inheritdoc ISettlement
    // forge-lint: disable-next-line(mixed-case-function)
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _settleReceipt(Batch memory batch, Receipt calldata receipt) private {
        uint64 sequence = receipt.sequence;
        if (sequence != batch.sequence + 1) revert SettlementSequenceMismatch(batch.sequence + 1, sequence);
        if (receipt.previousHash != batch.receiptHash) {
            revert SettlementHashMismatch(sequence, batch.receiptHash, receipt.previousHash);
        }
        uint256 latest = block.timestamp + CLOCK_DRIFT_SECONDS;
        if (receipt.timestamp < batch.timestamp || receipt.timestamp > latest) {
            revert SettlementTimestampOutOfRange(sequence, receipt.timestamp, batch.timestamp, latest);
        }
        batch.sequence = sequence;
        batch.receiptHash = _hashReceipt(receipt);
        batch.timestamp = receipt.timestamp;
        // a fresh batch holds zeros, which must not pass for model 0 or split 0
        if (receipt.modelId != batch.modelId || receipt.modelId == 0) _enterModel(batch, receipt.modelId);
        if (receipt.splitVersion != batch.splitVersion || receipt.splitVersion == 0) {
            _enterSplit(batch, receipt.splitVersion);
        }
        // both are judged by the time of the answer: what was right when the caller was served stays payable
        if (batch.retiredAt != 0 && receipt.timestamp > batch.retiredAt) {
            revert SettlementModelRetired(sequence, receipt.modelId, batch.retiredAt);
        }
        if (batch.supersededAt != 0 && receipt.timestamp > batch.supersededAt + SPLIT_GRACE_SECONDS) {
            revert SettlementSplitSuperseded(sequence, receipt.splitVersion, batch.supersededAt);
        }

        _debit(receipt.payer, receipt.feeWei);
        _divide(batch, receipt);
    }

    /// @dev Platform, owner and stakers are rounded down; contributors take the rest, so the parts sum to the fee.
    function _divide(Batch memory batch, Receipt calldata receipt) private {
        uint256 feeWei = receipt.feeWei;
        uint256 platformWei = feeWei * batch.split.platformBps / BPS;
        uint256 ownerWei = feeWei * batch.split.ownerBps / BPS;
        uint256 stakersWei = batch.hasStakers ? feeWei * batch.split.stakersBps / BPS : 0;
        uint256 contributorsWei = feeWei - platformWei - ownerWei - stakersWei;

        batch.platformWei += platformWei;
        batch.ownerWei += ownerWei;
        batch.stakersWei += stakersWei;
        batch.contributorsWei += contributorsWei;
        emit ReceiptSettled(
            receipt.sequence,
            receipt.payer,
            receipt.modelId,
            batch.receiptHash,
            feeWei,
            platformWei,
            ownerWei,
            stakersWei,
            contributorsWei
        );
    }

    function _enterModel(Batch memory batch, uint256 modelId) private {
        _payModel(batch);
        (batch.modelOwner, batch.retiredAt) = MODELS.ownerOf(modelId);
        batch.hasStakers = STAKING.totalStakeOf(modelId) != 0;
        batch.modelId = modelId;
    }

    function _enterSplit(Batch memory batch, uint32 splitVersion) private view {
        batch.split = FEE_POLICY.splitOf(splitVersion);
        batch.supersededAt = FEE_POLICY.supersededAt(splitVersion);
        batch.splitVersion = splitVersion;
    }

    /// @dev Pays owner and stakers of the model that the batch is leaving.
    function _payModel(Batch memory batch) private {
        if (batch.ownerWei != 0) _balances[batch.modelOwner] += batch.ownerWei;
        if (batch.stakersWei != 0) STAKING.reward{ value: batch.stakersWei }(batch.modelId);
        batch.ownerWei = 0;
        batch.stakersWei = 0;
    }

    function _postLedger(
        uint256 contributorsWei,
        bytes calldata credits,
        bytes32 ledgerRoot,
        uint256 ledgerSum
    ) private {
        uint256 creditsWei = _sumCredits(credits);
        if (creditsWei != contributorsWei) revert SettlementCreditsMismatch(contributorsWei, creditsWei);
        uint256 expected = _ledgerSum + creditsWei;
        if (ledgerSum != expected) revert SettlementLedgerMismatch(expected, ledgerSum);

        _ledgerSum = ledgerSum.toUint128();
        _ledgerRoot = ledgerRoot;
    }

    /// @dev The one loop whose length is the number of payees: about 140 gas a turn, a quarter of what slices cost.
    function _sumCredits(bytes calldata credits) private pure returns (uint256 creditsWei) {
        if (credits.length % CREDIT_BYTES != 0) revert SettlementInvalidCredit(credits.length / CREDIT_BYTES);
        // no sum of 96-bit amounts that fits in call data comes near 2^256, and offsets end with the data
        unchecked {
            for (uint256 offset; offset < credits.length; offset += CREDIT_BYTES) {
                uint256 credit;
                // reads the word at `offset`, which lies within `credits` because its length is a multiple of a word
                assembly ("memory-safe") {
                    credit := calldataload(add(credits.offset, offset))
                }
                uint256 amount = credit & type(uint96).max;
                if (credit >> 96 == 0 || amount == 0) revert SettlementInvalidCredit(offset / CREDIT_BYTES);
                creditsWei += amount;
            }
        }
    }

    function _credit(address account, uint256 amount) private {
        if (account == address(0)) revert SettlementZeroAddress();
        _prepaid[account].balance += amount.toUint128();
        emit Deposited(account, amount);
    }

    /// @dev Takes the free balance first, then what was set aside for withdrawal.
    function _debit(address payer, uint256 amount) private {
        Prepaid storage prepaid = _prepaid[payer];
        uint256 balance = prepaid.balance;
        if (amount <= balance) {
            prepaid.balance = uint128(balance - amount);
            return;
        }
        uint256 available = balance + prepaid.setAside;
        if (amount > available) revert SettlementInsufficientBalance(payer, amount, available);
        prepaid.balance = 0;
        prepaid.setAside = uint128(available - amount);
    }

    function _setOperator(address newOperator) private {
        if (newOperator == address(0)) revert SettlementZeroAddress();
        _operator = newOperator;
        emit OperatorChanged(newOperator);
    }

    function _pay(address to, uint256 amount) private {
        (bool sent,) = to.call{ value: amount }("");
        if (!sent) revert SettlementTransferFailed(to, amount);
    }

    /// @dev Every field is one word, so the words of the struct are those of `encodeData`.
    function _hashReceipt(Receipt calldata receipt) private pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt));
    }
}
