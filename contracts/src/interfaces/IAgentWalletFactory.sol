// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IAgentWalletFactory
/// @notice Makes an {IAgentWallet} at an address that is known before it exists, so that it can be funded first.
interface IAgentWalletFactory {
    event WalletCreated(address indexed wallet, address indexed owner, bytes32 salt);

    /// @notice Makes the wallet of an owner and salt, or finds it made already. Anyone may call.
    function createWallet(address owner, bytes32 salt) external returns (address wallet);

    /// @notice Address of that wallet, made or not.
    function walletOf(address owner, bytes32 salt) external view returns (address wallet);

    /// @notice Code that all wallets share.
    function IMPLEMENTATION() external view returns (address);
}
