// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Name
/// @notice The one shape of names of Datanets and models: 2 to 63 of a-z, 0-9, full stop and hyphen, starting with a
///         letter or digit. Such a name is safe in an address, a file name and the `model` field of a request, and two
///         names that look alike are alike.
library Name {
    uint256 internal constant LENGTH_MIN = 2;
    uint256 internal constant LENGTH_MAX = 63;

    /// @dev Bit `c` is set when byte `c` may stand in a name.
    uint256 private constant LETTERS_AND_DIGITS = (((1 << 10) - 1) << 0x30) | (((1 << 26) - 1) << 0x61);
    uint256 private constant ALPHABET = LETTERS_AND_DIGITS | (1 << 0x2d) | (1 << 0x2e);

    function isValid(string calldata name) internal pure returns (bool) {
        bytes calldata text = bytes(name);
        if (text.length < LENGTH_MIN || text.length > LENGTH_MAX) return false;
        if (LETTERS_AND_DIGITS & (1 << uint8(text[0])) == 0) return false;
        for (uint256 i = 1; i < text.length; ++i) {
            if (ALPHABET & (1 << uint8(text[i])) == 0) return false;
        }
        return true;
    }
}
