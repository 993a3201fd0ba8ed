// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

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
    struct Pool {
        uint256 totalStake;
        /// Rewards per wei staked since the beginning, times {PRECISION}.
        uint256 rewardPerStake;
        /// What division left of the last reward, times {PRECISION}.
        uint256 remainder;
    }

    struct Position {
        uint256 stake;
        /// The pool's `rewardPerStake` up to which `earned` counts.
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
    uint64 public immutable UNBONDING_SECONDS;
    /// @notice The only account that rewards.
    address public immutable SETTLEMENT;
    /// @notice Registry of the models that can be staked behind.
    IModels public immutable MODELS;

    uint256 private _unstakingCount;
    mapping(uint256 modelId => Pool) private _pools;
    mapping(uint256 modelId => mapping(address account => Position)) private _positions;
    mapping(uint256 unstakingId => Unstaking) private _unstakings;

    constructor(address settlement, IModels models, uint64 unbondingSeconds) {
        SETTLEMENT = settlement;
        MODELS = models;
        UNBONDING_SECONDS = unbondingSeconds;
    }

    /// @inheritdoc IStaking
    function stake(uint256 modelId) external payable nonReentrant {
        if (modelId == 0 || modelId > MODELS.modelCount()) revert StakingUnknownModel(modelId);
        Pool storage pool = _pools[modelId];
        Position storage position = _settled(pool, modelId, msg.sender);
        uint256 staked = position.stake + msg.value;
        if (staked < MINIMUM_STAKE) revert StakingBelowMinimum(staked, MINIMUM_STAKE);

        position.stake = staked;
        pool.totalStake += msg.value;
        emit Staked(modelId, msg.sender, msg.value);
    }

    /// @inheritdoc IStaking
    function requestUnstake(uint256 modelId, uint256 amount) external nonReentrant returns (uint256 unstakingId) {
        Pool storage pool = _pools[modelId];
        Position storage position = _settled(pool, modelId, msg.sender);
        if (amount == 0 || amount > position.stake) {
            revert StakingInsufficientStake(modelId, msg.sender, amount, position.stake);
        }
        uint256 left = position.stake - amount;
        if (left != 0 && left < MINIMUM_STAKE) revert StakingBelowMinimum(left, MINIMUM_STAKE);

        position.stake = left;
        pool.totalStake -= amount;
        unstakingId = ++_unstakingCount;
        uint64 readyAt = uint64(block.timestamp) + UNBONDING_SECONDS;
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
    function reward(uint256 modelId) external payable {
        if (msg.sender != SETTLEMENT) revert StakingNotSettlement(msg.sender);
        Pool storage pool = _pools[modelId];
        uint256 totalStake = pool.totalStake;
        if (totalStake == 0) revert StakingNobodyStakes(modelId);

        uint256 scaled = msg.value * PRECISION + pool.remainder;
        pool.rewardPerStake += scaled / totalStake;
        pool.remainder = scaled % totalStake;
        emit Rewarded(modelId, msg.value);
    }

    /// @inheritdoc IStaking
    function claimRewards(uint256 modelId) external nonReentrant returns (uint256 amount) {
        Position storage position = _settled(_pools[modelId], modelId, msg.sender);
        amount = position.earned / PRECISION;
        if (amount == 0) return 0;

        position.earned -= amount * PRECISION;
        emit RewardsClaimed(modelId, msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc IStaking
    function totalStakeOf(uint256 modelId) external view returns (uint256) {
        return _pools[modelId].totalStake;
    }

    /// @inheritdoc IStaking
    function stakeOf(uint256 modelId, address account) external view returns (uint256) {
        return _positions[modelId][account].stake;
    }

    /// @inheritdoc IStaking
    function pendingRewards(uint256 modelId, address account) external view returns (uint256) {
        Position storage position = _positions[modelId][account];
        return (position.earned + _earnedSince(_pools[modelId], position)) / PRECISION;
    }

    /// @inheritdoc IStaking
    function unstakingOf(uint256 unstakingId) external view returns (Unstaking memory) {
        return _unstakings[unstakingId];
    }

    /// @dev Brings an account's earnings up to date, before its stake changes.
    function _settled(Pool storage pool, uint256 modelId, address account) private returns (Position storage position) {
        position = _positions[modelId][account];
        position.earned += _earnedSince(pool, position);
        position.rewardPerStakeSeen = pool.rewardPerStake;
    }

    function _earnedSince(Pool storage pool, Position storage position) private view returns (uint256) {
        return position.stake * (pool.rewardPerStake - position.rewardPerStakeSeen);
    }

    function _pay(address to, uint256 amount) private {
        (bool sent,) = to.call{ value: amount }("");
        if (!sent) revert StakingTransferFailed(to, amount);
    }
}
