// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC3009 } from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import { IERC20Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import { ERC3009 } from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import { IWOPEN } from "../src/interfaces/IWOPEN.sol";
import { WOPEN } from "../src/token/WOPEN.sol";
import { Base, ContractAccount, Refuser } from "./Base.t.sol";

abstract contract WOPENTest is Base {
    bytes32 internal constant TRANSFER_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 internal constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 internal constant NONCE = keccak256("nonce");

    WOPEN internal wopen;
    Actor internal holder;
    Actor internal payee;

    function setUp() public virtual {
        vm.warp(NOON);
        wopen = new WOPEN();
        holder = richActor("holder");
        payee = actor("payee");
        vm.prank(holder.addr);
        wopen.deposit{ value: 100 ether }();
    }

    function authorize(
        Actor memory signer,
        bytes32 typehash,
        address from,
        address to,
        uint256 value
    ) internal view returns (bytes memory) {
        return signTyped(
            signer,
            wopen.DOMAIN_SEPARATOR(),
            keccak256(abi.encode(typehash, from, to, value, NOON - 1, NOON + 60, NONCE))
        );
    }
}

contract WOPEN_wrapping_Test is WOPENTest {
    function test_deposit_value_mintsOneToOne() public view {
        vm.assertEq(wopen.balanceOf(holder.addr), 100 ether);
        vm.assertEq(wopen.totalSupply(), 100 ether);
        vm.assertEq(address(wopen).balance, 100 ether);
        vm.assertEq(wopen.name(), "Wrapped OPEN");
        vm.assertEq(wopen.symbol(), "WOPEN");
        vm.assertEq(wopen.decimals(), 18);
    }

    function test_receive_plainTransfer_wraps() public {
        vm.expectEmit(address(wopen));
        emit IWOPEN.Deposit(holder.addr, 3 ether);
        vm.prank(holder.addr);
        (bool sent,) = address(wopen).call{ value: 3 ether }("");
        vm.assertTrue(sent);
        vm.assertEq(wopen.balanceOf(holder.addr), 103 ether);
    }

    function test_withdraw_holder_unwraps() public {
        uint256 before = holder.addr.balance;
        vm.expectEmit(address(wopen));
        emit IWOPEN.Withdrawal(holder.addr, 40 ether);
        vm.prank(holder.addr);
        wopen.withdraw(40 ether);
        vm.snapshotGasLastCall("WOPEN", "withdraw");
        vm.assertEq(holder.addr.balance, before + 40 ether);
        vm.assertEq(wopen.totalSupply(), 60 ether);
    }

    function test_withdraw_moreThanHeld_reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, holder.addr, 100 ether, 101 ether)
        );
        vm.prank(holder.addr);
        wopen.withdraw(101 ether);
    }

    function test_withdraw_accountThatTakesNoMoney_reverts() public {
        address refuser = address(new Refuser());
        vm.prank(holder.addr);
        wopen.transfer(refuser, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IWOPEN.WOPENTransferFailed.selector, refuser, 1 ether));
        vm.prank(refuser);
        wopen.withdraw(1 ether);
    }

    function test_DOMAIN_SEPARATOR_always_isWrappedOpenVersion1() public view {
        vm.assertEq(
            wopen.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256("Wrapped OPEN"),
                    keccak256("1"),
                    block.chainid,
                    address(wopen)
                )
            )
        );
    }
}

