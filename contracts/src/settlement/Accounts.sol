// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { ERC165Checker } from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import { SafeCast } from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import { IAgentWallet } from "../interfaces/IAgentWallet.sol";
import { ISettlement } from "../interfaces/ISettlement.sol";
import { IWOPEN } from "../interfaces/IWOPEN.sol";

/// @title Accounts
/// @notice The part of {ISettlement} that keeps accounts' own money: what callers prepaid, and what platform and model owners
///         earned. The only part that sends OPEN away.
///
///         Storage: a word pair for each payer, a word for each who earned, a word for each nonce that an account
///         signed for a deposit or a refund.
abstract contract Accounts is ISettlement, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IWOPEN;

    struct Prepaid {
        uint128 balance;
        uint128 setAside;
        uint64 readyAt;
    }

    /// @dev Enough for a contract wallet to take money, too little to make others' claims dear.
    uint256 private constant PAYMENT_GAS = 50_000;

    IWOPEN public immutable WOPEN;

    mapping(address account => Prepaid) private _prepaid;
    mapping(address account => uint256) private _balances;
    mapping(address account => mapping(bytes32 nonce => bool)) private _usedNonces;

    constructor(IWOPEN wopen) {
        WOPEN = wopen;
    }

    /// @notice Takes native OPEN from WOPEN only: money sent plainly would belong to nobody.
    receive() external payable {
        if (msg.sender != address(WOPEN)) revert SettlementNotWOPEN(msg.sender);
    }

    /// @inheritdoc ISettlement
    function deposit(address account) external payable {
        _credit(account, msg.value);
    }

    /// @inheritdoc ISettlement
    function depositWithAuthorization(
        address from,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external nonReentrant {
        _useNonce(from, nonce);
        bytes32 outcome = WOPEN.authorizationOutcome(from, nonce);
        if (outcome != 0) {
            // handed to WOPEN by someone else before: the money is here, or it never was for this
            if (outcome != keccak256(abi.encode(address(this), value))) {
                revert SettlementAuthorizationUnpaid(from, nonce);
            }
        } else if (ERC165Checker.supportsInterface(from, type(IAgentWallet).interfaceId)) {
            // the wallet may be a stranger's code, so what counts is what can be taken from it, not what arrives meanwhile
            IAgentWallet(from)
                .transferWithAuthorization(from, address(this), value, validAfter, validBefore, nonce, signature);
            WOPEN.safeTransferFrom(from, address(this), value);
        } else {
            WOPEN.transferWithAuthorization(from, address(this), value, validAfter, validBefore, nonce, signature);
        }
        WOPEN.withdraw(value);
        _credit(from, value);
    }

    /// @inheritdoc ISettlement
    function requestWithdrawal(uint256 amount) external {
        _setAside(msg.sender, amount);
    }

    /// @inheritdoc ISettlement
    function cancelWithdrawal() external {
        Prepaid storage prepaid = _prepaid[msg.sender];
        uint128 amount = prepaid.setAside;
        if (amount == 0) revert SettlementNothingToWithdraw(msg.sender);

        prepaid.setAside = 0;
        prepaid.balance += amount;
        emit WithdrawalCancelled(msg.sender, amount);
    }

    /// @inheritdoc ISettlement
    function withdraw(address account) external nonReentrant {
        Prepaid storage prepaid = _prepaid[account];
        uint256 amount = prepaid.setAside;
        if (amount == 0) revert SettlementNothingToWithdraw(account);
        if (block.timestamp < prepaid.readyAt) revert SettlementWithdrawalNotReady(account, prepaid.readyAt);

        prepaid.setAside = 0;
        emit Withdrawn(account, amount);
        _pay(account, amount);
    }

    /// @inheritdoc ISettlement
    function withdrawBalance(address to) external nonReentrant {
        uint256 amount = _balances[msg.sender];
        if (amount == 0) revert SettlementNothingToWithdraw(msg.sender);
        if (to == address(0)) revert SettlementZeroAddress();

        _balances[msg.sender] = 0;
        emit BalanceWithdrawn(msg.sender, to, amount);
        _pay(to, amount);
    }

    /// @inheritdoc ISettlement
    function prepaidOf(address account) external view returns (uint256) {
        return _prepaid[account].balance;
    }

    /// @inheritdoc ISettlement
    function withdrawalOf(address account) external view returns (uint256 amount, uint64 readyAt) {
        Prepaid storage prepaid = _prepaid[account];
        return (prepaid.setAside, prepaid.setAside == 0 ? 0 : prepaid.readyAt);
    }

    /// @inheritdoc ISettlement
    function balanceOf(address account) external view returns (uint256) {
        return _balances[account];
    }

    /// @dev Seconds between a request to withdraw prepaid money and its payment.
    function _withdrawalDelay() internal view virtual returns (uint64);

    /// @dev Takes the free balance first, then what was set aside for withdrawal.
    function _debit(address payer, uint256 amount) internal {
        Prepaid storage prepaid = _prepaid[payer];
        uint256 balance = prepaid.balance;
        if (amount <= balance) {
            prepaid.balance = uint128(balance - amount);
            return;
        }
        uint256 available = balance + prepaid.setAside;
        if (amount > available) revert SettlementInsufficientBalance(payer, amount, available);
        prepaid.balance = 0;
        prepaid.setAside = uint128(available - amount);
    }

    /// @dev Marks what an account signed as used.
    function _useNonce(address account, bytes32 nonce) internal {
        if (_usedNonces[account][nonce]) revert SettlementNonceUsed(account, nonce);
        _usedNonces[account][nonce] = true;
    }

    /// @dev Sets prepaid money aside, to be withdrawn after the delay.
    function _setAside(address account, uint256 amount) internal {
        Prepaid storage prepaid = _prepaid[account];
        if (prepaid.setAside != 0) {
            revert SettlementWithdrawalPending(account, prepaid.setAside, prepaid.readyAt);
        }
        _takeBack(account, amount);
        prepaid.setAside = uint128(amount);
        prepaid.readyAt = uint64(block.timestamp) + _withdrawalDelay();
        emit WithdrawalRequested(account, amount, prepaid.readyAt);
    }

    /// @dev Pays prepaid money back at once.
    function _payBack(address account, uint256 amount) internal {
        _takeBack(account, amount);
        emit Withdrawn(account, amount);
        _pay(account, amount);
    }

    /// @dev Adds to what an account earned.
    function _earn(address account, uint256 amount) internal {
        if (amount != 0) _balances[account] += amount;
    }

    /// @dev What an account does not take, or takes too much gas for, it can fetch with {withdrawBalance}.
    function _payOrKeep(address account, uint256 amount) internal {
        (bool sent,) = account.call{ value: amount, gas: PAYMENT_GAS }("");
        if (!sent) _balances[account] += amount;
    }

    function _credit(address account, uint256 amount) private {
        if (account == address(0)) revert SettlementZeroAddress();
        _prepaid[account].balance += amount.toUint128();
        emit Deposited(account, amount);
    }

    function _takeBack(address account, uint256 amount) private {
        uint256 balance = _prepaid[account].balance;
        if (amount == 0) revert SettlementNothingToWithdraw(account);
        if (amount > balance) revert SettlementInsufficientBalance(account, amount, balance);
        _prepaid[account].balance = uint128(balance - amount);
    }

    function _pay(address to, uint256 amount) private {
        (bool sent,) = to.call{ value: amount }("");
        if (!sent) revert SettlementTransferFailed(to, amount);
    }
}
