// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IBridgeGuardian, ISuperchainConfig } from "../interfaces/IBridgeGuardian.sol";

/// @title BridgeGuardian
/// @notice See {IBridgeGuardian}. The only account that the OP Stack's SuperchainConfig lets pause.
///
///         Invariant: of any PAUSE_SECONDS + REST_SECONDS in a row, withdrawals are stopped by the guardian's will for
///         PAUSE_SECONDS at most.
contract BridgeGuardian is IBridgeGuardian {
    /// @inheritdoc IBridgeGuardian
    ISuperchainConfig public immutable SUPERCHAIN_CONFIG;
    /// @inheritdoc IBridgeGuardian
    uint256 public immutable PAUSE_SECONDS;
    /// @inheritdoc IBridgeGuardian
    uint256 public immutable REST_SECONDS;

    address private _guardian;
    uint256 private _pausedUntil;

    constructor(
        ISuperchainConfig superchainConfig,
        address initialGuardian,
        uint256 pauseSeconds,
        uint256 restSeconds
    ) {
        if (initialGuardian == address(0)) revert BridgeGuardianZeroAddress();
        SUPERCHAIN_CONFIG = superchainConfig;
        PAUSE_SECONDS = pauseSeconds;
        REST_SECONDS = restSeconds;
        _setGuardian(initialGuardian);
    }

    /// @inheritdoc IBridgeGuardian
    function pause() external {
        _requireGuardian();
        uint256 restedAt = _pausedUntil == 0 ? 0 : _pausedUntil + REST_SECONDS;
        if (block.timestamp < restedAt) revert BridgeGuardianResting(restedAt);

        _pausedUntil = block.timestamp + PAUSE_SECONDS;
        emit BridgePaused(msg.sender, _pausedUntil);
        SUPERCHAIN_CONFIG.pause("");
    }

    /// @inheritdoc IBridgeGuardian
    function unpause() external {
        if (block.timestamp < _pausedUntil) {
            if (msg.sender != _guardian) revert BridgeGuardianStillPaused(_pausedUntil);
            _pausedUntil = block.timestamp;
        }
        emit BridgeUnpaused(msg.sender);
        SUPERCHAIN_CONFIG.unpause();
    }

    /// @inheritdoc IBridgeGuardian
    function setGuardian(address newGuardian) external {
        _requireGuardian();
        _setGuardian(newGuardian);
    }

    /// @inheritdoc IBridgeGuardian
    function guardian() external view returns (address) {
        return _guardian;
    }

    /// @inheritdoc IBridgeGuardian
    function pausedUntil() external view returns (uint256) {
        return _pausedUntil;
    }

    function _setGuardian(address newGuardian) private {
        _guardian = newGuardian;
        emit GuardianChanged(newGuardian);
    }

    function _requireGuardian() private view {
        if (msg.sender != _guardian) revert BridgeGuardianNotGuardian(msg.sender);
    }
}
