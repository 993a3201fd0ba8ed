// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ISecurityStake
/// @notice What validators and agents answer with, in a pool for each: anyone stakes behind a validator, and behind an agent its
///         owner alone, because the owner decides what an agent guarantees. Contracts that governance entitled take from a pool
///         what its subject forfeits, within a cap, and so from everyone behind it in proportion, whoever is leaving included.
///         Whatever is paid into a pool raises everyone's stake in proportion.
///
///         Shares are reckoned as ERC-4626 does, per pool and in native OPEN, with virtual shares and assets: who comes
///         first cannot make later stakes round to nothing, and a stake that would lose a thousandth of itself is refused.
///         What is sent here otherwise counts for nobody.
///         No account can pause, freeze or redirect an exit.
interface ISecurityStake {
    enum Role {
        /// The subject is the validator's address.
        Validator,
        /// The subject is the agent's id in {IAgentIdentity}.
        Agent
    }

    /// @notice A contract that may slash, and up to which share of a pool, in hundredths of a per cent.
    struct Slasher {
        address account;
        uint256 capBps;
    }

    /// @notice A stake on its way out. It can still be slashed, and is worth what its shares are when it is paid.
    struct Unstaking {
        address account;
        uint64 readyAt;
        Role role;
        uint256 subject;
        uint256 shares;
    }

    error SecurityStakeUnknownSubject(Role role, uint256 subject);
    error SecurityStakeNotAgentOwner(uint256 agentId, address caller);
    error SecurityStakeBelowMinimum(uint256 stakeWei, uint256 minimumWei);
    error SecurityStakeRoundsAway(uint256 amount, uint256 worthWei);
    error SecurityStakeInsufficientShares(address account, uint256 needed, uint256 available);
    error SecurityStakeUnknownUnstaking(uint256 unstakingId);
    error SecurityStakeNotAccount(address account, address caller);
    error SecurityStakeNotReady(uint256 unstakingId, uint64 readyAt);
    error SecurityStakeNobodyStakes(Role role, uint256 subject);
    error SecurityStakeNotSlasher(address caller);
    error SecurityStakeSlashCapExceeded(uint256 amount, uint256 left);
    error SecurityStakeOutOfRange(uint256 value, uint256 least, uint256 most);
    error SecurityStakeTransferFailed(address to, uint256 amount);

    event Staked(Role indexed role, uint256 indexed subject, address indexed account, uint256 amount, uint256 shares);
    event UnstakeRequested(
        uint256 indexed unstakingId,
        Role role,
        uint256 indexed subject,
        address indexed account,
        uint256 shares,
        uint64 readyAt
    );
    event Unstaked(uint256 indexed unstakingId, address indexed account, uint256 amount);
    event Paid(Role indexed role, uint256 indexed subject, address indexed payer, uint256 amount);
    event Slashed(
        Role indexed role,
        uint256 indexed subject,
        address indexed slasher,
        address to,
        uint256 amount,
        bytes32 reasonHash
    );
    event SlasherChanged(address indexed slasher, uint256 capBps);
    event UnbondingChanged(uint64 unbondingSeconds);

    /// @notice Puts the value sent along behind a subject, on top of what the caller has there. Who {mayStake} only.
    /// @return shares What it is worth in the pool's shares.
    function stake(Role role, uint256 subject) external payable returns (uint256 shares);

    /// @notice Begins to take shares out; each request has its own clock, set by the unbonding time of now.
    /// @return unstakingId Number to give to {unstake}.
    function requestUnstake(Role role, uint256 subject, uint256 shares) external returns (uint256 unstakingId);

    /// @notice Pays a request out to the account that made it, once its time has passed, at what its shares are worth then.
    function unstake(uint256 unstakingId) external returns (uint256 amount);

    /// @notice Adds the value sent along to a pool, for everyone behind its subject. Anyone may.
    function pay(Role role, uint256 subject) external payable;

    /// @notice Takes from a pool what its subject forfeits. Entitled contracts only; within any {SLASH_PERIOD_SECONDS},
    ///         no more than the caller's cap of what the pool held when the period's first slash came.
    /// @param to Who gets it: the wronged party, or the challenger.
    /// @param reasonHash What the reasons hash to.
    function slash(Role role, uint256 subject, uint256 amount, address to, bytes32 reasonHash) external;

    /// @notice Entitles a contract to slash up to a share of a pool, in hundredths of a per cent; zero ends it. Owner
    ///         (governance) only, at most {SLASH_BPS_MAX}.
    function setSlasher(address slasher, uint256 capBps) external;

    /// @notice Sets the unbonding time of later requests. Owner (governance) only, at most {UNBONDING_SECONDS_MAX}.
    function setUnbonding(uint64 unbondingSeconds) external;

    /// @notice Says whether an account may stake behind a subject: anyone behind a validator; behind an agent its owner, and the
    ///         owner of the wallet that owns it. Reverts when there is no such agent.
    function mayStake(Role role, uint256 subject, address account) external view returns (bool);

    /// @notice Wei and shares of a pool.
    function poolOf(Role role, uint256 subject) external view returns (uint256 assets, uint256 shares);

    /// @notice Wei behind a subject that nobody has asked to take out: what stays for at least the unbonding time.
    function bondedOf(Role role, uint256 subject) external view returns (uint256);

    /// @notice Wei that a contract may slash of a pool now; zero when it is not entitled.
    function slashableBy(address slasher, Role role, uint256 subject) external view returns (uint256);

    /// @notice Shares that an account has behind a subject, without what is leaving.
    function sharesOf(Role role, uint256 subject, address account) external view returns (uint256);

    /// @notice What shares of a pool are worth in wei now, rounded down.
    function convertToAssets(Role role, uint256 subject, uint256 shares) external view returns (uint256);

    /// @notice What wei are worth in shares of a pool now, rounded down.
    function convertToShares(Role role, uint256 subject, uint256 assets) external view returns (uint256);

    /// @notice Reads a request; all zero once it is paid out.
    function unstakingOf(uint256 unstakingId) external view returns (Unstaking memory);

    /// @notice Share of a pool that a contract may slash in a period; zero for none.
    function capOf(address slasher) external view returns (uint256);

    /// @notice Seconds between a request made now and its payment.
    function unbondingSeconds() external view returns (uint64);

    /// @notice Longest that governance can make an exit.
    function UNBONDING_SECONDS_MAX() external view returns (uint64);

    /// @notice Greatest cap of a slasher.
    function SLASH_BPS_MAX() external view returns (uint256);

    /// @notice Over which time caps count.
    function SLASH_PERIOD_SECONDS() external view returns (uint64);

    /// @notice Least wei that an account has behind a subject when it stakes.
    function MINIMUM_STAKE() external view returns (uint256);
}
