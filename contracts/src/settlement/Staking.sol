// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import { IModels } from "../interfaces/IModels.sol";
import { IStaking } from "../interfaces/IStaking.sol";

/// @title Staking
/// @notice See {IStaking}. Deployed by {Settlement}, the only account that rewards.
///
///         Invariant: the native OPEN held here is never less than stakes + requests not yet paid + rewards not yet
///         claimed. Rewards are kept in fractions of a wei and rounded down when they are paid; what division leaves is
///         carried into the model's next reward, so that no wei is lost on the way.
contract Staking is IStaking, ReentrancyGuardTransient {
    /// @dev The stake behind a model between two changes of it.
    struct Version {
        uint128 staked;
        uint64 from;
    }

    /// @dev Rewards per wei staked up to the end of a version, times {PRECISION}.
    struct Mark {
        uint32 version;
        uint256 rewardPerStake;
    }

    struct Pool {
        Version[] versions;
        /// The newest version that was rewarded; later rewards are for it or for later ones.
        uint32 rewardedVersion;
        /// Rewards per wei staked since the beginning, times {PRECISION}.
        uint256 rewardPerStake;
        /// What division left of the last reward, times {PRECISION}.
        uint256 remainder;
        /// Of versions that were rewarded and are over.
        Mark[] marks;
    }

    /// @dev An account's stake from a version on.
    struct Change {
        uint32 version;
        uint128 stake;
    }

    struct Position {
        Change[] changes;
        /// The first change whose earnings are not all in `earned`.
        uint256 open;
        /// The pool's `rewardPerStake` up to which the open change's earnings are in `earned`.
        uint256 rewardPerStakeSeen;
        /// Rewards not yet claimed, times {PRECISION}.
        uint256 earned;
    }

    /// @dev Above the supply of 10^27 wei, so that a reward of one wei counts behind any stake; and small enough that all
    ///      products stay below 2^256 until the supply has been paid out as rewards a million times over:
    ///      (10^27 * 10^6) * 10^30 / 10^18 (least stake) * 10^27 = 10^72.
    uint256 private constant PRECISION = 1e30;

    /// @inheritdoc IStaking
    uint256 public constant MINIMUM_STAKE = 1 ether;

    /// @inheritdoc IStaking
    uint64 public constant UNBONDING_SECONDS_MAX = 30 days;

    /// @notice The only account that rewards.
    address public immutable SETTLEMENT;
    /// @notice Registry of the models that can be staked behind.
    IModels public immutable MODELS;

    uint64 private _unbondingSeconds;
    uint256 private _unstakingCount;
    mapping(uint256 modelId => Pool) private _pools;
    mapping(uint256 modelId => mapping(address account => Position)) private _positions;
    mapping(uint256 unstakingId => Unstaking) private _unstakings;

    constructor(address settlement, IModels models, uint64 initialUnbondingSeconds) {
        SETTLEMENT = settlement;
        MODELS = models;
        _setUnbonding(initialUnbondingSeconds);
    }

    /// @inheritdoc IStaking
    function stake(uint256 modelId) external payable nonReentrant {
        if (modelId == 0 || modelId > MODELS.modelCount()) revert StakingUnknownModel(modelId);
        Pool storage pool = _pools[modelId];
        uint256 staked = _stakeIn(_positions[modelId][msg.sender]) + msg.value;
        if (staked < MINIMUM_STAKE) revert StakingBelowMinimum(staked, MINIMUM_STAKE);

        _change(pool, _positions[modelId][msg.sender], _staked(pool) + msg.value, staked);
        emit Staked(modelId, msg.sender, msg.value);
    }

    /// @inheritdoc IStaking
    function requestUnstake(uint256 modelId, uint256 amount) external nonReentrant returns (uint256 unstakingId) {
        Pool storage pool = _pools[modelId];
        Position storage position = _positions[modelId][msg.sender];
        uint256 staked = _stakeIn(position);
        if (amount == 0 || amount > staked) {
            revert StakingInsufficientStake(modelId, msg.sender, amount, staked);
        }
        uint256 left = staked - amount;
        if (left != 0 && left < MINIMUM_STAKE) revert StakingBelowMinimum(left, MINIMUM_STAKE);

        _change(pool, position, _staked(pool) - amount, left);
        unstakingId = ++_unstakingCount;
        uint64 readyAt = uint64(block.timestamp) + _unbondingSeconds;
        _unstakings[unstakingId] = Unstaking({ account: msg.sender, readyAt: readyAt, amount: amount });
        emit UnstakeRequested(unstakingId, modelId, msg.sender, amount, readyAt);
    }

    /// @inheritdoc IStaking
    function unstake(uint256 unstakingId) external nonReentrant {
        Unstaking memory request = _unstakings[unstakingId];
        if (request.account == address(0)) revert StakingUnknownUnstaking(unstakingId);
        if (request.account != msg.sender) revert StakingNotAccount(request.account, msg.sender);
        if (block.timestamp < request.readyAt) revert StakingNotUnbonded(unstakingId, request.readyAt);

        delete _unstakings[unstakingId];
        emit Unstaked(unstakingId, msg.sender, request.amount);
        _pay(msg.sender, request.amount);
    }

    /// @inheritdoc IStaking
    function reward(uint256 modelId, uint32 version) external payable {
        if (msg.sender != SETTLEMENT) revert StakingNotSettlement(msg.sender);
        Pool storage pool = _pools[modelId];
        (uint256 staked,,) = _stakeAt(pool, modelId, version);
        if (staked == 0) revert StakingNobodyStakes(modelId);
        uint32 rewarded = pool.rewardedVersion;
        if (version < rewarded) revert StakingVersionOver(modelId, version, rewarded);
        if (version > rewarded) {
            if (rewarded != 0) pool.marks.push(Mark({ version: rewarded, rewardPerStake: pool.rewardPerStake }));
            pool.rewardedVersion = version;
        }

        uint256 scaled = msg.value * PRECISION + pool.remainder;
        pool.rewardPerStake += scaled / staked;
        pool.remainder = scaled % staked;
        emit Rewarded(modelId, version, msg.value);
    }

    /// @inheritdoc IStaking
    function claimRewards(uint256 modelId) external nonReentrant returns (uint256 amount) {
        Position storage position = _positions[modelId][msg.sender];
        uint256 earned;
        (earned, position.open, position.rewardPerStakeSeen) = _earned(_pools[modelId], position);
        amount = earned / PRECISION;
        position.earned = earned - amount * PRECISION;
        if (amount == 0) return 0;

        emit RewardsClaimed(modelId, msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc IStaking
    function setUnbonding(uint64 newUnbondingSeconds) external {
        if (msg.sender != Ownable(SETTLEMENT).owner()) revert StakingNotGovernance(msg.sender);
        _setUnbonding(newUnbondingSeconds);
    }

    /// @inheritdoc IStaking
    function unbondingSeconds() external view returns (uint64) {
        return _unbondingSeconds;
    }

    /// @inheritdoc IStaking
    function totalStakeOf(uint256 modelId) external view returns (uint256) {
        return _staked(_pools[modelId]);
    }

    /// @inheritdoc IStaking
    function versionOf(uint256 modelId) external view returns (uint32) {
        return uint32(_pools[modelId].versions.length);
    }

    /// @inheritdoc IStaking
    function stakeAt(
        uint256 modelId,
        uint32 version
    ) external view returns (uint256 staked, uint64 from, uint64 until) {
        return _stakeAt(_pools[modelId], modelId, version);
    }

    /// @inheritdoc IStaking
    function stakeOf(uint256 modelId, address account) external view returns (uint256) {
        return _stakeIn(_positions[modelId][account]);
    }

    /// @inheritdoc IStaking
    function pendingRewards(uint256 modelId, address account) external view returns (uint256) {
        (uint256 earned,,) = _earned(_pools[modelId], _positions[modelId][account]);
        return earned / PRECISION;
    }

    /// @inheritdoc IStaking
    function unstakingOf(uint256 unstakingId) external view returns (Unstaking memory) {
        return _unstakings[unstakingId];
    }

    /// @dev Begins a new version of the pool's stake, in which the account's is `left`. Costs the same however many
    ///      changes went before: nobody can make an exit dear.
    function _change(Pool storage pool, Position storage position, uint256 staked, uint256 left) private {
        pool.versions.push(Version({ staked: uint128(staked), from: uint64(block.timestamp) }));
        position.changes.push(Change({ version: uint32(pool.versions.length), stake: uint128(left) }));
    }

    function _staked(Pool storage pool) private view returns (uint256) {
        uint256 count = pool.versions.length;
        return count == 0 ? 0 : pool.versions[count - 1].staked;
    }

    function _stakeIn(Position storage position) private view returns (uint256) {
        uint256 count = position.changes.length;
        return count == 0 ? 0 : position.changes[count - 1].stake;
    }

    function _stakeAt(
        Pool storage pool,
        uint256 modelId,
        uint32 version
    ) private view returns (uint256 staked, uint64 from, uint64 until) {
        uint256 count = pool.versions.length;
        if (version > count) revert StakingUnknownVersion(modelId, version);
        if (version != 0) (staked, from) = (pool.versions[version - 1].staked, pool.versions[version - 1].from);
        if (version < count) until = pool.versions[version].from;
    }

    /// @dev What a position has earned: each stake, by what was paid per wei from its version to the next change's.
    function _earned(
        Pool storage pool,
        Position storage position
    ) private view returns (uint256 earned, uint256 open, uint256 seen) {
        (earned, open, seen) = (position.earned, position.open, position.rewardPerStakeSeen);
        uint256 count = position.changes.length;
        uint256 now_ = pool.rewardPerStake;
        uint32 rewarded = pool.rewardedVersion;
        for (; open < count; ++open) {
            Change storage change = position.changes[open];
            // nothing is known yet of what this stake earns
            if (change.version > rewarded) break;
            if (seen == 0) seen = _paidBefore(pool, change.version);
            bool isOver = open + 1 < count && position.changes[open + 1].version <= rewarded;
            uint256 upTo = isOver ? _paidBefore(pool, position.changes[open + 1].version) : now_;
            earned += uint256(change.stake) * (upTo - seen);
            seen = upTo;
            if (!isOver) break;
        }
    }

    /// @dev Rewards per wei staked of all versions before one that is rewarded or older: of the last mark before it.
    function _paidBefore(Pool storage pool, uint32 version) private view returns (uint256) {
        uint256 low;
        uint256 high = pool.marks.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (pool.marks[middle].version < version) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? 0 : pool.marks[low - 1].rewardPerStake;
    }

    function _setUnbonding(uint64 newUnbondingSeconds) private {
        if (newUnbondingSeconds > UNBONDING_SECONDS_MAX) {
            revert StakingUnbondingTooLong(newUnbondingSeconds, UNBONDING_SECONDS_MAX);
        }
        _unbondingSeconds = newUnbondingSeconds;
        emit UnbondingChanged(newUnbondingSeconds);
    }

    function _pay(address to, uint256 amount) private {
        (bool sent,) = to.call{ value: amount }("");
        if (!sent) revert StakingTransferFailed(to, amount);
    }
}
