// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IUptoPermit2Proxy } from "./IUptoPermit2Proxy.sol";

/// @title IUptoPayments
/// @notice Recipient and facilitator of payments by x402's scheme `upto`: a caller without an account permits a maximum of
///         WOPEN, and once the answer is there its fee, and nothing more, becomes the caller's prepaid money.
///
///         Trust: the operator chooses the amount, up to what was signed. What it takes belongs to the payer still: it can
///         only be charged by a receipt, or withdrawn by the payer. Nothing stays here.
interface IUptoPayments {
    /// @notice What a payer signed, for Permit2.
    struct Payment {
        address payer;
        /// The most that may be taken.
        uint256 maxWei;
        uint256 nonce;
        /// Unix seconds.
        uint256 deadline;
        /// Unix seconds.
        uint256 validAfter;
        bytes signature;
    }

    /// @notice A payment was taken, of at most `maxWei`, into its payer's prepaid money.
    event PaymentTaken(address indexed payer, uint256 indexed nonce, uint256 amountWei, uint256 maxWei);

    error UptoPaymentsNotOperator(address caller);
    error UptoPaymentsNotWOPEN(address sender);

    /// @notice Takes `amountWei` of a payment and prepays for its payer with it. Only the operator of settlement.
    function take(Payment calldata payment, uint256 amountWei) external;

    /// @notice The same, with the payer's EIP-2612 permit over WOPEN for Permit2, of exactly `maxWei`.
    function takeWithPermit(
        Payment calldata payment,
        uint256 amountWei,
        IUptoPermit2Proxy.EIP2612Permit calldata permit2612
    ) external;
}