contract WOPEN_authorization_Test is WOPENTest {
    function test_transferWithAuthorization_bytesSignature_moves() public {
        bytes memory signature = authorize(holder, TRANSFER_TYPEHASH, holder.addr, payee.addr, 7 ether);
        vm.expectEmit(address(wopen));
        emit IERC3009.AuthorizationUsed(holder.addr, NONCE);
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.snapshotGasLastCall("WOPEN", "transferWithAuthorization");
        vm.assertEq(wopen.balanceOf(payee.addr), 7 ether);
        vm.assertTrue(wopen.authorizationState(holder.addr, NONCE));
        vm.assertEq(wopen.authorizationOutcome(holder.addr, NONCE), keccak256(abi.encode(payee.addr, 7 ether)));
    }

    function test_transferWithAuthorization_splitSignature_moves() public {
        (uint8 v, bytes32 r, bytes32 s) = _split(authorize(holder, TRANSFER_TYPEHASH, holder.addr, payee.addr, 7 ether));
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, v, r, s);
        vm.assertEq(wopen.balanceOf(payee.addr), 7 ether);
        vm.assertTrue(wopen.authorizationState(holder.addr, NONCE));
    }

    function test_transferWithAuthorization_again_reverts() public {
        bytes memory signature = authorize(holder, TRANSFER_TYPEHASH, holder.addr, payee.addr, 7 ether);
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, holder.addr, NONCE));
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function test_transferWithAuthorization_outOfTime_reverts() public {
        bytes memory signature = authorize(holder, TRANSFER_TYPEHASH, holder.addr, payee.addr, 7 ether);
        vm.warp(NOON - 1);
        vm.expectPartialRevert(ERC3009.ERC3009InvalidAuthorizationTime.selector);
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.warp(NOON + 60);
        vm.expectPartialRevert(ERC3009.ERC3009InvalidAuthorizationTime.selector);
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function test_transferWithAuthorization_anotherSigner_reverts() public {
        bytes memory signature = authorize(payee, TRANSFER_TYPEHASH, holder.addr, payee.addr, 7 ether);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function test_transferWithAuthorization_walletContract_signsByErc1271() public {
        address wallet = address(new ContractAccount(holder.addr));
        vm.prank(holder.addr);
        wopen.transfer(wallet, 10 ether);
        bytes memory signature = authorize(holder, TRANSFER_TYPEHASH, wallet, payee.addr, 7 ether);
        wopen.transferWithAuthorization(wallet, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(wopen.balanceOf(payee.addr), 7 ether);
    }

    function test_transferWithAuthorization_delegatedKey_signsByKey() public {
        // an EIP-7702 account: a key with code behind it that answers no ERC-1271
        vm.etch(holder.addr, abi.encodePacked(hex"ef0100", address(new Refuser())));
        bytes memory signature = authorize(holder, TRANSFER_TYPEHASH, holder.addr, payee.addr, 7 ether);
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(wopen.balanceOf(payee.addr), 7 ether);
    }

    function test_receiveWithAuthorization_payee_takes() public {
        bytes memory signature = authorize(holder, RECEIVE_TYPEHASH, holder.addr, payee.addr, 7 ether);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, payee.addr));
        wopen.receiveWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.prank(payee.addr);
        wopen.receiveWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(wopen.balanceOf(payee.addr), 7 ether);
    }

    function test_receiveWithAuthorization_transferSignature_reverts() public {
        bytes memory signature = authorize(holder, TRANSFER_TYPEHASH, holder.addr, payee.addr, 7 ether);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        vm.prank(payee.addr);
        wopen.receiveWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function test_cancelAuthorization_signed_spendsTheNonce() public {
        bytes32 structHash = keccak256(
            abi.encode(keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"), holder.addr, NONCE)
        );
        (uint8 v, bytes32 r, bytes32 s) = _split(signTyped(holder, wopen.DOMAIN_SEPARATOR(), structHash));
        wopen.cancelAuthorization(holder.addr, NONCE, v, r, s);
        vm.assertTrue(wopen.authorizationState(holder.addr, NONCE));
        vm.assertEq(uint256(wopen.authorizationOutcome(holder.addr, NONCE)), 1);

        bytes memory signature = authorize(holder, TRANSFER_TYPEHASH, holder.addr, payee.addr, 7 ether);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, holder.addr, NONCE));
        wopen.transferWithAuthorization(holder.addr, payee.addr, 7 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function _split(bytes memory signature) private pure returns (uint8 v, bytes32 r, bytes32 s) {
        (r, s) = abi.decode(signature, (bytes32, bytes32));
        v = uint8(signature[64]);
    }
}

/// @notice Wraps, unwraps and moves at random, for both wrappers.
contract WrapHandler is Base {
    IWrapper public immutable TOKEN;
    Actor[] private _actors;

    constructor(IWrapper token) {
        TOKEN = token;
        _actors.push(richActor("ann"));
        _actors.push(richActor("bob"));
        _actors.push(richActor("cleo"));
        _actors.push(richActor("dan"));
    }

    function deposit(uint256 who, uint256 amount) external {
        Actor memory sender = _actors[who % 4];
        vm.prank(sender.addr);
        TOKEN.deposit{ value: bound(amount, 0, sender.addr.balance) }();
    }

    function send(uint256 who, uint256 amount) external {
        Actor memory sender = _actors[who % 4];
        vm.prank(sender.addr);
        (bool sent,) = address(TOKEN).call{ value: bound(amount, 0, sender.addr.balance) }("");
        vm.assertTrue(sent);
    }

    function withdraw(uint256 who, uint256 amount) external {
        Actor memory sender = _actors[who % 4];
        amount = bound(amount, 0, TOKEN.balanceOf(sender.addr));
        vm.prank(sender.addr);
        TOKEN.withdraw(amount);
    }

    function transfer(uint256 who, uint256 to, uint256 amount) external {
        Actor memory sender = _actors[who % 4];
        amount = bound(amount, 0, TOKEN.balanceOf(sender.addr));
        vm.prank(sender.addr);
        TOKEN.transfer(_actors[to % 4].addr, amount);
    }

    function held() external view returns (uint256 sum) {
        for (uint256 i; i < 4; ++i) {
            sum += TOKEN.balanceOf(_actors[i].addr);
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](4);
        list[0] = this.deposit.selector;
        list[1] = this.send.selector;
        list[2] = this.withdraw.selector;
        list[3] = this.transfer.selector;
    }
}

interface IWrapper {
    function deposit() external payable;
    function withdraw(uint256 amount) external;
    function transfer(address to, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
    function totalSupply() external view returns (uint256);
}

contract WOPEN_Invariant_Test is Base {
    WOPEN internal wopen;
    WrapHandler internal handler;

    function setUp() public {
        wopen = new WOPEN();
        handler = new WrapHandler(IWrapper(address(wopen)));
        target(address(handler), handler.selectors());
    }

    function invariant_totalSupply_isTheNativeOpenHeld() public view {
        vm.assertEq(wopen.totalSupply(), address(wopen).balance);
        vm.assertEq(wopen.totalSupply(), handler.held());
    }
}
