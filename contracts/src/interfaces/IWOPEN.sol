// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IERC3009 } from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";

/// @title IWOPEN
/// @notice Native OPEN wrapped one to one as an ERC-20 (WETH9 semantics), payable by signature: EIP-2612 permits and
///         EIP-3009 authorizations, the latter also from ERC-1271 wallets through a `bytes` signature. EIP-712 domain "Wrapped
///         OPEN", "1".
interface IWOPEN is IERC20, IERC3009 {
    error WOPENTransferFailed(address to, uint256 amount);

    event Deposit(address indexed account, uint256 amount);
    event Withdrawal(address indexed account, uint256 amount);

    /// @notice Wraps the native OPEN sent along.
    function deposit() external payable;

    /// @notice Unwraps `amount` and sends it to the caller.
    function withdraw(uint256 amount) external;

    /// @notice Does what EIP-3009's function does, with the signature of a key or of an ERC-1271 wallet.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Does what EIP-3009's function does, with the signature of a key or of an ERC-1271 wallet.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice What became of an authorization: 0 when unused, keccak256(abi.encode(to, value)) once it moved `value` to
    ///         `to`, and 1 once it was cancelled. A receiver can so credit a payment that someone else submitted first.
    function authorizationOutcome(address authorizer, bytes32 nonce) external view returns (bytes32);
}
