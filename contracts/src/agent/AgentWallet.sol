// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC1271 } from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { IERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import { ERC721Holder } from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import { MessageHashUtils } from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import { ERC165 } from "@openzeppelin/contracts/utils/introspection/ERC165.sol";

import { IAgentWallet } from "../interfaces/IAgentWallet.sol";
import { IWOPEN } from "../interfaces/IWOPEN.sol";

/// @title AgentWallet
/// @notice See {IAgentWallet}. Deployed as a minimal clone by {AgentWalletFactory}. It can hold the agent's ERC-8004
///         identity, and answers ERC-1271 for its owner alone: a session key can pay and do nothing else.
///
///         Invariants: a session never pays anyone but its payee, more than its limits, or after its time; what the owner
///         revokes pays nothing from that moment on.
contract AgentWallet is IAgentWallet, IERC1271, ERC165, ERC721Holder {
    using SafeERC20 for IWOPEN;

    bytes32 private constant TRANSFER_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes4 private constant INVALID_SIGNATURE = 0xffffffff;

    /// @notice Token that the wallet pays in.
    IWOPEN public immutable WOPEN;

    address private _owner;
    /// @dev Sessions are kept by epoch, so that raising it ends all of them at once.
    uint256 private _epoch;
    mapping(uint256 epoch => mapping(address key => Session)) private _sessions;
    mapping(bytes32 nonce => bool) private _usedNonces;

    /// @dev The implementation itself belongs to nobody: its owner is this address, which has no key.
    constructor(IWOPEN wopen) {
        WOPEN = wopen;
        _owner = address(this);
    }

    /// @notice Takes native OPEN from anyone.
    receive() external payable { }

    modifier onlyOwner() {
        if (msg.sender != _owner) revert AgentWalletNotOwner(msg.sender);
        _;
    }

    /// @notice Gives a fresh clone its owner. The factory does so in the transaction that makes it.
    function initialize(address initialOwner) external {
        if (_owner != address(0)) revert AgentWalletAlreadyInitialized();
        if (initialOwner == address(0)) revert AgentWalletZeroAddress();
        _owner = initialOwner;
        emit OwnershipTransferred(address(0), initialOwner);
    }

    /// @inheritdoc IAgentWallet
    function grantSession(
        address key,
        address payee,
        uint128 limitPerPaymentWei,
        uint128 limitTotalWei,
        uint64 expiresAt
    ) external onlyOwner {
        if (
            key == address(0) || payee == address(0) || expiresAt <= block.timestamp || limitPerPaymentWei == 0
                || limitTotalWei < limitPerPaymentWei
        ) revert AgentWalletInvalidSession(key);
        _sessions[_epoch][key] = Session({
            payee: payee,
            expiresAt: expiresAt,
            limitPerPaymentWei: limitPerPaymentWei,
            limitTotalWei: limitTotalWei,
            spentWei: 0
        });
        emit SessionGranted(key, payee, limitPerPaymentWei, limitTotalWei, expiresAt);
    }

    /// @inheritdoc IAgentWallet
    function revokeSession(address key) external onlyOwner {
        delete _sessions[_epoch][key];
        emit SessionRevoked(key);
    }

    /// @inheritdoc IAgentWallet
    function revokeAllSessions() external onlyOwner {
        _revokeAllSessions();
    }

    /// @inheritdoc IAgentWallet
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        if (from != address(this)) revert AgentWalletFromMismatch(from);
        bool isContract = to.code.length != 0;
        if (isContract && msg.sender != to) revert AgentWalletCallerNotPayee(to, msg.sender);
        if (block.timestamp <= validAfter || block.timestamp >= validBefore) {
            revert AgentWalletAuthorizationNotInForce(validAfter, validBefore);
        }
        if (_usedNonces[nonce]) revert AgentWalletAuthorizationUsed(nonce);
        address key = _recover(
            keccak256(
                abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
            ),
            signature
        );

        _usedNonces[nonce] = true;
        _spend(key, to, value);
        emit AuthorizationUsed(from, nonce);
        emit SessionPaid(key, to, value, nonce);

        uint256 wrapped = WOPEN.balanceOf(address(this));
        if (wrapped < value) WOPEN.deposit{ value: value - wrapped }();
        if (isContract) WOPEN.forceApprove(to, value);
        else WOPEN.safeTransfer(to, value);
    }

    /// @inheritdoc IAgentWallet
    function execute(
        address target,
        uint256 value,
        bytes calldata data
    ) external payable onlyOwner returns (bytes memory result) {
        emit Executed(target, value, data);
        bool succeeded;
        (succeeded, result) = target.call{ value: value }(data);
        if (!succeeded) revert AgentWalletCallFailed(result);
    }

    /// @inheritdoc IAgentWallet
    function transferOwnership(address to) external onlyOwner {
        if (to == address(0)) revert AgentWalletZeroAddress();
        _revokeAllSessions();
        _owner = to;
        emit OwnershipTransferred(msg.sender, to);
    }

    /// @inheritdoc IAgentWallet
    function owner() external view returns (address) {
        return _owner;
    }

    /// @inheritdoc IAgentWallet
    function sessionOf(address key) external view returns (Session memory) {
        return _sessions[_epoch][key];
    }

    /// @inheritdoc IAgentWallet
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool) {
        return authorizer == address(this) && _usedNonces[nonce];
    }

    /// @inheritdoc IERC1271
    /// @dev What is signed must name this wallet, as all of OpenLedger's typed data does: the same owner's signature
    ///      counts for every wallet of that owner.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return SignatureChecker.isValidSignatureNowCalldata(_owner, hash, signature)
            ? IERC1271.isValidSignature.selector
            : INVALID_SIGNATURE;
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IAgentWallet).interfaceId || interfaceId == type(IERC1271).interfaceId
            || super.supportsInterface(interfaceId);
    }

    function _spend(address key, address to, uint256 value) private {
        Session storage session = _sessions[_epoch][key];
        if (session.payee == address(0)) revert SessionUnknown(key);
        if (block.timestamp >= session.expiresAt) revert SessionExpired(key, session.expiresAt);
        if (to != session.payee) revert SessionPayeeMismatch(key, session.payee, to);
        if (value > session.limitPerPaymentWei) revert SessionLimitExceeded(key, value, session.limitPerPaymentWei);
        uint256 left = session.limitTotalWei - session.spentWei;
        if (value > left) revert SessionLimitExceeded(key, value, left);
        // at most limitTotalWei, by the line above
        session.spentWei += uint128(value);
    }

    function _revokeAllSessions() private {
        emit AllSessionsRevoked(_epoch);
        ++_epoch;
    }

    function _recover(bytes32 structHash, bytes calldata signature) private view returns (address key) {
        bytes32 domainSeparator = IERC20Permit(address(WOPEN)).DOMAIN_SEPARATOR();
        ECDSA.RecoverError err;
        (key, err,) = ECDSA.tryRecoverCalldata(MessageHashUtils.toTypedDataHash(domainSeparator, structHash), signature);
        if (err != ECDSA.RecoverError.NoError) revert AgentWalletInvalidSignature();
    }
}
