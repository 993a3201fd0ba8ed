// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ILicences
/// @notice Licences of Datanets whose texts are not open: terms that an owner sets, holders with an end, and fees in OPEN
///         that go to the contributors by the number of their accepted records, in whole wei for each record.
///
///         Whoever holds a licence may read the texts and train on them; servers ask {licenceUntil}. What was bought
///         stays until it ends, whatever the owner decides later.
interface ILicences {
    struct LicenceTerms {
        uint128 priceWei;
        /// How long a licence lasts; zero while none is sold.
        uint64 durationSeconds;
        /// The owner's part of a fee; the rest is the contributors'.
        uint16 ownerBps;
        /// 1, 2, 3, ... counted with every change; zero before the first.
        uint32 version;
        /// Hash of the licence's text.
        bytes32 termsHash;
    }

    error LicencesNotSold(uint256 datanetId);
    error LicencesOtherTerms(uint256 datanetId, uint32 version);
    error LicencesWrongPrice(uint256 priceWei, uint256 sentWei);
    error LicencesOutOfRange(uint256 value, uint256 max);
    error LicencesZeroHolder();
    error LicencesNothingOwed(address account);
    error LicencesTransferFailed(address to, uint256 amount);

    event LicenceTermsChanged(uint256 indexed datanetId, LicenceTerms terms);
    event LicenceBought(
        uint256 indexed datanetId,
        address indexed holder,
        address indexed buyer,
        uint256 feeWei,
        uint32 termsVersion,
        uint64 until
    );
    event LicenceGranted(uint256 indexed datanetId, address indexed holder, uint64 until);
    event LicenceFeesPaid(address indexed account, uint256 amount);

    /// @notice Sets what a licence costs from now on, in a new version of the terms. Datanet's owner only.
    /// @param durationSeconds At most {LICENCE_SECONDS_MAX}; zero ends the sale.
    /// @param ownerBps At most {OWNER_BPS_MAX}.
    function setLicenceTerms(
        uint256 datanetId,
        uint128 priceWei,
        uint64 durationSeconds,
        uint16 ownerBps,
        bytes32 termsHash
    ) external;

    /// @notice Buys a licence, or makes one longer that has not ended, for exactly its price.
    /// @param termsVersion Terms the buyer has read: others were set meanwhile if they are not the newest.
    function buyLicence(uint256 datanetId, uint32 termsVersion, address holder) external payable;

    /// @notice Gives a licence without a fee; one that lasts longer already stays. Datanet's owner only.
    /// @param until Last second of it, at most {LICENCE_SECONDS_MAX} away.
    function grantLicence(uint256 datanetId, address holder, uint64 until) external;

    /// @notice Counts what contributions have earned by licences, and pays an account all that it is owed. Anyone may
    ///         call; the money can only go to the account.
    /// @param contributionIds Contributions to count; their fees belong to their beneficiaries of this moment.
    function claimLicenceFees(address account, bytes32[] calldata contributionIds) external;

    /// @notice Terms of a Datanet's licence now; zeros before the first.
    function licenceTermsOf(uint256 datanetId) external view returns (LicenceTerms memory);

    /// @notice Last second of an account's licence; zero without one.
    function licenceUntil(uint256 datanetId, address holder) external view returns (uint64);

    /// @notice What an account is owed, with what these contributions of its have earned and nobody has counted yet.
    function licenceFeesOwed(address account, bytes32[] calldata contributionIds) external view returns (uint256);

    /// @notice The most that an owner may keep of a fee.
    function OWNER_BPS_MAX() external view returns (uint16);

    /// @notice The longest licence.
    function LICENCE_SECONDS_MAX() external view returns (uint64);
}
