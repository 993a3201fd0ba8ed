// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ISuperchainConfig
/// @notice What is used of the OP Stack's contract by that name: while it is paused, the portal proves and finalises no
///         withdrawal. Only its guardian pauses it.
interface ISuperchainConfig {
    /// @notice Stops withdrawals. Its guardian only, which is {BridgeGuardian}.
    function pause(string calldata identifier) external;
    /// @notice Lets withdrawals go on. Its guardian only.
    function unpause() external;
    /// @notice Says whether withdrawals are stopped.
    function paused() external view returns (bool);
}

/// @title IBridgeGuardian
/// @notice The guardian of the bridge on L1: one account may stop withdrawals when the bridge is attacked, for a time that
///         is stated here and no longer, and not again before everyone had time to leave. It can do nothing else: not
///         move, redirect or forge a withdrawal.
interface IBridgeGuardian {
    error BridgeGuardianNotGuardian(address caller);
    error BridgeGuardianZeroAddress();
    error BridgeGuardianResting(uint256 until);
    error BridgeGuardianStillPaused(uint256 until);

    event BridgePaused(address indexed guardian, uint256 until);
    event BridgeUnpaused(address indexed caller);
    event GuardianChanged(address indexed guardian);

    /// @notice Stops withdrawals for {PAUSE_SECONDS}. Guardian only, and only {REST_SECONDS} after the last pause ended.
    function pause() external;

    /// @notice Lets withdrawals go on: the guardian at any time, anyone once the pause is over.
    function unpause() external;

    /// @notice Hands the guardian's role on. Guardian only; zero gives it up for good.
    function setGuardian(address guardian) external;

    /// @notice Account that may pause.
    function guardian() external view returns (address);

    /// @notice When the present or last pause is over, Unix seconds; 0 before the first.
    function pausedUntil() external view returns (uint256);

    /// @notice Longest that a pause lasts.
    function PAUSE_SECONDS() external view returns (uint256);

    /// @notice Least time between the end of a pause and the next one.
    function REST_SECONDS() external view returns (uint256);

    /// @notice What is paused.
    function SUPERCHAIN_CONFIG() external view returns (ISuperchainConfig);
}
