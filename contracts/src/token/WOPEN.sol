// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC3009 } from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { ERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import { ERC3009 } from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import { ECDSA } from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import { IWOPEN } from "../interfaces/IWOPEN.sol";

/// @title WOPEN
/// @notice See {IWOPEN}.
///
///         Invariant: the native OPEN held here is never less than the total supply, so every WOPEN can be unwrapped.
contract WOPEN is ERC20, ERC20Permit, ERC3009, IWOPEN {
    bytes32 private constant CANCELLED = bytes32(uint256(1));

    mapping(address authorizer => mapping(bytes32 nonce => bytes32)) private _outcomes;

    constructor() ERC20("Wrapped OPEN", "WOPEN") ERC20Permit("Wrapped OPEN") { }

    /// @notice Wraps what is sent here plainly.
    receive() external payable {
        deposit();
    }

    /// @inheritdoc IWOPEN
    function deposit() public payable {
        _mint(msg.sender, msg.value);
        emit Deposit(msg.sender, msg.value);
    }

    /// @inheritdoc IWOPEN
    function withdraw(uint256 amount) external {
        _burn(msg.sender, amount);
        emit Withdrawal(msg.sender, amount);
        (bool sent,) = msg.sender.call{ value: amount }("");
        if (!sent) revert WOPENTransferFailed(msg.sender, amount);
    }

    /// @inheritdoc IWOPEN
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _requireSignature(
            from,
            keccak256(
                abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
            ),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IWOPEN
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _requireSignature(
            from,
            keccak256(abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        if (to != msg.sender) revert ERC20InvalidReceiver(to);
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IWOPEN
    function authorizationOutcome(address authorizer, bytes32 nonce) external view returns (bytes32) {
        return _outcomes[authorizer][nonce];
    }

    /// @inheritdoc IERC3009
    function authorizationState(
        address authorizer,
        bytes32 nonce
    ) public view override(IERC3009, ERC3009) returns (bool) {
        return _outcomes[authorizer][nonce] != 0;
    }

    /// @dev Same as OpenZeppelin's, but remembers where the money went instead of only that the nonce is spent.
    function _transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) internal override {
        _checkValidity(validAfter, validBefore);
        _setOutcome(from, nonce, keccak256(abi.encode(to, value)));
        emit AuthorizationUsed(from, nonce);
        _transfer(from, to, value);
    }

    /// @dev Reached by cancellation only, because the transfer above does not call it.
    function _consumeNonce(address authorizer, bytes32 nonce) internal override {
        _setOutcome(authorizer, nonce, CANCELLED);
    }

    function _setOutcome(address authorizer, bytes32 nonce, bytes32 outcome) private {
        if (_outcomes[authorizer][nonce] != 0) revert ERC3009UsedAuthorization(authorizer, nonce);
        _outcomes[authorizer][nonce] = outcome;
    }

    /// @dev A key is tried first even where there is code, because an EIP-7702 account has both.
    function _requireSignature(address from, bytes32 structHash, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(structHash);
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (err == ECDSA.RecoverError.NoError && signer == from) return;
        if (!SignatureChecker.isValidERC1271SignatureNow(from, digest, signature)) revert ERC3009InvalidSignature();
    }
}
