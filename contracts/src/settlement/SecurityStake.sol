// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";

import { IAgentWallet } from "../interfaces/IAgentWallet.sol";
import { ISecurityStake } from "../interfaces/ISecurityStake.sol";

/// @title SecurityStake
/// @notice See {ISecurityStake}. Owned by the timelock.
///
///         Invariant: the native OPEN held here is never less than the sum of all pools' assets; in each pool the assets
///         are never less than what all its shares, leaving ones included, are worth.
contract SecurityStake is ISecurityStake, Ownable, ReentrancyGuardTransient {
    struct Pool {
        uint256 assets;
        uint256 shares;
        /// Of these, what is on its way out.
        uint256 leavingShares;
        /// What the pool held when the period's first slash came.
        uint256 slashBase;
        uint256 slashed;
        uint64 slashPeriodEnd;
    }

    uint256 private constant BPS = 10_000;
    /// @dev As OpenZeppelin's ERC4626 with a decimals offset of 3: to round a later stake down by a wei, who came first
    ///      has to give away a thousand.
    uint256 private constant VIRTUAL_SHARES = 1000;
    uint256 private constant VIRTUAL_ASSETS = 1;

    /// @dev Nobody's stake loses more than this part of itself to rounding: where shares were made dear, it is refused.
    uint256 private constant ROUNDING_MAX = 1000;

    /// @inheritdoc ISecurityStake
    uint256 public constant MINIMUM_STAKE = 1 ether;
    /// @inheritdoc ISecurityStake
    uint256 public constant SLASH_BPS_MAX = 5000;
    /// @inheritdoc ISecurityStake
    uint64 public constant SLASH_PERIOD_SECONDS = 7 days;
    /// @inheritdoc ISecurityStake
    uint64 public constant UNBONDING_SECONDS_MAX = 30 days;
    /// @notice Knows which agents there are.
    IERC721 public immutable AGENT_IDENTITY;

    uint64 private _unbondingSeconds;
    uint256 private _unstakingCount;
    mapping(Role role => mapping(uint256 subject => Pool)) private _pools;
    mapping(Role role => mapping(uint256 subject => mapping(address account => uint256))) private _shares;
    mapping(uint256 unstakingId => Unstaking) private _unstakings;
    mapping(address slasher => uint256) private _caps;

    /// @param slashers Contracts that are entitled before any vote.
    constructor(
        address owner,
        IERC721 agentIdentity,
        uint64 initialUnbondingSeconds,
        Slasher[] memory slashers
    ) Ownable(owner) {
        AGENT_IDENTITY = agentIdentity;
        _setUnbonding(initialUnbondingSeconds);
        for (uint256 i; i < slashers.length; ++i) {
            _setSlasher(slashers[i].account, slashers[i].capBps);
        }
    }

    /// @inheritdoc ISecurityStake
    function stake(Role role, uint256 subject) external payable nonReentrant returns (uint256 shares) {
        if (!mayStake(role, subject, msg.sender)) {
            if (role == Role.Agent) revert SecurityStakeNotAgentOwner(subject, msg.sender);
            revert SecurityStakeUnknownSubject(role, subject);
        }
        Pool storage pool = _pools[role][subject];
        shares = _toShares(pool, msg.value);
        uint256 held = _shares[role][subject][msg.sender] + shares;
        pool.assets += msg.value;
        pool.shares += shares;
        _shares[role][subject][msg.sender] = held;
        uint256 stakeWei = _toAssets(pool, held);
        // rounding may take a wei from what was just sent
        if (stakeWei + 1 < MINIMUM_STAKE) revert SecurityStakeBelowMinimum(stakeWei, MINIMUM_STAKE);
        uint256 worth = _toAssets(pool, shares);
        if (worth + 1 < msg.value - msg.value / ROUNDING_MAX) revert SecurityStakeRoundsAway(msg.value, worth);
        emit Staked(role, subject, msg.sender, msg.value, shares);
    }

    /// @inheritdoc ISecurityStake
    function requestUnstake(
        Role role,
        uint256 subject,
        uint256 shares
    ) external nonReentrant returns (uint256 unstakingId) {
        uint256 held = _shares[role][subject][msg.sender];
        if (shares == 0 || shares > held) revert SecurityStakeInsufficientShares(msg.sender, shares, held);

        _shares[role][subject][msg.sender] = held - shares;
        _pools[role][subject].leavingShares += shares;
        unstakingId = ++_unstakingCount;
        uint64 readyAt = uint64(block.timestamp) + _unbondingSeconds;
        _unstakings[unstakingId] =
            Unstaking({ account: msg.sender, readyAt: readyAt, role: role, subject: subject, shares: shares });
        emit UnstakeRequested(unstakingId, role, subject, msg.sender, shares, readyAt);
    }

    /// @inheritdoc ISecurityStake
    function unstake(uint256 unstakingId) external nonReentrant returns (uint256 amount) {
        Unstaking memory request = _unstakings[unstakingId];
        if (request.account == address(0)) revert SecurityStakeUnknownUnstaking(unstakingId);
        if (request.account != msg.sender) revert SecurityStakeNotAccount(request.account, msg.sender);
        if (block.timestamp < request.readyAt) revert SecurityStakeNotReady(unstakingId, request.readyAt);

        delete _unstakings[unstakingId];
        Pool storage pool = _pools[request.role][request.subject];
        amount = _toAssets(pool, request.shares);
        pool.assets -= amount;
        pool.shares -= request.shares;
        pool.leavingShares -= request.shares;
        emit Unstaked(unstakingId, msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc ISecurityStake
    function pay(Role role, uint256 subject) external payable nonReentrant {
        Pool storage pool = _pools[role][subject];
        if (pool.shares == 0) revert SecurityStakeNobodyStakes(role, subject);
        pool.assets += msg.value;
        emit Paid(role, subject, msg.sender, msg.value);
    }

    /// @inheritdoc ISecurityStake
    function slash(Role role, uint256 subject, uint256 amount, address to, bytes32 reasonHash) external nonReentrant {
        uint256 capBps = _caps[msg.sender];
        if (capBps == 0) revert SecurityStakeNotSlasher(msg.sender);
        Pool storage pool = _pools[role][subject];
        if (block.timestamp >= pool.slashPeriodEnd) {
            pool.slashPeriodEnd = uint64(block.timestamp) + SLASH_PERIOD_SECONDS;
            pool.slashBase = pool.assets;
            pool.slashed = 0;
        }
        uint256 left = _slashLeft(pool.slashBase, pool.slashed, pool.assets, capBps);
        if (amount == 0 || amount > left) revert SecurityStakeSlashCapExceeded(amount, left);

        pool.slashed += amount;
        pool.assets -= amount;
        emit Slashed(role, subject, msg.sender, to, amount, reasonHash);
        _pay(to, amount);
    }

    /// @inheritdoc ISecurityStake
    function setSlasher(address slasher, uint256 capBps) external onlyOwner {
        _setSlasher(slasher, capBps);
    }

    /// @inheritdoc ISecurityStake
    function setUnbonding(uint64 newUnbondingSeconds) external onlyOwner {
        _setUnbonding(newUnbondingSeconds);
    }

    /// @inheritdoc ISecurityStake
    function mayStake(Role role, uint256 subject, address account) public view returns (bool) {
        if (role == Role.Validator) return subject != 0 && subject <= type(uint160).max;
        address owner = AGENT_IDENTITY.ownerOf(subject);
        return account == owner || account == _ownerOf(owner);
    }

    /// @inheritdoc ISecurityStake
    function poolOf(Role role, uint256 subject) external view returns (uint256 assets, uint256 shares) {
        Pool storage pool = _pools[role][subject];
        return (pool.assets, pool.shares);
    }

    /// @inheritdoc ISecurityStake
    function bondedOf(Role role, uint256 subject) external view returns (uint256) {
        Pool storage pool = _pools[role][subject];
        return _toAssets(pool, pool.shares - pool.leavingShares);
    }

    /// @inheritdoc ISecurityStake
    function slashableBy(address slasher, Role role, uint256 subject) external view returns (uint256) {
        Pool storage pool = _pools[role][subject];
        return block.timestamp >= pool.slashPeriodEnd
            ? _slashLeft(pool.assets, 0, pool.assets, _caps[slasher])
            : _slashLeft(pool.slashBase, pool.slashed, pool.assets, _caps[slasher]);
    }

    /// @inheritdoc ISecurityStake
    function sharesOf(Role role, uint256 subject, address account) external view returns (uint256) {
        return _shares[role][subject][account];
    }

    /// @inheritdoc ISecurityStake
    function convertToAssets(Role role, uint256 subject, uint256 shares) external view returns (uint256) {
        return _toAssets(_pools[role][subject], shares);
    }

    /// @inheritdoc ISecurityStake
    function convertToShares(Role role, uint256 subject, uint256 assets) external view returns (uint256) {
        return _toShares(_pools[role][subject], assets);
    }

    /// @inheritdoc ISecurityStake
    function unstakingOf(uint256 unstakingId) external view returns (Unstaking memory) {
        return _unstakings[unstakingId];
    }

    /// @inheritdoc ISecurityStake
    function capOf(address slasher) external view returns (uint256) {
        return _caps[slasher];
    }

    /// @inheritdoc ISecurityStake
    function unbondingSeconds() external view returns (uint64) {
        return _unbondingSeconds;
    }

    function _toShares(Pool storage pool, uint256 assets) private view returns (uint256) {
        return Math.mulDiv(assets, pool.shares + VIRTUAL_SHARES, pool.assets + VIRTUAL_ASSETS);
    }

    function _toAssets(Pool storage pool, uint256 shares) private view returns (uint256) {
        return Math.mulDiv(shares, pool.assets + VIRTUAL_ASSETS, pool.shares + VIRTUAL_SHARES);
    }

    /// @dev A pool that was slashed and then left is not slashed below nothing.
    function _slashLeft(uint256 base, uint256 slashed, uint256 assets, uint256 capBps) private pure returns (uint256) {
        uint256 cap = Math.min(base * capBps / BPS, slashed + assets);
        return cap > slashed ? cap - slashed : 0;
    }

    /// @dev Nobody's, where there is no wallet that says whose it is.
    function _ownerOf(address wallet) private view returns (address) {
        (bool succeeded, bytes memory result) = wallet.staticcall(abi.encodeCall(IAgentWallet.owner, ()));
        return succeeded && result.length == 32 ? abi.decode(result, (address)) : address(0);
    }

    function _setSlasher(address slasher, uint256 capBps) private {
        if (capBps > SLASH_BPS_MAX) revert SecurityStakeOutOfRange(capBps, 0, SLASH_BPS_MAX);
        _caps[slasher] = capBps;
        emit SlasherChanged(slasher, capBps);
    }

    function _setUnbonding(uint64 newUnbondingSeconds) private {
        if (newUnbondingSeconds == 0 || newUnbondingSeconds > UNBONDING_SECONDS_MAX) {
            revert SecurityStakeOutOfRange(newUnbondingSeconds, 1, UNBONDING_SECONDS_MAX);
        }
        _unbondingSeconds = newUnbondingSeconds;
        emit UnbondingChanged(newUnbondingSeconds);
    }

    function _pay(address to, uint256 amount) private {
        (bool sent,) = to.call{ value: amount }("");
        if (!sent) revert SecurityStakeTransferFailed(to, amount);
    }
}
