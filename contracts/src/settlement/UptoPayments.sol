// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISettlement } from "../interfaces/ISettlement.sol";
import { ISignatureTransfer } from "../interfaces/ISignatureTransfer.sol";
import { IUptoPayments } from "../interfaces/IUptoPayments.sol";
import { IUptoPermit2Proxy } from "../interfaces/IUptoPermit2Proxy.sol";
import { IWOPEN } from "../interfaces/IWOPEN.sol";

/// @title UptoPayments
/// @notice See {IUptoPayments}. Keeps no state.
///
///         Invariant: holds neither OPEN nor WOPEN between two calls, unless somebody sends WOPEN here plainly: that belongs to
///         nobody and stays.
contract UptoPayments is IUptoPayments {
    IUptoPermit2Proxy public constant PROXY = IUptoPermit2Proxy(0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002);

    ISettlement public immutable SETTLEMENT;
    IWOPEN public immutable WOPEN;

    constructor(ISettlement settlement, IWOPEN wopen) {
        SETTLEMENT = settlement;
        WOPEN = wopen;
    }

    modifier onlyOperator() {
        if (msg.sender != SETTLEMENT.operator()) revert UptoPaymentsNotOperator(msg.sender);
        _;
    }

    /// @notice Takes native OPEN from WOPEN only.
    receive() external payable {
        if (msg.sender != address(WOPEN)) revert UptoPaymentsNotWOPEN(msg.sender);
    }

    /// @inheritdoc IUptoPayments
    function take(Payment calldata payment, uint256 amountWei) external onlyOperator {
        PROXY.settle(_permitOf(payment), amountWei, payment.payer, _witnessOf(payment), payment.signature);
        _prepay(payment, amountWei);
    }

    /// @inheritdoc IUptoPayments
    function takeWithPermit(
        Payment calldata payment,
        uint256 amountWei,
        IUptoPermit2Proxy.EIP2612Permit calldata permit2612
    ) external onlyOperator {
        PROXY.settleWithPermit(
            permit2612, _permitOf(payment), amountWei, payment.payer, _witnessOf(payment), payment.signature
        );
        _prepay(payment, amountWei);
    }

    function _prepay(Payment calldata payment, uint256 amountWei) private {
        emit PaymentTaken(payment.payer, payment.nonce, amountWei, payment.maxWei);
        WOPEN.withdraw(amountWei);
        SETTLEMENT.deposit{ value: amountWei }(payment.payer);
    }

    function _permitOf(Payment calldata payment) private view returns (ISignatureTransfer.PermitTransferFrom memory) {
        return ISignatureTransfer.PermitTransferFrom({
            permitted: ISignatureTransfer.TokenPermissions({ token: address(WOPEN), amount: payment.maxWei }),
            nonce: payment.nonce,
            deadline: payment.deadline
        });
    }

    function _witnessOf(Payment calldata payment) private view returns (IUptoPermit2Proxy.Witness memory) {
        return
            IUptoPermit2Proxy.Witness({ to: address(this), facilitator: address(this), validAfter: payment.validAfter });
    }
}
