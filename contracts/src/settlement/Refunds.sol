// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import { ISettlement } from "../interfaces/ISettlement.sol";
import { CumulativeLedger } from "./CumulativeLedger.sol";

/// @title Refunds
/// @notice The part of {ISettlement} by which payers take prepaid money back with a signature alone, whoever sends it: at once
///         through the operator, who knows what they owe, and after the withdrawal's delay through anyone else.
///
///         Storage: none of its own but EIP-712's.
abstract contract Refunds is CumulativeLedger, EIP712 {
    bytes32 private constant REFUND_TYPEHASH =
        keccak256("Refund(address account,uint256 amount,bytes32 nonce,uint256 deadline)");

    /// @inheritdoc ISettlement
    function refund(
        address account,
        uint256 amount,
        bytes32 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external nonReentrant {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(REFUND_TYPEHASH, account, amount, nonce, deadline)));
        if (block.timestamp > deadline || !SignatureChecker.isValidSignatureNowCalldata(account, digest, signature)) {
            revert SettlementInvalidRefund(account, deadline);
        }
        _useNonce(account, nonce);
        if (_isOperator(msg.sender)) _payBack(account, amount);
        else _setAside(account, amount);
    }
}
