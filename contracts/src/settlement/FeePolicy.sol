// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { IFeePolicy } from "../interfaces/IFeePolicy.sol";

/// @title FeePolicy
/// @notice See {IFeePolicy}. Owned by the timelock.
///
///         Invariants: every version sums to 10,000 and kept within the bounds when it was set; no version ever changes;
///         contributors get three tenths of a fee at least, the platform a fifth at most, whatever is voted.
contract FeePolicy is IFeePolicy, Ownable {
    /// @dev A version in one word, because settlement reads it with every group of receipts.
    struct Terms {
        uint16 platformBps;
        uint16 ownerBps;
        uint16 stakersBps;
        uint16 contributorsBps;
        uint32 supersededAt;
        /// Who gets the platform's part of answers under it.
        address treasury;
    }

    uint256 public constant BPS = 10_000;
    /// @notice No vote sets the platform's bound above it.
    uint256 public constant PLATFORM_BPS_CEILING = 2000;
    /// @notice No vote sets the contributors' bound below it.
    uint256 public constant CONTRIBUTORS_BPS_FLOOR = 3000;

    uint32 private _currentVersion;
    Bounds private _bounds;
    mapping(uint32 version => Terms) private _terms;

    constructor(address owner, address initialTreasury, Split memory initialSplit) Ownable(owner) {
        _setBounds(Bounds({ platformBpsMax: 2000, ownerBpsMax: 4000, stakersBpsMax: 3000, contributorsBpsMin: 3000 }));
        _setSplit(initialSplit, initialTreasury);
        _setTreasury(initialTreasury);
    }

    /// @inheritdoc IFeePolicy
    function setSplit(Split calldata split) external onlyOwner returns (uint32 version) {
        return _setSplit(split, _terms[_currentVersion].treasury);
    }

    /// @inheritdoc IFeePolicy
    function setBounds(Bounds calldata bounds_) external onlyOwner {
        _setBounds(bounds_);
        if (!_isWithin(_splitOf(_terms[_currentVersion]))) {
            revert FeePolicyInvalidSplit(_splitOf(_terms[_currentVersion]));
        }
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
        return _splitOf(_requireTerms(version));
    }

    /// @inheritdoc IFeePolicy
    function supersededAt(uint32 version) external view returns (uint64) {
        return _requireTerms(version).supersededAt;
    }

    /// @inheritdoc IFeePolicy
    function termsOf(uint32 version) external view returns (Split memory split, uint64 until, address platform) {
        Terms memory terms = _requireTerms(version);
        return (_splitOf(terms), terms.supersededAt, terms.treasury);
    }

    /// @inheritdoc IFeePolicy
    function bounds() external view returns (Bounds memory) {
        return _bounds;
    }

    /// @inheritdoc IFeePolicy
    function treasury() external view returns (address) {
        return _terms[_currentVersion].treasury;
    }

    function _setSplit(Split memory split, address platform) private returns (uint32 version) {
        uint256 sum = uint256(split.platformBps) + split.ownerBps + split.stakersBps + split.contributorsBps;
        if (sum != BPS || !_isWithin(split)) revert FeePolicyInvalidSplit(split);

        _terms[_currentVersion].supersededAt = uint32(block.timestamp);
        version = ++_currentVersion;
        _terms[version] = Terms({
            platformBps: split.platformBps,
            ownerBps: split.ownerBps,
            stakersBps: split.stakersBps,
            contributorsBps: split.contributorsBps,
            supersededAt: 0,
            treasury: platform
        });
        emit SplitChanged(version, split);
    }

    function _setBounds(Bounds memory bounds_) private {
        if (
            bounds_.platformBpsMax > PLATFORM_BPS_CEILING || bounds_.contributorsBpsMin < CONTRIBUTORS_BPS_FLOOR
                || bounds_.contributorsBpsMin > BPS
        ) revert FeePolicyInvalidBounds(bounds_);
        _bounds = bounds_;
        emit BoundsChanged(bounds_);
    }

    function _isWithin(Split memory split) private view returns (bool) {
        Bounds memory bounds_ = _bounds;
        return split.platformBps <= bounds_.platformBpsMax && split.ownerBps <= bounds_.ownerBpsMax
            && split.stakersBps <= bounds_.stakersBpsMax && split.contributorsBps >= bounds_.contributorsBpsMin;
    }

    function _setTreasury(address newTreasury) private {
        if (newTreasury == address(0)) revert FeePolicyZeroTreasury();
        _terms[_currentVersion].treasury = newTreasury;
        emit TreasuryChanged(newTreasury);
    }

    /// @dev No version is without a treasury.
    function _requireTerms(uint32 version) private view returns (Terms memory terms) {
        terms = _terms[version];
        if (terms.treasury == address(0)) revert FeePolicyUnknownVersion(version);
    }

    function _splitOf(Terms memory terms) private pure returns (Split memory) {
        return Split({
            platformBps: terms.platformBps,
            ownerBps: terms.ownerBps,
            stakersBps: terms.stakersBps,
            contributorsBps: terms.contributorsBps
        });
    }
}
