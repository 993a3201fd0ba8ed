// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ISignatureTransfer
/// @notice What is used here of Permit2's signature transfers, at 0x000000000022D473030F116dDEE9F6B43aC78BA3 on every OP Stack
///         chain: one token, moved once by a signature of its owner over a maximum, the spender and a witness.
interface ISignatureTransfer {
    struct TokenPermissions {
        address token;
        /// At most this much.
        uint256 amount;
    }

    struct PermitTransferFrom {
        TokenPermissions permitted;
        /// Used once, in any order.
        uint256 nonce;
        /// Unix seconds.
        uint256 deadline;
    }

    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    /// @notice Moves the token; the caller must be the spender that was signed.
    /// @param witness EIP-712 hash of what else was signed.
    /// @param witnessTypeString The rest of the signed type's string, from the witness on.
    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external;
}
