// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ILicences } from "../interfaces/ILicences.sol";

/// @title Licences
/// @notice See {ILicences}. The part of {Datanets} that sells licences and divides their fees.
///
///         Invariant: native OPEN held == sum of what accounts are owed + what contributions have earned and nobody has
///         counted yet. A fee is divided when it comes: records accepted later earn nothing of it.
abstract contract Licences is ILicences {
    struct Earning {
        /// Accepted records that count.
        uint32 recordCount;
        /// Fees for each record that were counted already.
        uint128 countedWei;
    }

    struct Pool {
        uint64 recordCount;
        /// Sum of all fees, for each record that was there when they came.
        uint128 earnedWei;
    }

    uint256 private constant BPS = 10_000;
    /// @inheritdoc ILicences
    uint16 public constant OWNER_BPS_MAX = 5000;
    /// @inheritdoc ILicences
    uint64 public constant LICENCE_SECONDS_MAX = 3650 days;

    mapping(uint256 datanetId => LicenceTerms) private _terms;
    mapping(uint256 datanetId => mapping(address holder => uint64)) private _until;
    mapping(uint256 datanetId => Pool) private _pools;
    mapping(bytes32 contributionId => Earning) private _earnings;
    mapping(address account => uint256) private _owed;

    /// @inheritdoc ILicences
    function setLicenceTerms(
        uint256 datanetId,
        uint128 priceWei,
        uint64 durationSeconds,
        uint16 ownerBps,
        bytes32 termsHash
    ) external {
        _requireOwner(datanetId);
        if (durationSeconds > LICENCE_SECONDS_MAX) revert LicencesOutOfRange(durationSeconds, LICENCE_SECONDS_MAX);
        if (ownerBps > OWNER_BPS_MAX) revert LicencesOutOfRange(ownerBps, OWNER_BPS_MAX);
        LicenceTerms memory terms = LicenceTerms({
            priceWei: priceWei,
            durationSeconds: durationSeconds,
            ownerBps: ownerBps,
            version: _terms[datanetId].version + 1,
            termsHash: termsHash
        });
        _terms[datanetId] = terms;
        emit LicenceTermsChanged(datanetId, terms);
    }

    /// @inheritdoc ILicences
    function buyLicence(uint256 datanetId, uint32 termsVersion, address holder) external payable {
        LicenceTerms memory terms = _terms[datanetId];
        if (terms.durationSeconds == 0) revert LicencesNotSold(datanetId);
        if (terms.version != termsVersion) revert LicencesOtherTerms(datanetId, terms.version);
        if (msg.value != terms.priceWei) revert LicencesWrongPrice(terms.priceWei, msg.value);
        if (holder == address(0)) revert LicencesZeroHolder();

        uint64 from = _until[datanetId][holder];
        uint64 until = (from > block.timestamp ? from : uint64(block.timestamp)) + terms.durationSeconds;
        uint256 max = block.timestamp + LICENCE_SECONDS_MAX;
        if (until > max) revert LicencesOutOfRange(until, max);
        _until[datanetId][holder] = until;
        _divide(datanetId, terms.ownerBps);
        emit LicenceBought(datanetId, holder, msg.sender, msg.value, termsVersion, until);
    }

    /// @inheritdoc ILicences
    function grantLicence(uint256 datanetId, address holder, uint64 until) external {
        _requireOwner(datanetId);
        if (holder == address(0)) revert LicencesZeroHolder();
        uint256 max = block.timestamp + LICENCE_SECONDS_MAX;
        if (until > max) revert LicencesOutOfRange(until, max);
        if (until > _until[datanetId][holder]) _until[datanetId][holder] = until;
        emit LicenceGranted(datanetId, holder, _until[datanetId][holder]);
    }

    /// @inheritdoc ILicences
    function claimLicenceFees(address account, bytes32[] calldata contributionIds) external {
        for (uint256 i; i < contributionIds.length; ++i) {
            (uint256 datanetId, address beneficiary) = _payeeOf(contributionIds[i]);
            _count(datanetId, contributionIds[i], beneficiary);
        }
        uint256 amount = _owed[account];
        if (amount == 0) revert LicencesNothingOwed(account);
        _owed[account] = 0;
        emit LicenceFeesPaid(account, amount);
        (bool sent,) = account.call{ value: amount }("");
        if (!sent) revert LicencesTransferFailed(account, amount);
    }

    /// @inheritdoc ILicences
    function licenceTermsOf(uint256 datanetId) external view returns (LicenceTerms memory) {
        return _terms[datanetId];
    }

    /// @inheritdoc ILicences
    function licenceUntil(uint256 datanetId, address holder) external view returns (uint64) {
        return _until[datanetId][holder];
    }

    /// @inheritdoc ILicences
    function licenceFeesOwed(
        address account,
        bytes32[] calldata contributionIds
    ) external view returns (uint256 amount) {
        amount = _owed[account];
        for (uint256 i; i < contributionIds.length; ++i) {
            (uint256 datanetId, address beneficiary) = _payeeOf(contributionIds[i]);
            if (beneficiary == account) amount += _uncounted(datanetId, contributionIds[i]);
        }
    }

    /// @dev Credits a beneficiary with what a contribution has earned until now. Call it before who is paid changes.
    function _count(uint256 datanetId, bytes32 contributionId, address beneficiary) internal {
        uint256 amount = _uncounted(datanetId, contributionId);
        _earnings[contributionId].countedWei = _pools[datanetId].earnedWei;
        if (amount != 0) _owed[beneficiary] += amount;
    }

    /// @dev Has a contribution earn by another number of records from now on.
    function _setRecordCount(
        uint256 datanetId,
        bytes32 contributionId,
        address beneficiary,
        uint32 recordCount
    ) internal {
        _count(datanetId, contributionId, beneficiary);
        Pool storage pool = _pools[datanetId];
        pool.recordCount = pool.recordCount - _earnings[contributionId].recordCount + recordCount;
        _earnings[contributionId].recordCount = recordCount;
    }

    /// @dev Reverts unless the caller owns the Datanet.
    function _requireOwner(uint256 datanetId) internal view virtual;

    /// @dev Who is paid besides the contributors. Reverts when there is no such Datanet.
    function _ownersOf(uint256 datanetId) internal view virtual returns (address owner, address commons);

    /// @dev Whom a contribution pays, and out of which Datanet's fees. Reverts when there is none.
    function _payeeOf(bytes32 contributionId) internal view virtual returns (uint256 datanetId, address beneficiary);

    /// @dev Rounds down for each record; what that leaves over, or all of it while there are no records, is the commons'.
    function _divide(uint256 datanetId, uint256 ownerBps) private {
        (address owner, address commons) = _ownersOf(datanetId);
        uint256 ownerWei = msg.value * ownerBps / BPS;
        uint256 rest = msg.value - ownerWei;
        Pool storage pool = _pools[datanetId];
        if (pool.recordCount != 0) {
            uint256 recordWei = rest / pool.recordCount;
            // all OPEN there is fits in 96 bits
            pool.earnedWei += uint128(recordWei);
            rest -= recordWei * pool.recordCount;
        }
        _owed[owner] += ownerWei;
        _owed[commons] += rest;
    }

    function _uncounted(uint256 datanetId, bytes32 contributionId) private view returns (uint256) {
        Earning memory earning = _earnings[contributionId];
        return uint256(earning.recordCount) * (_pools[datanetId].earnedWei - earning.countedWei);
    }
}
