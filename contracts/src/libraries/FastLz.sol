// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title FastLz
/// @notice Length that data has after FastLZ (level 1) compression, which Fjord takes as the measure of how well a
///         transaction compresses. Nothing is written: only the length matters.
/// @dev OP Stack specifications, Fjord execution engine, "L1-Cost fees".
library FastLz {
    uint256 private constant HASH_ENTRIES = 8192;
    uint256 private constant DISTANCE_MAX = 8191;
    /// @dev The last bytes are always literals.
    uint256 private constant TAIL_BYTES = 13;
    uint256 private constant LITERAL_RUN = 32;
    uint256 private constant MATCH_RUN = 262;

    function compressedLength(bytes calldata data) internal pure returns (uint256 length) {
        uint256[] memory seen = new uint256[](HASH_ENTRIES);
        uint256 limit = data.length < TAIL_BYTES ? 0 : data.length - TAIL_BYTES;
        uint256 anchor;
        uint256 position = 2;
        while (position < limit) {
            uint256 candidate;
            uint256 distance;
            uint256 sequence;
            // looks for three bytes that came before, not too far back
            while (true) {
                sequence = _three(data, position);
                uint256 slot = _slot(sequence);
                candidate = seen[slot];
                seen[slot] = position;
                distance = position - candidate;
                if (position >= limit) break;
                ++position;
                if (distance <= DISTANCE_MAX && sequence == _three(data, candidate)) break;
            }
            if (position >= limit) break;
            --position;
            if (position > anchor) length += _literals(position - anchor);

            uint256 matched = _matched(data, candidate + 3, position + 3, limit + 9);
            length += _match(matched);
            position += matched;
            seen[_slot(_three(data, position))] = position;
            ++position;
            seen[_slot(_three(data, position))] = position;
            ++position;
            anchor = position;
        }
        length += _literals(data.length - anchor);
    }

    function _three(bytes calldata data, uint256 position) private pure returns (uint256) {
        return uint256(uint8(data[position])) | uint256(uint8(data[position + 1])) << 8
            | uint256(uint8(data[position + 2])) << 16;
    }

    function _slot(uint256 sequence) private pure returns (uint256) {
        // wraps in 32 bits by definition
        return uint256(uint32(2_654_435_769 * sequence)) >> 19;
    }

    /// @dev Number of bytes that agree, counted as the reference does: one more than the run, unless it ends the data.
    function _matched(
        bytes calldata data,
        uint256 candidate,
        uint256 position,
        uint256 end
    ) private pure returns (uint256 matched) {
        uint256 longest = end - position;
        while (matched < longest) {
            bool differs = data[candidate + matched] != data[position + matched];
            ++matched;
            if (differs) break;
        }
    }

    function _literals(uint256 count) private pure returns (uint256) {
        uint256 rest = count % LITERAL_RUN;
        return (count / LITERAL_RUN) * (LITERAL_RUN + 1) + (rest == 0 ? 0 : rest + 1);
    }

    function _match(uint256 matched) private pure returns (uint256) {
        uint256 count = matched - 1;
        return (count / MATCH_RUN) * 3 + (count % MATCH_RUN >= 6 ? 3 : 2);
    }
}
