// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC20Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import { ERC3009 } from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { ContractAccount } from "./Base.t.sol";
import { SettlementTest } from "./SettlementTest.t.sol";

contract Settlement_depositWithAuthorization_Test is SettlementTest {
    bytes32 internal constant TRANSFER_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 internal constant NONCE = keccak256("nonce");

    function setUp() public override {
        super.setUp();
        vm.prank(stranger.addr);
        wopen.deposit{ value: 10 ether }();
    }

    function test_depositWithAuthorization_key_unwrapsAndCredits() public {
        bytes memory signature = _authorize(stranger, stranger.addr, address(settlement), 3 ether);
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(settlement.prepaidOf(stranger.addr), 3 ether);
        vm.assertEq(wopen.balanceOf(stranger.addr), 7 ether);
        vm.assertEq(wopen.balanceOf(address(settlement)), 0);
        vm.assertEq(address(settlement).balance, 4 ether);
    }

    function test_depositWithAuthorization_twice_reverts() public {
        bytes memory signature = _authorize(stranger, stranger.addr, address(settlement), 3 ether);
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNonceUsed.selector, stranger.addr, NONCE));
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    /// @dev Anyone who sees the authorization can hand it to WOPEN first; the money must not be lost.
    function test_depositWithAuthorization_frontRunAtWopen_creditsAllTheSame() public {
        bytes memory signature = _authorize(stranger, stranger.addr, address(settlement), 3 ether);
        wopen.transferWithAuthorization(
            stranger.addr, address(settlement), 3 ether, NOON - 1, NOON + 60, NONCE, signature
        );
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, "");
        vm.assertEq(settlement.prepaidOf(stranger.addr), 3 ether);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNonceUsed.selector, stranger.addr, NONCE));
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, "");
    }

    function test_depositWithAuthorization_paidElsewhereOrCancelled_reverts() public {
        bytes memory signature = _authorize(stranger, stranger.addr, ann.addr, 3 ether);
        wopen.transferWithAuthorization(stranger.addr, ann.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        bytes memory refusal =
            abi.encodeWithSelector(ISettlement.SettlementAuthorizationUnpaid.selector, stranger.addr, NONCE);
        vm.expectRevert(refusal);
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        // another amount than was paid
        vm.expectRevert(refusal);
        settlement.depositWithAuthorization(stranger.addr, 4 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function test_depositWithAuthorization_badSignature_reverts() public {
        bytes memory signature = _authorize(ann, stranger.addr, address(settlement), 3 ether);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function test_depositWithAuthorization_erc1271Account_paysFromItsWopen() public {
        address account = address(new ContractAccount(stranger.addr));
        vm.prank(stranger.addr);
        wopen.transfer(account, 5 ether);
        bytes memory signature = _authorize(stranger, account, address(settlement), 3 ether);
        settlement.depositWithAuthorization(account, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(settlement.prepaidOf(account), 3 ether);
    }

    /// @dev A contract that claims to be an agent's wallet but pays nothing gains nothing.
    function test_depositWithAuthorization_lyingWallet_reverts() public {
        address liar = address(new LyingWallet());
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientAllowance.selector);
        settlement.depositWithAuthorization(liar, 3 ether, NOON - 1, NOON + 60, NONCE, "");
    }

    /// @dev Nor by handing a victim's authorization to WOPEN in the middle, so that money arrives all the same.
    function test_depositWithAuthorization_walletThatSpendsAnothersMoney_reverts() public {
        ThievingWallet thief = new ThievingWallet();
        bytes memory signature = _authorize(stranger, stranger.addr, address(settlement), 3 ether);
        thief.arm(
            address(wopen),
            abi.encodeWithSignature(
                "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
                stranger.addr,
                address(settlement),
                3 ether,
                NOON - 1,
                NOON + 60,
                NONCE,
                signature
            )
        );
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientAllowance.selector);
        settlement.depositWithAuthorization(address(thief), 3 ether, NOON - 1, NOON + 60, NONCE, "");
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(settlement.prepaidOf(stranger.addr), 3 ether);
    }

    function _authorize(
        Actor memory signer,
        address from,
        address to,
        uint256 value
    ) private view returns (bytes memory) {
        return signTyped(
            signer,
            wopen.DOMAIN_SEPARATOR(),
            keccak256(abi.encode(TRANSFER_TYPEHASH, from, to, value, NOON - 1, NOON + 60, NONCE))
        );
    }
}

/// @notice Says yes to every interface and every transfer, and does nothing.
contract LyingWallet {
    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id != 0xffffffff;
    }

    fallback() external virtual { }
}

/// @notice Says yes as well, and makes another call when it is asked to pay.
contract ThievingWallet is LyingWallet {
    address private _target;
    bytes private _data;

    function arm(address target, bytes calldata data) external {
        _target = target;
        _data = data;
    }

    fallback() external override {
        (bool succeeded,) = _target.call(_data);
        require(succeeded, "the theft itself failed");
    }
}
