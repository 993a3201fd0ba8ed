// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IGOpen
/// @notice Native OPEN wrapped one to one as votes: no lock, no yield, timestamps as the clock.
interface IGOpen {
    error GOpenTransferFailed(address to, uint256 amount);

    event Deposited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    /// @notice Wraps the native OPEN sent along. Whoever has delegated to nobody votes for themselves from then on.
    function deposit() external payable;

    /// @notice Unwraps `amount` and sends it to the caller, together with the votes it carried.
    function withdraw(uint256 amount) external;
}
