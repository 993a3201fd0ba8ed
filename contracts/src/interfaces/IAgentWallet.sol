// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IAgentWallet
/// @notice A wallet whose owner lets session keys of an agent pay one named payee, within limits, until a time. A session
///         key signs EIP-3009's `TransferWithAuthorization` under the domain of WOPEN, with the wallet as `from`, so that
///         an x402 client needs to know nothing of this contract.
interface IAgentWallet {
    struct Session {
        address payee;
        uint64 expiresAt;
        uint128 limitPerPaymentWei;
        uint128 limitTotalWei;
        uint128 spentWei;
    }

    error AgentWalletNotOwner(address caller);
    error AgentWalletAlreadyInitialized();
    error AgentWalletZeroAddress();
    error AgentWalletInvalidSession(address key);
    error AgentWalletFromMismatch(address from);
    error AgentWalletAuthorizationNotInForce(uint256 validAfter, uint256 validBefore);
    error AgentWalletAuthorizationUsed(bytes32 nonce);
    error AgentWalletCallerNotPayee(address payee, address caller);
    error AgentWalletInvalidSignature();
    error AgentWalletCallFailed(bytes result);
    error SessionUnknown(address key);
    error SessionExpired(address key, uint64 expiresAt);
    error SessionPayeeMismatch(address key, address payee, address to);
    error SessionLimitExceeded(address key, uint256 needed, uint256 available);

    event OwnershipTransferred(address indexed from, address indexed to);
    event SessionGranted(
        address indexed key, address indexed payee, uint128 limitPerPaymentWei, uint128 limitTotalWei, uint64 expiresAt
    );
    event SessionRevoked(address indexed key);
    event AllSessionsRevoked(uint256 epoch);
    event SessionPaid(address indexed key, address indexed to, uint256 value, bytes32 nonce);
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    event Executed(address indexed target, uint256 value, bytes data);

    /// @notice Lets `key` pay `payee`. Replaces an earlier session of that key, what it spent included. Owner only.
    /// @param limitPerPaymentWei Most that one payment may move.
    /// @param limitTotalWei Most that all payments of this session may move.
    /// @param expiresAt First second at which the session no longer pays.
    function grantSession(
        address key,
        address payee,
        uint128 limitPerPaymentWei,
        uint128 limitTotalWei,
        uint64 expiresAt
    ) external;

    /// @notice Ends a session at once. Owner only.
    function revokeSession(address key) external;

    /// @notice Ends every session at once. Owner only.
    function revokeAllSessions() external;

    /// @notice Pays `value` WOPEN to `to` by a session key's signature, wrapping native OPEN where WOPEN is short. Where
    ///         `to` is a contract it must be the caller, and is given an allowance to take the money by `transferFrom`: so
    ///         nobody pays it behind its back, and it knows whose money it takes.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Calls any contract as the wallet. Owner only.
    function execute(address target, uint256 value, bytes calldata data) external payable returns (bytes memory result);

    /// @notice Hands the wallet to another owner; sessions end. Owner only.
    function transferOwnership(address to) external;

    /// @notice Account that owns the wallet.
    function owner() external view returns (address);

    /// @notice Reads a key's session; all zero when it has none.
    function sessionOf(address key) external view returns (Session memory);

    /// @notice Says whether a nonce is spent; false for other authorizers.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
}
