// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import { ISettlement } from "../interfaces/ISettlement.sol";
import { Domain } from "../libraries/Domain.sol";
import { CumulativeLedger } from "./CumulativeLedger.sol";

/// @title Refunds
/// @notice The part of {ISettlement} by which payers take prepaid money back with a signature alone, whoever sends it: at once
///         through the operator, who knows what they owe, and after the withdrawal's delay through anyone else.
///
///         Storage: none of its own.
abstract contract Refunds is CumulativeLedger {
    bytes32 private constant NAME_HASH = keccak256("OpenLedger Settlement");
    bytes32 private constant VERSION_HASH = keccak256("1");
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
        bytes32 digest = _digest(keccak256(abi.encode(REFUND_TYPEHASH, account, amount, nonce, deadline)));
        if (block.timestamp > deadline || !SignatureChecker.isValidSignatureNowCalldata(account, digest, signature)) {
            revert SettlementInvalidRefund(account, deadline);
        }
        _useNonce(account, nonce);
        if (_isOperator(msg.sender)) _payBack(account, amount);
        else _setAside(account, amount);
    }

    function _separator() internal view returns (bytes32) {
        return Domain.separator(NAME_HASH, VERSION_HASH);
    }

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return Domain.digest(NAME_HASH, VERSION_HASH, structHash);
    }
}
