// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IStaking
/// @notice Stake behind a model earns the stakers' part of that model's fees, in proportion and from nothing else: every
///         reward arrives as value from {ISettlement}. Each change of the stake behind a model begins a new version; an
///         answer pays those who staked in the version in which it was made, so coming or leaving before it is settled
///         changes nothing. Stake leaves after an unbonding time that governance sets for later
///         requests, up to a limit in the code. No account can pause, freeze or redirect an exit.
///         There are no shares to be priced, because rewards are paid out beside the stake and never join it: a stake is
///         worth what was put in, whoever came first and whatever is sent here otherwise.
interface IStaking {
    struct Unstaking {
        address account;
        uint64 readyAt;
        uint256 amount;
    }

    error StakingBelowMinimum(uint256 stakeWei, uint256 minimumWei);
    error StakingUnknownModel(uint256 modelId);
    error StakingInsufficientStake(uint256 modelId, address account, uint256 needed, uint256 available);
    error StakingUnknownUnstaking(uint256 unstakingId);
    error StakingNotUnbonded(uint256 unstakingId, uint64 readyAt);
    error StakingNotAccount(address account, address caller);
    error StakingNotSettlement(address caller);
    error StakingNotGovernance(address caller);
    error StakingUnbondingTooLong(uint64 unbondingSeconds, uint64 mostSeconds);
    error StakingNobodyStakes(uint256 modelId);
    error StakingUnknownVersion(uint256 modelId, uint32 version);
    error StakingVersionOver(uint256 modelId, uint32 version, uint32 rewardedVersion);
    error StakingTransferFailed(address to, uint256 amount);

    event Staked(uint256 indexed modelId, address indexed account, uint256 amount);
    event UnstakeRequested(
        uint256 indexed unstakingId, uint256 indexed modelId, address indexed account, uint256 amount, uint64 readyAt
    );
    event Unstaked(uint256 indexed unstakingId, address indexed account, uint256 amount);
    event Rewarded(uint256 indexed modelId, uint32 indexed version, uint256 amount);
    event UnbondingChanged(uint64 unbondingSeconds);
    event RewardsClaimed(uint256 indexed modelId, address indexed account, uint256 amount);

    /// @notice Puts the value sent along behind a model, on top of what the caller has there. What is left behind a model
    ///         is nothing or at least {MINIMUM_STAKE}.
    function stake(uint256 modelId) external payable;

    /// @notice Takes `amount` from behind a model at once: it earns nothing more and can be paid out after the unbonding
    ///         time. Each request has its own clock.
    /// @return unstakingId Number to give to {unstake}.
    function requestUnstake(uint256 modelId, uint256 amount) external returns (uint256 unstakingId);

    /// @notice Pays a request out to the account that made it, once its unbonding time has passed.
    function unstake(uint256 unstakingId) external;

    /// @notice Shares the value sent along among those who staked behind a model in a version of its stake, whoever stakes
    ///         there now. Versions are rewarded in order. Settlement only.
    function reward(uint256 modelId, uint32 version) external payable;

    /// @notice Pays the caller what they have earned behind a model.
    /// @return amount Wei paid; zero is no error.
    function claimRewards(uint256 modelId) external returns (uint256 amount);

    /// @notice How often the stake behind a model has changed: the number of its present version.
    function versionOf(uint256 modelId) external view returns (uint32);

    /// @notice Wei behind a model in a version of its stake, since when, and until when (0: still). Version 0 is before the
    ///         first stake.
    function stakeAt(uint256 modelId, uint32 version) external view returns (uint256 staked, uint64 from, uint64 until);

    /// @notice Wei that stand behind a model, without what is unbonding.
    function totalStakeOf(uint256 modelId) external view returns (uint256);

    /// @notice Wei that an account has behind a model, without what is unbonding.
    function stakeOf(uint256 modelId, address account) external view returns (uint256);

    /// @notice Wei that `claimRewards` would pay.
    function pendingRewards(uint256 modelId, address account) external view returns (uint256);

    /// @notice Reads a request; all zero once it is paid out.
    function unstakingOf(uint256 unstakingId) external view returns (Unstaking memory);

    /// @notice Sets the unbonding time of later requests. The owner of {ISettlement} (governance) only, at most
    ///         {UNBONDING_SECONDS_MAX}.
    function setUnbonding(uint64 unbondingSeconds) external;

    /// @notice Seconds between a request made now and its payment.
    function unbondingSeconds() external view returns (uint64);

    /// @notice Longest that governance can make an exit.
    function UNBONDING_SECONDS_MAX() external view returns (uint64);

    /// @notice Least wei that an account may leave behind a model.
    function MINIMUM_STAKE() external view returns (uint256);
}
