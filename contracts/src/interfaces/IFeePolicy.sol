// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IFeePolicy
/// @notice How a fee is divided, in versions that never change, and where the platform's part goes. Set by governance
///         within bounds that governance sets too, within two limits that are part of the code.
interface IFeePolicy {
    /// @notice Parts in hundredths of a per cent; they sum to 10,000.
    struct Split {
        uint16 platformBps;
        uint16 ownerBps;
        uint16 stakersBps;
        uint16 contributorsBps;
    }

    /// @notice What a split must keep within.
    struct Bounds {
        uint16 platformBpsMax;
        uint16 ownerBpsMax;
        uint16 stakersBpsMax;
        uint16 contributorsBpsMin;
    }

    error FeePolicyInvalidBounds(Bounds bounds);
    error FeePolicyInvalidSplit(Split split);
    error FeePolicyUnknownVersion(uint32 version);
    error FeePolicyZeroTreasury();

    event SplitChanged(uint32 indexed version, Split split);
    event BoundsChanged(Bounds bounds);
    event TreasuryChanged(address indexed treasury);

    /// @notice Puts a new split in force as the next version. Owner only.
    /// @return version Its number.
    function setSplit(Split calldata split) external returns (uint32 version);

    /// @notice Sets what later splits must keep within; the split in force must already. Owner only.
    function setBounds(Bounds calldata bounds) external;

    /// @notice Sends the platform's part of fees under the split in force, and later ones, to another account. Owner only.
    function setTreasury(address treasury) external;

    /// @notice Version in force; the first is 1.
    function currentVersion() external view returns (uint32);

    /// @notice Split of a version. Reverts when there is none.
    function splitOf(uint32 version) external view returns (Split memory);

    /// @notice When the next version took its place; 0 while it is in force. Reverts when there is no such version.
    function supersededAt(uint32 version) external view returns (uint64);

    /// @notice All at once: a version's split, when the next took its place (0 while it is in force), and who gets the
    ///         platform's part of answers under it.
    function termsOf(uint32 version) external view returns (Split memory split, uint64 until, address platform);

    /// @notice What a split must keep within now.
    function bounds() external view returns (Bounds memory);

    /// @notice Account that receives the platform's part.
    function treasury() external view returns (address);
}
