// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { IFeePolicy } from "../interfaces/IFeePolicy.sol";

/// @title FeePolicy
/// @notice See {IFeePolicy}. Owned by the timelock.
///
///         Invariants: every version sums to 10,000 and keeps within the bounds below; no version ever changes.
contract FeePolicy is IFeePolicy, Ownable {
    uint256 public constant BPS = 10_000;
    uint256 public constant PLATFORM_BPS_MAX = 2000;
    uint256 public constant OWNER_BPS_MAX = 4000;
    uint256 public constant STAKERS_BPS_MAX = 3000;
    uint256 public constant CONTRIBUTORS_BPS_MIN = 3000;

    uint32 private _currentVersion;
    address private _treasury;
    mapping(uint32 version => Split) private _splits;
    mapping(uint32 version => uint64) private _supersededAt;

    constructor(address owner, address initialTreasury, Split memory initialSplit) Ownable(owner) {
        _setTreasury(initialTreasury);
        _setSplit(initialSplit);
    }

    /// @inheritdoc IFeePolicy
    function setSplit(Split calldata split) external onlyOwner returns (uint32 version) {
        return _setSplit(split);
    }

    /// @inheritdoc IFeePolicy
    function setTreasury(address newTreasury) external onlyOwner {
        _setTreasury(newTreasury);
    }

    /// @inheritdoc IFeePolicy
    function currentVersion() external view returns (uint32) {
        return _currentVersion;
    }

    /// @inheritdoc IFeePolicy
    function splitOf(uint32 version) external view returns (Split memory) {
        _requireVersion(version);
        return _splits[version];
    }

    /// @inheritdoc IFeePolicy
    function supersededAt(uint32 version) external view returns (uint64) {
        _requireVersion(version);
        return _supersededAt[version];
    }

    /// @inheritdoc IFeePolicy
    function termsOf(uint32 version) external view returns (Split memory split, uint64 until) {
        _requireVersion(version);
        return (_splits[version], _supersededAt[version]);
    }

    /// @inheritdoc IFeePolicy
    function treasury() external view returns (address) {
        return _treasury;
    }

    function _setSplit(Split memory split) private returns (uint32 version) {
        uint256 sum = uint256(split.platformBps) + split.ownerBps + split.stakersBps + split.contributorsBps;
        if (
            sum != BPS || split.platformBps > PLATFORM_BPS_MAX || split.ownerBps > OWNER_BPS_MAX
                || split.stakersBps > STAKERS_BPS_MAX || split.contributorsBps < CONTRIBUTORS_BPS_MIN
        ) revert FeePolicyInvalidSplit(split);

        _supersededAt[_currentVersion] = uint64(block.timestamp);
        version = ++_currentVersion;
        _splits[version] = split;
        emit SplitChanged(version, split);
    }

    function _setTreasury(address newTreasury) private {
        if (newTreasury == address(0)) revert FeePolicyZeroTreasury();
        _treasury = newTreasury;
        emit TreasuryChanged(newTreasury);
    }

    function _requireVersion(uint32 version) private view {
        if (version == 0 || version > _currentVersion) revert FeePolicyUnknownVersion(version);
    }
}
