// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IFeePolicy } from "../interfaces/IFeePolicy.sol";
import { IModels } from "../interfaces/IModels.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";
import { IWOPEN } from "../interfaces/IWOPEN.sol";
import { PostedBatch } from "../libraries/PostedBatch.sol";
import { Accounts } from "./Accounts.sol";
import { Coverage } from "./Coverage.sol";
import { Refunds } from "./Refunds.sol";
import { Staking } from "./Staking.sol";

/// @title Settlement
/// @notice See {ISettlement}. Settles batches: {Accounts} has payers' and earners' money, {Coverage} bounds what passes,
///         {CumulativeLedger} credits and pays contributors, {Refunds} pays payers back. Deploys {Staking} and is the only account that rewards there.
///
///         Invariant: native OPEN held == prepaid + set aside for withdrawal + earned balances + not yet credited +
///         (ledger sum - claimed total), as long as nobody forces value on the contract; never less.
contract Settlement is Refunds {
    uint256 private constant BPS = 10_000;

    /// @notice How long after a new split the one before may still stand on receipts: callers were shown it.
    uint64 public constant SPLIT_GRACE_SECONDS = 1 hours;
    /// @notice How far the node's clock may run before the chain's.
    uint64 public constant CLOCK_DRIFT_SECONDS = 10 minutes;

    IFeePolicy public immutable FEE_POLICY;
    IModels public immutable MODELS;
    Staking public immutable STAKING;

    /// @param owner Governance: names the operator.
    /// @param initialOperator The serving node's account.
    /// @param initialWithdrawalDelaySeconds Long enough for the node to settle what it served meanwhile.
    /// @param initialChallengeSeconds How long a batch can be challenged before its ledger pays.
    /// @param court Decides challenges; the only account that contests batches and says what the operator's bond covers.
    /// @param unbondingSeconds See {Staking}.
    constructor(
        address owner,
        address initialOperator,
        IFeePolicy feePolicy,
        IModels models,
        IWOPEN wopen,
        uint64 initialWithdrawalDelaySeconds,
        uint64 initialChallengeSeconds,
        uint64 unbondingSeconds,
        address court
    ) Accounts(wopen) Coverage(owner, initialOperator, initialWithdrawalDelaySeconds, initialChallengeSeconds, court) {
        FEE_POLICY = feePolicy;
        MODELS = models;
        STAKING = new Staking(address(this), models, unbondingSeconds);
    }

    /// @inheritdoc ISettlement
    function settle(
        Batch calldata batch,
        bytes calldata debits,
        Group[] calldata groups,
        Segment[] calldata segments
    ) external onlyOperator nonReentrant {
        Head memory head_ = _head;
        // without receipts, only to credit what waits
        if (groups.length == 0 && segments.length == 0) {
            revert SettlementSequenceMismatch(head_.lastSequence, 0, batch.lastSequence);
        }
        uint256 contributorsWei = _take(head_, batch, debits, groups);
        bytes32 body = _creditAll(head_, batch.accountCount, contributorsWei, segments);
        body = PostedBatch.bodyHash(batch, keccak256(debits), groups, body);
        _record(head_, batch, segments.length == 0 ? bytes32(0) : segments[segments.length - 1].ledgerRoot, body);
    }

    /// @inheritdoc ISettlement
    // forge-lint: disable-next-line(mixed-case-function)
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _separator();
    }

    /// @dev Takes the fees of the next receipts from their payers; the contributors' parts are what is left to credit.
    function _take(
        Head memory head_,
        Batch calldata batch,
        bytes calldata debits,
        Group[] calldata groups
    ) private returns (uint256) {
        uint256 latest = block.timestamp + CLOCK_DRIFT_SECONDS;
        if (batch.lastTimestamp < head_.lastTimestamp || batch.lastTimestamp > latest) {
            revert SettlementTimestampOutOfRange(batch.lastTimestamp, head_.lastTimestamp, latest);
        }
        (uint256 receiptCount, uint256 feesWei, uint256 contributorsWei) =
            _divide(head_.lastTimestamp, batch.lastTimestamp, groups);
        if (batch.lastSequence != head_.lastSequence + receiptCount) {
            revert SettlementSequenceMismatch(head_.lastSequence, uint64(receiptCount), batch.lastSequence);
        }
        _debitAll(debits, feesWei);
        _expose(head_, feesWei);
        return contributorsWei;
    }

    /// @dev Checks the groups and pays platform, owners and stakers; the contributors' parts are the rest.
    function _divide(
        uint64 earliest,
        uint64 latest,
        Group[] calldata groups
    ) private returns (uint256 receiptCount, uint256 feesWei, uint256 contributorsWei) {
        for (uint256 i; i < groups.length; ++i) {
            Group calldata group = groups[i];
            if (
                group.firstTimestamp < earliest || group.lastTimestamp < group.firstTimestamp
                    || group.lastTimestamp > latest
            ) revert SettlementTimestampOutOfRange(group.firstTimestamp, earliest, latest);
            (IFeePolicy.Split memory split, address platform) = _splitOf(group);
            address modelOwner = _ownerOf(group);
            uint256 staked = _stakeOf(group);
            _checkPart(i, group, split.platformBps, group.platformWei);
            _checkPart(i, group, split.ownerBps, group.ownerWei);
            _checkPart(i, group, staked == 0 ? 0 : split.stakersBps, group.stakersWei);

            receiptCount += group.receiptCount;
            feesWei += group.feeWei;
            contributorsWei += uint256(group.feeWei) - group.platformWei - group.ownerWei - group.stakersWei;
            _earn(platform, group.platformWei);
            _earn(modelOwner, group.ownerWei);
            if (group.stakersWei != 0) STAKING.reward{ value: group.stakersWei }(group.modelId, group.stakeVersion);
        }
    }

    /// @dev Every receipt's part is rounded down, so a group's lies less than a wei a receipt below its exact share.
    function _checkPart(uint256 index, Group calldata group, uint256 bps, uint256 partWei) private pure {
        uint256 exactBps = uint256(group.feeWei) * bps;
        if (partWei * BPS > exactBps || (bps != 0 && (partWei + group.receiptCount) * BPS <= exactBps)) {
            revert SettlementPartMismatch(index, exactBps, partWei);
        }
    }

    /// @dev Judged by the time of the answers: what was right when a caller was served stays payable.
    function _splitOf(Group calldata group) private view returns (IFeePolicy.Split memory split, address platform) {
        uint64 supersededAt;
        (split, supersededAt, platform) = FEE_POLICY.termsOf(group.splitVersion);
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
    function _debitAll(bytes calldata debits, uint256 feesWei) private {
        uint256 debitsWei;
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
        if (debitsWei != feesWei) revert SettlementDebitsMismatch(feesWei, debitsWei);
    }
}
