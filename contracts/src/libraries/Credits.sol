// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Credits
/// @notice What a batch adds to the ledger, packed into about seven bytes an account:
///
///         `tag 1 ‖ [gap 4 or account 20] ‖ amount 1..12`, the tag's low half being the amount's length in bytes.
///         High half 0..13: the credit is for the account so many lines below the one after the last credit's. 14: the
///         same with the number of lines in the next four bytes. 15: for a new account, whose address follows; it gets
///         the ledger's next line. Lines ascend, amounts are above zero, integers are big-endian.
library Credits {
    error CreditsInvalid();

    /// @notice Adds up packed credits.
    /// @param least No credit may be for a line before this one.
    /// @param accountCount Lines of the ledger.
    /// @return sum Their wei.
    /// @return next The line after the last credit's.
    /// @return count Lines of the ledger after them.
    /// @dev The one loop whose length is the number of payees, so it does as little as it can: what is wrong is noted and
    ///      refused at the end, and lines, which only ascend, are held against the ledger's length where it changes and at
    ///      the end. An amount of more than 96 bits is more OPEN than there is: no sum with it is ever owed. Sums of what
    ///      fits in call data come nowhere near 2^256.
    function read(
        bytes calldata credits,
        uint256 least,
        uint256 accountCount
    ) internal pure returns (uint256 sum, uint256 next, uint256 count) {
        if (credits.length == 0) return (0, least, accountCount);
        uint256 wrong;
        assembly ("memory-safe") {
            count := accountCount
            let place := credits.offset
            let end := add(place, credits.length)
            {
                let word := calldataload(place)
                let gap := shr(252, word)
                switch gap
                case 14 { gap := shr(224, shl(8, word)) }
                case 15 { gap := count }
                wrong := lt(gap, least)
            }
            for { } lt(place, end) { } {
                let word := calldataload(place)
                let gap := shr(252, word)
                let size := and(shr(248, word), 15)
                if gt(gap, 13) {
                    switch gap
                    case 14 {
                        gap := shr(224, shl(8, word))
                        place := add(place, 4)
                    }
                    default {
                        // a new account without an address would be nobody's; a line behind the end is not the next one
                        wrong := or(wrong, or(iszero(shr(96, shl(8, word))), gt(next, count)))
                        gap := sub(count, next)
                        count := add(count, 1)
                        place := add(place, 20)
                    }
                    word := calldataload(place)
                }
                next := add(add(next, gap), 1)
                place := add(add(place, size), 1)
                // without its first byte and cut to its size: none is zero
                let amount := shr(sub(256, shl(3, size)), shl(8, word))
                sum := add(sum, amount)
                wrong := or(wrong, iszero(amount))
            }
            wrong := or(wrong, or(gt(place, end), gt(next, count)))
        }
        if (wrong != 0) revert CreditsInvalid();
    }
}
