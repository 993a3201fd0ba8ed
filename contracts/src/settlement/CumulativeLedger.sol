// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import { ISettlement } from "../interfaces/ISettlement.sol";
import { ClaimProof } from "../libraries/ClaimProof.sol";
import { Accounts } from "./Accounts.sol";
import { Coverage } from "./Coverage.sol";

/// @title CumulativeLedger
/// @notice The part of {ISettlement} that keeps what contributors earned: hashes of ledgers, claims against them, and which
///         batches the court contests or struck.
///
///         Storage: the ledger's sums in one word, which every batch writes; what was claimed in all in another; then contests,
///         a word for each batch, a word for each account that ever claimed, and two for each segment posted ahead.
abstract contract CumulativeLedger is Accounts, Coverage {
    using SafeCast for uint256;

    /// @dev A batch whose credits are disputed or struck, and the last ledger that has them; all later ones while disputed.
    struct Contest {
        uint64 batch;
        uint64 until;
        /// Whether its ledger's root does not follow: ledgers built on it prove nothing.
        bool isVoid;
    }

    uint64 private constant OPEN_END = type(uint64).max;

    /// @notice How long contributors' parts may wait for their credits before nothing more is settled.
    uint64 public constant LEDGER_LAG_SECONDS = 1 days;

    /// @dev Most bytes of credits in a segment: what one transaction can recompute before the court.
    uint256 private constant SEGMENT_BYTES_MAX = 256 * 33;

    uint96 private _ledgerSum;
    uint96 private _uncreditedWei;
    uint48 private _uncreditedSince;
    uint16 private _postedCount;
    uint96 private _claimedTotal;
    Contest[] private _contests;
    mapping(uint64 batch => bytes32) private _ledgerHashes;
    mapping(address account => uint256) private _claimed;
    /// @dev Hash of credits and ledger's root of each segment that was posted ahead.
    mapping(uint256 place => bytes32) private _postedDigests;

    /// @inheritdoc ISettlement
    function postCredits(uint256 from, Segment[] calldata segments) external onlyOperator {
        if (from > _postedCount) revert SettlementCreditsMissing(from, _postedCount);
        bytes32[] memory digests = _digestsOf(from, segments);
        for (uint256 i = 2 * from; i < digests.length; ++i) {
            _postedDigests[i] = digests[i];
        }
        _postedCount = (digests.length / 2).toUint16();
        emit CreditsPosted(from, segments.length);
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
        (address[] memory accounts, uint256[] memory cumulatives) = ClaimProof.prove(posted, claims, siblings);
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
        (address[] memory accounts, uint256[] memory cumulatives) = ClaimProof.prove(posted, claims, siblings);
        for (uint256 i; i < exclusions.length; ++i) {
            Exclusion calldata exclusion = exclusions[i];
            // what a ledger granted after the batch, less what it granted before, is what the batch credited
            ClaimProof.shift(
                cumulatives, exclusion.afterBatch, claims, exclusion.afterClaims, exclusion.afterSiblings, false
            );
            if (exclusion.afterBatch.previous == 0) continue;
            ClaimProof.shift(
                cumulatives, exclusion.beforeBatch, claims, exclusion.beforeClaims, exclusion.beforeSiblings, true
            );
        }
        _payClaims(accounts, cumulatives);
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
        bool isCredited = _head.ledgerBatch >= batch;
        bool isKnown;
        for (uint256 i; i < _contests.length; ++i) {
            Contest storage known = _contests[i];
            if (known.until != OPEN_END) {
                // another batch was struck before, and took these credits back with its own
                if (isCredited && credited >= known.batch && credited <= known.until) {
                    revert SettlementNotCredited(batch, credited);
                }
            } else if (known.batch == batch && !isKnown) {
                (known.until, known.isVoid, isKnown) = (_head.batchCount, isVoid, true);
            }
        }
        if (!isKnown) _contests.push(Contest({ batch: batch, until: _head.batchCount, isVoid: isVoid }));
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
        uint96 sum = isFirst ? 0 : uint96(before.sum);
        _uncreditedWei += _ledgerSum - sum;
        _uncreditedSince = uint48(block.timestamp);
        _ledgerSum = sum;
        _head.accountCount = isFirst ? 0 : uint32(before.accountCount);
        _head.ledgerBatch = uint32(posted.previous);
        emit LedgerRewound(uint64(posted.previous), sum, _head.accountCount);
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
    function postedCount() external view returns (uint256) {
        return _postedCount;
    }

    /// @inheritdoc ISettlement
    function ledgerBatch() external view returns (uint64) {
        return _head.ledgerBatch;
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
    function isTakenBack(uint64 batch) external view returns (bool) {
        for (uint256 i; i < _contests.length; ++i) {
            Contest storage struck = _contests[i];
            if (struck.until != OPEN_END && batch >= struck.batch && batch <= struck.until) return true;
        }
        return false;
    }

    /// @inheritdoc ISettlement
    function head()
        external
        view
        returns (uint64 lastSequence, uint64 lastTimestamp, uint64 batchCount, uint64 accountCount)
    {
        return (_head.lastSequence, _head.lastTimestamp, _head.batchCount, _head.accountCount);
    }

    function _withdrawalDelay() internal view override(Accounts, Coverage) returns (uint64) {
        return Coverage._withdrawalDelay();
    }

    /// @dev Moves the head to the batch's last receipt and keeps the hash of the ledger after it.
    function _record(Head memory head_, Batch calldata batch, bytes32 ledgerRoot, bytes32 bodyHash) internal {
        uint64 firstSequence = head_.lastSequence + 1;
        head_.lastSequence = uint256(batch.lastSequence).toUint48();
        head_.lastTimestamp = uint32(batch.lastTimestamp);
        uint32 number = ++head_.batchCount;
        Ledger memory posted = Ledger({
            root: ledgerRoot,
            sum: _ledgerSum,
            accountCount: head_.accountCount,
            settledAt: block.timestamp,
            previous: head_.ledgerBatch,
            operator: msg.sender,
            bodyHash: bodyHash
        });
        if (ledgerRoot != 0) head_.ledgerBatch = number;
        _setHead(head_);
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

    /// @dev Takes note of what contributors are owed, and of the ledger that credits all of it, if there is one. Whether its
    ///      roots follow from the credits, sums and number of lines included, is what {IAudit.proveRoot} decides.
    function _creditAll(
        Head memory head_,
        uint32 accountCount,
        uint256 contributorsWei,
        Segment[] calldata segments
    ) internal returns (bytes32 segmentsHash) {
        uint256 ledgerSum = _ledgerSum;
        uint16 postedAhead = _postedCount;
        contributorsWei += _uncreditedWei;
        uint256 since;
        if (segments.length == 0) {
            since = _uncreditedWei == 0 ? block.timestamp : _uncreditedSince;
            if (contributorsWei != 0 && block.timestamp > since + LEDGER_LAG_SECONDS) {
                revert SettlementLedgerLate(contributorsWei, since + LEDGER_LAG_SECONDS);
            }
        } else {
            if (contributorsWei == 0) revert SettlementEmptyCredits();
            segmentsHash = _readSegments(head_, accountCount, postedAhead, segments);
            ledgerSum += contributorsWei;
            contributorsWei = 0;
            postedAhead = 0;
        }
        (uint96 sum, uint96 owedWei) = (ledgerSum.toUint96(), contributorsWei.toUint96());
        (_ledgerSum, _uncreditedWei, _uncreditedSince, _postedCount) = (sum, owedWei, uint48(since), postedAhead);
    }

    function _readSegments(
        Head memory head_,
        uint32 accountCount,
        uint256 postedAhead,
        Segment[] calldata segments
    ) private view returns (bytes32) {
        bytes32[] memory digests = _digestsOf(postedAhead, segments);
        if (digests[digests.length - 1] == 0) revert SettlementEmptyCredits();
        // lines never go; how many the credits add is for the court
        if (accountCount == 0 || accountCount < head_.accountCount) {
            revert SettlementAccountCountMismatch(accountCount, head_.accountCount);
        }
        head_.accountCount = accountCount;
        bytes32 segmentsHash;
        assembly ("memory-safe") {
            segmentsHash := keccak256(add(digests, 0x20), mul(mload(digests), 0x20))
        }
        return segmentsHash;
    }

    /// @dev Hash of credits and ledger's root of each segment: of those posted ahead that are kept, then of these.
    function _digestsOf(uint256 kept, Segment[] calldata segments) private view returns (bytes32[] memory digests) {
        digests = new bytes32[](2 * (kept + segments.length));
        for (uint256 i; i < 2 * kept; ++i) {
            digests[i] = _postedDigests[i];
        }
        for (uint256 i; i < segments.length; ++i) {
            bytes calldata credits = segments[i].credits;
            if (credits.length > SEGMENT_BYTES_MAX) revert SettlementSegmentTooLong(i, credits.length);
            digests[2 * (kept + i)] = keccak256(credits);
            digests[2 * (kept + i) + 1] = segments[i].ledgerRoot;
        }
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

    function _requireFinal(uint64 batch, Ledger calldata posted) private view {
        if (keccak256(abi.encode(posted)) != _ledgerHashes[batch]) revert SettlementUnknownLedger(batch);
        uint256 until = _finalAt(posted.settledAt);
        if (block.timestamp < until) revert SettlementLedgerNotFinal(batch, until);
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
}
