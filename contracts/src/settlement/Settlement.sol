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
import { Credits } from "../libraries/Credits.sol";
import { MerkleSum } from "../libraries/MerkleSum.sol";
import { Staking } from "./Staking.sol";

/// @title Settlement
/// @notice See {ISettlement}. Owned by the timelock; deploys {Staking} and is the only account that rewards there.
///
///         Invariant: native OPEN held == prepaid + set aside for withdrawal + earned balances + not yet credited +
///         (ledger sum - claimed total), as long as nobody forces value on the contract; never less.
contract Settlement is ISettlement, EIP712, Ownable, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IWOPEN;

    /// @dev A batch whose credits are disputed or struck, and the last ledger that has them; all later ones while disputed.
    struct Contest {
        uint64 batch;
        uint64 until;
        /// Whether its ledger's root does not follow: ledgers built on it prove nothing.
        bool isVoid;
    }

    struct Prepaid {
        uint128 balance;
        uint128 setAside;
        uint64 readyAt;
    }

    bytes32 private constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(uint64 sequence,bytes32 previousHash,address payer,uint256 modelId,bytes32 promptHash,bytes32 answerHash,uint32 inputTokens,uint32 outputTokens,uint256 feeWei,uint32 splitVersion,uint32 stakeVersion,bytes32 sharesRoot,bytes32 attributionHash,bytes32 inferenceCommitment,uint64 timestamp)"
    );
    uint256 private constant BPS = 10_000;
    uint256 private constant CLAIM_BYTES = 36;
    /// @dev Enough for a contract wallet to take money, too little to make others' claims dear.
    uint256 private constant PAYMENT_GAS = 50_000;
    uint64 private constant OPEN_END = type(uint64).max;

    /// @notice How long after a new split the one before may still stand on receipts: callers were shown it.
    uint64 public constant SPLIT_GRACE_SECONDS = 1 hours;
    /// @notice How far the node's clock may run before the chain's.
    uint64 public constant CLOCK_DRIFT_SECONDS = 10 minutes;

    /// @notice How long contributors' parts may wait for their credits before nothing more is settled.
    uint64 public constant LEDGER_LAG_SECONDS = 1 days;

    IFeePolicy public immutable FEE_POLICY;
    IModels public immutable MODELS;
    IWOPEN public immutable WOPEN;
    Staking public immutable STAKING;
    /// @notice Seconds between a request to withdraw prepaid money and its payment.
    uint64 public immutable WITHDRAWAL_DELAY_SECONDS;
    /// @inheritdoc ISettlement
    uint64 public immutable CHALLENGE_SECONDS;
    /// @inheritdoc ISettlement
    address public immutable COURT;

    // four words, of which a batch writes three
    address private _operator;
    uint96 private _coveredWei;
    uint64 private _lastSequence;
    uint64 private _lastTimestamp;
    uint48 private _batchCount;
    uint48 private _ledgerBatch;
    uint32 private _accountCount;
    uint96 private _ledgerSum;
    uint96 private _uncreditedWei;
    uint64 private _uncreditedSince;
    uint96 private _claimedTotal;
    uint96 private _exposedWei;
    uint64 private _exposedSince;
    Contest[] private _contests;
    mapping(uint64 batch => bytes32) private _ledgerHashes;
    mapping(address account => Prepaid) private _prepaid;
    mapping(address account => uint256) private _balances;
    mapping(address account => uint256) private _claimed;
    mapping(address from => mapping(bytes32 nonce => bool)) private _credited;

    /// @param owner Governance: names the operator.
    /// @param initialOperator The serving node's account.
    /// @param withdrawalDelaySeconds Long enough for the node to settle what it served meanwhile.
    /// @param challengeSeconds How long a batch can be challenged before its ledger pays.
    /// @param court Decides challenges; the only account that contests batches and says what the operator's bond covers.
    /// @param unbondingSeconds See {Staking}.
    constructor(
        address owner,
        address initialOperator,
        IFeePolicy feePolicy,
        IModels models,
        IWOPEN wopen,
        uint64 withdrawalDelaySeconds,
        uint64 challengeSeconds,
        uint64 unbondingSeconds,
        address court
    ) EIP712("OpenLedger Settlement", "1") Ownable(owner) {
        FEE_POLICY = feePolicy;
        MODELS = models;
        WOPEN = wopen;
        WITHDRAWAL_DELAY_SECONDS = withdrawalDelaySeconds;
        CHALLENGE_SECONDS = challengeSeconds;
        COURT = court;
        STAKING = new Staking(address(this), models, unbondingSeconds);
        _setOperator(initialOperator);
    }

    modifier onlyCourt() {
        if (msg.sender != COURT) revert SettlementNotCourt(msg.sender);
        _;
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
        Batch calldata batch,
        bytes calldata debits,
        Group[] calldata groups,
        Segment[] calldata segments
    ) external nonReentrant {
        if (msg.sender != _operator) revert SettlementNotOperator(msg.sender);
        uint256 latest = block.timestamp + CLOCK_DRIFT_SECONDS;
        if (batch.lastTimestamp < _lastTimestamp || batch.lastTimestamp > latest) {
            revert SettlementTimestampOutOfRange(batch.lastTimestamp, _lastTimestamp, latest);
        }
        (uint256 receiptCount, uint256 feesWei, uint256 contributorsWei) = _divide(batch, groups);
        if (receiptCount == 0 || batch.lastSequence != _lastSequence + receiptCount) {
            revert SettlementSequenceMismatch(_lastSequence, uint64(receiptCount), batch.lastSequence);
        }
        uint256 debitsWei = _debitAll(debits);
        if (debitsWei != feesWei) revert SettlementDebitsMismatch(feesWei, debitsWei);
        _expose(feesWei);
        bytes32 segmentsHash = _creditAll(contributorsWei, segments);
        _record(
            batch,
            segments.length == 0 ? bytes32(0) : segments[segments.length - 1].ledgerRoot,
            keccak256(abi.encode(batch, keccak256(debits), keccak256(abi.encode(groups)), segmentsHash))
        );
    }

    /// @inheritdoc ISettlement
    function claim(
        uint64 batch,
        Ledger calldata posted,
        bytes calldata claims,
        bytes calldata siblings
    ) external nonReentrant {
        _requireFinal(batch, posted);
        for (uint256 i; i < _contests.length; ++i) {
            Contest memory contest_ = _contests[i];
            if (batch >= contest_.batch && batch <= contest_.until) {
                revert SettlementContested(batch, contest_.batch);
            }
        }
        (address[] memory accounts, uint256[] memory cumulatives) = _prove(posted, claims, siblings);
        _payClaims(accounts, cumulatives);
    }

    /// @inheritdoc ISettlement
    function claimExcluding(
        uint64 batch,
        Ledger calldata posted,
        bytes calldata claims,
        bytes calldata siblings,
        Exclusion[] calldata exclusions
    ) external nonReentrant {
        _requireFinal(batch, posted);
        _requireExcluded(batch, exclusions);
        (address[] memory accounts, uint256[] memory cumulatives) = _prove(posted, claims, siblings);
        for (uint256 i; i < exclusions.length; ++i) {
            Exclusion calldata exclusion = exclusions[i];
            // what a ledger granted after the batch, less what it granted before, is what the batch credited
            _shift(cumulatives, exclusion.afterBatch, claims, exclusion.afterClaims, exclusion.afterSiblings, false);
            if (exclusion.afterBatch.previous == 0) continue;
            _shift(cumulatives, exclusion.beforeBatch, claims, exclusion.beforeClaims, exclusion.beforeSiblings, true);
        }
        _payClaims(accounts, cumulatives);
    }

    /// @inheritdoc ISettlement
    function setCoverage(uint96 coveredWei) external onlyCourt {
        _coveredWei = coveredWei;
        emit CoverageChanged(coveredWei);
    }

    /// @inheritdoc ISettlement
    function contest(uint64 batch) external onlyCourt {
        _contests.push(Contest({ batch: batch, until: OPEN_END, isVoid: false }));
        emit BatchContested(batch);
    }

    /// @inheritdoc ISettlement
    function acquit(uint64 batch) external onlyCourt {
        for (uint256 i; i < _contests.length; ++i) {
            if (_contests[i].batch != batch || _contests[i].until != OPEN_END) continue;
            _contests[i] = _contests[_contests.length - 1];
            _contests.pop();
            emit BatchAcquitted(batch);
            return;
        }
        revert SettlementNotContested(batch);
    }

    /// @inheritdoc ISettlement
    function rewind(
        uint64 batch,
        uint64 credited,
        Ledger calldata posted,
        Ledger calldata before,
        bool isVoid
    ) external onlyCourt {
        // what the standing ledger has not credited needs not be taken back
        bool isCredited = _ledgerBatch >= batch;
        bool isKnown;
        for (uint256 i; i < _contests.length; ++i) {
            Contest storage known = _contests[i];
            if (known.until != OPEN_END) {
                // another batch was struck before, and took these credits back with its own
                if (isCredited && credited >= known.batch && credited <= known.until) {
                    revert SettlementNotCredited(batch, credited);
                }
            } else if (known.batch == batch && !isKnown) {
                (known.until, known.isVoid, isKnown) = (_batchCount, isVoid, true);
            }
        }
        if (!isKnown) _contests.push(Contest({ batch: batch, until: _batchCount, isVoid: isVoid }));
        emit BatchStruck(batch, isCredited ? credited : 0, isVoid);
        if (!isCredited) return;

        if (
            keccak256(abi.encode(posted)) != _ledgerHashes[credited] || credited < batch || posted.previous >= batch
                || posted.root == 0
        ) revert SettlementNotCredited(batch, credited);
        bool isFirst = posted.previous == 0;
        if (!isFirst && keccak256(abi.encode(before)) != _ledgerHashes[uint64(posted.previous)]) {
            revert SettlementUnknownLedger(uint64(posted.previous));
        }
        uint96 sum = isFirst ? 0 : before.sum.toUint96();
        _uncreditedWei += _ledgerSum - sum;
        _uncreditedSince = uint64(block.timestamp);
        _ledgerSum = sum;
        _accountCount = isFirst ? 0 : before.accountCount.toUint32();
        _ledgerBatch = uint48(posted.previous);
        emit LedgerRewound(uint64(posted.previous), sum, _accountCount);
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
    function ledger() external view returns (uint256 sum, uint256 claimedTotal, uint256 uncreditedWei) {
        return (_ledgerSum, _claimedTotal, _uncreditedWei);
    }

    /// @inheritdoc ISettlement
    function ledgerHash(uint64 batch) external view returns (bytes32) {
        return _ledgerHashes[batch];
    }

    /// @inheritdoc ISettlement
    function ledgerBatch() external view returns (uint64) {
        return _ledgerBatch;
    }

    /// @inheritdoc ISettlement
    function coverage() external view returns (uint256 coveredWei, uint256 exposedWei, uint64 since) {
        return (_coveredWei, _exposedWei, _exposedSince);
    }

    /// @inheritdoc ISettlement
    function contests() external view returns (uint64[] memory batches, uint64[] memory untils, bool[] memory areVoid) {
        uint256 count = _contests.length;
        (batches, untils, areVoid) = (new uint64[](count), new uint64[](count), new bool[](count));
        for (uint256 i; i < count; ++i) {
            (batches[i], untils[i], areVoid[i]) = (_contests[i].batch, _contests[i].until, _contests[i].isVoid);
        }
    }

    /// @inheritdoc ISettlement
    function head()
        external
        view
        returns (uint64 lastSequence, uint64 lastTimestamp, uint64 batchCount, uint64 accountCount)
    {
        return (_lastSequence, _lastTimestamp, _batchCount, _accountCount);
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

    /// @dev Checks the groups and pays platform, owners and stakers; the contributors' parts are the rest.
    function _divide(
        Batch calldata batch,
        Group[] calldata groups
    ) private returns (uint256 receiptCount, uint256 feesWei, uint256 contributorsWei) {
        uint256 platformWei;
        for (uint256 i; i < groups.length; ++i) {
            Group calldata group = groups[i];
            if (
                group.firstTimestamp < _lastTimestamp || group.lastTimestamp < group.firstTimestamp
                    || group.lastTimestamp > batch.lastTimestamp
            ) revert SettlementTimestampOutOfRange(group.firstTimestamp, _lastTimestamp, batch.lastTimestamp);
            IFeePolicy.Split memory split = _splitOf(group);
            address modelOwner = _ownerOf(group);
            uint256 staked = _stakeOf(group);
            _checkPart(i, group, split.platformBps, group.platformWei);
            _checkPart(i, group, split.ownerBps, group.ownerWei);
            _checkPart(i, group, staked == 0 ? 0 : split.stakersBps, group.stakersWei);

            receiptCount += group.receiptCount;
            feesWei += group.feeWei;
            platformWei += group.platformWei;
            contributorsWei += uint256(group.feeWei) - group.platformWei - group.ownerWei - group.stakersWei;
            if (group.ownerWei != 0) _balances[modelOwner] += group.ownerWei;
            if (group.stakersWei != 0) STAKING.reward{ value: group.stakersWei }(group.modelId, group.stakeVersion);
        }
        if (platformWei != 0) _balances[FEE_POLICY.treasury()] += platformWei;
    }

    /// @dev Every receipt's part is rounded down, so a group's lies less than a wei a receipt below its exact share.
    function _checkPart(uint256 index, Group calldata group, uint256 bps, uint256 partWei) private pure {
        uint256 exactBps = uint256(group.feeWei) * bps;
        if (partWei * BPS > exactBps || (bps != 0 && (partWei + group.receiptCount) * BPS <= exactBps)) {
            revert SettlementPartMismatch(index, exactBps, partWei);
        }
    }

    /// @dev Judged by the time of the answers: what was right when a caller was served stays payable.
    function _splitOf(Group calldata group) private view returns (IFeePolicy.Split memory split) {
        uint64 supersededAt;
        (split, supersededAt) = FEE_POLICY.termsOf(group.splitVersion);
        if (supersededAt != 0 && group.lastTimestamp > supersededAt + SPLIT_GRACE_SECONDS) {
            revert SettlementSplitSuperseded(group.splitVersion, group.lastTimestamp, supersededAt);
        }
    }

    function _ownerOf(Group calldata group) private view returns (address modelOwner) {
        uint64 retiredAt;
        (modelOwner, retiredAt) = MODELS.ownerOf(group.modelId);
        if (retiredAt != 0 && group.lastTimestamp > retiredAt) {
            revert SettlementModelRetired(group.modelId, group.lastTimestamp, retiredAt);
        }
    }

    /// @dev The stake that stood behind the model while the answers were made, whatever stands there now.
    function _stakeOf(Group calldata group) private view returns (uint256 staked) {
        uint64 from;
        uint64 until;
        (staked, from, until) = STAKING.stakeAt(group.modelId, group.stakeVersion);
        if (from > group.firstTimestamp || (until != 0 && until < group.lastTimestamp)) {
            revert SettlementStakeOutOfDate(group.modelId, group.stakeVersion);
        }
    }

    /// @dev Addresses ascend, so that no payer stands twice. Offsets end with the data.
    function _debitAll(bytes calldata debits) private returns (uint256 debitsWei) {
        address last;
        uint256 offset;
        while (offset < debits.length) {
            address payer;
            uint256 size;
            uint256 amount;
            assembly ("memory-safe") {
                let word := calldataload(add(debits.offset, offset))
                payer := shr(96, word)
                size := byte(20, word)
                // a size beyond 32 gives nonsense, which the check below refuses
                amount := shr(sub(256, shl(3, size)), calldataload(add(debits.offset, add(offset, 21))))
            }
            if (payer <= last || size == 0 || size > 12 || offset + 21 + size > debits.length) {
                revert SettlementInvalidDebit(offset);
            }
            _debit(payer, amount);
            debitsWei += amount;
            last = payer;
            offset += 21 + size;
        }
    }

    /// @dev Moves the head to the batch's last receipt and keeps the hash of the ledger after it.
    function _record(Batch calldata batch, bytes32 ledgerRoot, bytes32 bodyHash) private {
        uint64 firstSequence = _lastSequence + 1;
        _lastSequence = batch.lastSequence;
        _lastTimestamp = batch.lastTimestamp;
        uint64 number = ++_batchCount;
        Ledger memory posted = Ledger({
            root: ledgerRoot,
            sum: _ledgerSum,
            accountCount: _accountCount,
            settledAt: block.timestamp,
            previous: _ledgerBatch,
            operator: msg.sender,
            bodyHash: bodyHash
        });
        if (ledgerRoot != 0) _ledgerBatch = uint48(number);
        _ledgerHashes[number] = keccak256(abi.encode(posted));
        emit BatchSettled(
            number,
            firstSequence,
            batch.lastSequence,
            batch.receiptsRoot,
            ledgerRoot,
            posted.sum,
            posted.accountCount,
            bodyHash
        );
    }

    /// @dev Takes note of what contributors are owed, and of the credits that pay all of it, if there are any.
    function _creditAll(uint256 contributorsWei, Segment[] calldata segments) private returns (bytes32) {
        uint256 owedWei = _uncreditedWei + contributorsWei;
        if (segments.length == 0) {
            uint256 since = _uncreditedWei == 0 ? block.timestamp : _uncreditedSince;
            if (owedWei != 0 && block.timestamp > since + LEDGER_LAG_SECONDS) {
                revert SettlementLedgerLate(owedWei, since + LEDGER_LAG_SECONDS);
            }
            _uncreditedSince = uint64(since);
            _uncreditedWei = owedWei.toUint96();
            return 0;
        }
        (uint256 creditsWei, bytes32 segmentsHash) = _readSegments(segments);
        if (creditsWei != owedWei) revert SettlementCreditsMismatch(owedWei, creditsWei);
        _ledgerSum = (_ledgerSum + creditsWei).toUint96();
        _uncreditedWei = 0;
        _uncreditedSince = 0;
        return segmentsHash;
    }

    function _readSegments(Segment[] calldata segments) private returns (uint256 creditsWei, bytes32) {
        uint256 accountCount = _accountCount;
        uint256 least;
        bytes32[] memory hashes = new bytes32[](2 * segments.length);
        for (uint256 i; i < segments.length; ++i) {
            uint256 sum;
            (sum, least, accountCount) = Credits.read(segments[i].credits, least, accountCount);
            creditsWei += sum;
            hashes[2 * i] = keccak256(segments[i].credits);
            hashes[2 * i + 1] = segments[i].ledgerRoot;
        }
        if (creditsWei == 0 || hashes[hashes.length - 1] == 0) revert SettlementEmptyCredits();
        _accountCount = accountCount.toUint32();
        return (creditsWei, keccak256(abi.encodePacked(hashes)));
    }

    /// @dev Checks the claims against the ledger's root.
    function _prove(
        Ledger calldata posted,
        bytes calldata claims,
        bytes calldata siblings
    ) private pure returns (address[] memory accounts, uint256[] memory cumulatives) {
        if (claims.length == 0 || claims.length % CLAIM_BYTES != 0) {
            revert SettlementInvalidClaims();
        }
        uint256 count = claims.length / CLAIM_BYTES;
        uint256[] memory indexes = new uint256[](count);
        MerkleSum.Node[] memory nodes = new MerkleSum.Node[](count);
        accounts = new address[](count);
        cumulatives = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            (indexes[i], accounts[i], cumulatives[i]) = _claimAt(claims, i * CLAIM_BYTES);
            if (indexes[i] >= posted.accountCount || (i != 0 && indexes[i] <= indexes[i - 1])) {
                revert SettlementInvalidClaims();
            }
            nodes[i] = MerkleSum.leaf(accounts[i], cumulatives[i]);
        }
        MerkleSum.Node memory root = MerkleSum.rootOf(indexes, nodes, posted.accountCount, siblings);
        if (root.hash != posted.root || root.sum != posted.sum) revert SettlementInvalidProof();
    }

    /// @dev Pays what was not paid before.
    function _payClaims(address[] memory accounts, uint256[] memory cumulatives) private {
        // all books are closed before the first payment
        uint256 claimedTotal = _claimedTotal;
        for (uint256 i; i < accounts.length; ++i) {
            uint256 cumulative = cumulatives[i];
            uint256 before = _claimed[accounts[i]];
            if (cumulative <= before) {
                // who was paid meanwhile does not spoil the others' claims
                if (accounts.length == 1) revert SettlementNothingToClaim(accounts[i], cumulative, before);
                cumulatives[i] = 0;
                continue;
            }
            _claimed[accounts[i]] = cumulative;
            cumulatives[i] = cumulative - before;
            claimedTotal += cumulative - before;
        }
        // a ledger that took from one account to give to another could otherwise spend prepaid money
        uint256 contributorsWei = uint256(_ledgerSum) + _uncreditedWei;
        if (claimedTotal > contributorsWei) revert SettlementLedgerExceeded(claimedTotal, contributorsWei);
        _claimedTotal = uint96(claimedTotal);
        for (uint256 i; i < accounts.length; ++i) {
            if (cumulatives[i] == 0) continue;
            emit Claimed(accounts[i], cumulatives[i]);
            _payOrKeep(accounts[i], cumulatives[i]);
        }
    }

    /// @dev What passes in a challenge window is bounded by the operator's bond, so that whoever was charged wrongly is repaid.
    function _expose(uint256 feesWei) private {
        uint256 exposedWei = feesWei;
        if (block.timestamp < _exposedSince + CHALLENGE_SECONDS) exposedWei += _exposedWei;
        else _exposedSince = uint64(block.timestamp);
        if (exposedWei > _coveredWei) revert SettlementNotCovered(exposedWei, _coveredWei);
        _exposedWei = uint96(exposedWei);
    }

    function _requireFinal(uint64 batch, Ledger calldata posted) private view {
        if (keccak256(abi.encode(posted)) != _ledgerHashes[batch]) revert SettlementUnknownLedger(batch);
        uint256 finalAt = posted.settledAt + CHALLENGE_SECONDS;
        if (block.timestamp < finalAt) revert SettlementLedgerNotFinal(batch, finalAt);
    }

    /// @dev Each contested batch that a ledger builds on must be excluded: by the ledger that credited its receipts.
    function _requireExcluded(uint64 batch, Exclusion[] calldata exclusions) private view {
        for (uint256 j; j < exclusions.length; ++j) {
            Exclusion calldata exclusion = exclusions[j];
            uint64 credited = exclusion.batch;
            if (
                credited > batch || (j != 0 && credited <= exclusions[j - 1].batch) || exclusion.afterBatch.root == 0
                    || keccak256(abi.encode(exclusion.afterBatch)) != _ledgerHashes[credited]
                    || (exclusion.afterBatch.previous != 0
                        && keccak256(abi.encode(exclusion.beforeBatch))
                            != _ledgerHashes[uint64(exclusion.afterBatch.previous)])
            ) revert SettlementInvalidExclusion(j);
        }
        for (uint256 i; i < _contests.length; ++i) {
            Contest memory contested = _contests[i];
            for (uint256 j; j < exclusions.length; ++j) {
                // credits that were taken back before this ledger are not in it
                if (exclusions[j].batch >= contested.batch && exclusions[j].batch <= contested.until) {
                    if (batch > contested.until) revert SettlementInvalidExclusion(j);
                }
            }
            if (batch < contested.batch || batch > contested.until) continue;
            bool isExcluded;
            for (uint256 j; j < exclusions.length && !isExcluded; ++j) {
                isExcluded =
                    exclusions[j].batch >= contested.batch && exclusions[j].afterBatch.previous < contested.batch;
            }
            if (contested.isVoid || !isExcluded) revert SettlementContested(batch, contested.batch);
        }
    }

    /// @dev Adds or takes away what another ledger grants to the claimed accounts; those without a line there have none.
    function _shift(
        uint256[] memory cumulatives,
        Ledger calldata other,
        bytes calldata claims,
        bytes calldata otherClaims,
        bytes calldata siblings,
        bool isAdded
    ) private pure {
        uint256 count;
        while (count < cumulatives.length) {
            (uint256 index, address account,) = _claimAt(claims, count * CLAIM_BYTES);
            if (index >= other.accountCount) break;
            if (otherClaims.length < (count + 1) * CLAIM_BYTES) revert SettlementInvalidClaims();
            (uint256 otherIndex, address otherAccount,) = _claimAt(otherClaims, count * CLAIM_BYTES);
            if (otherIndex != index || otherAccount != account) revert SettlementInvalidClaims();
            ++count;
        }
        if (otherClaims.length != count * CLAIM_BYTES) revert SettlementInvalidClaims();
        if (count == 0) return;
        (, uint256[] memory others) = _prove(other, otherClaims, siblings);
        for (uint256 i; i < count; ++i) {
            cumulatives[i] = isAdded ? cumulatives[i] + others[i] : cumulatives[i] - others[i];
        }
    }

    function _claimAt(
        bytes calldata claims,
        uint256 offset
    ) private pure returns (uint256 index, address account, uint256 cumulative) {
        assembly ("memory-safe") {
            let place := add(claims.offset, offset)
            let word := calldataload(place)
            index := shr(224, word)
            account := shr(96, shl(32, word))
            cumulative := shr(160, calldataload(add(place, 24)))
        }
    }

    /// @dev What an account does not take, or takes too much gas for, it can fetch with {withdrawBalance}.
    function _payOrKeep(address account, uint256 amount) private {
        (bool sent,) = account.call{ value: amount, gas: PAYMENT_GAS }("");
        if (!sent) _balances[account] += amount;
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
        // until the court says what the new operator's bond covers
        _coveredWei = 0;
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
