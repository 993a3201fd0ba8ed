// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISignatureTransfer } from "./ISignatureTransfer.sol";

/// @title IUptoPermit2Proxy
/// @notice The spender of x402's scheme `upto`, which its clients sign for at 0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002: a
///         payer permits a maximum, to one recipient and by one facilitator, who settles once for what was used. Names, errors
///         and events are x402's (specs/schemes/upto/scheme_upto_evm.md), so that any facilitator's software works here.
///
///         Trust: holds nothing and belongs to nobody. A facilitator can only choose how much of the maximum goes to the
///         recipient that the payer signed.
interface IUptoPermit2Proxy {
    /// @notice The EIP-712 struct that a payer signs beside the maximum.
    struct Witness {
        address to;
        address facilitator;
        /// Unix seconds.
        uint256 validAfter;
    }

    /// @notice An EIP-2612 permit for Permit2, of exactly the maximum.
    struct EIP2612Permit {
        uint256 value;
        uint256 deadline;
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    error UnauthorizedFacilitator();
    error AmountExceedsPermitted();
    error InvalidAmount();
    error InvalidOwner();
    error InvalidDestination();
    error PaymentTooEarly();
    error Permit2612AmountMismatch();

    event Settled();
    event SettledWithPermit();
    /// @dev A permit that fails does not stop a payment: the allowance may stand already.
    event EIP2612PermitFailedWithReason(address indexed token, address indexed owner, string reason);
    event EIP2612PermitFailedWithPanic(address indexed token, address indexed owner, uint256 errorCode);
    event EIP2612PermitFailedWithData(address indexed token, address indexed owner, bytes data);

    /// @notice Moves `amount` of what `owner` permitted to `witness.to`. Only `witness.facilitator` may call it.
    function settle(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external;

    /// @notice The same, after handing the token an EIP-2612 permit, so that the payer needs no gas at all.
    function settleWithPermit(
        EIP2612Permit calldata permit2612,
        ISignatureTransfer.PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external;

    /// @notice Permit2, where every chain has it.
    // forge-lint: disable-next-line(mixed-case-function)
    function PERMIT2() external view returns (ISignatureTransfer);
    /// @notice What Permit2 is told of the witness: the rest of the signed type's string.
    // forge-lint: disable-next-line(mixed-case-function)
    function WITNESS_TYPE_STRING() external view returns (string memory);
    /// @notice EIP-712 type hash of {Witness}.
    // forge-lint: disable-next-line(mixed-case-function)
    function WITNESS_TYPEHASH() external view returns (bytes32);
}
