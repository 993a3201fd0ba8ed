// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISignatureTransfer } from "../src/interfaces/ISignatureTransfer.sol";
import { IUptoPayments } from "../src/interfaces/IUptoPayments.sol";
import { IUptoPermit2Proxy } from "../src/interfaces/IUptoPermit2Proxy.sol";
import { UptoPermit2Proxy } from "../src/l2/UptoPermit2Proxy.sol";
import { UptoPayments } from "../src/settlement/UptoPayments.sol";
import { World } from "./World.t.sol";

/// @notice A world with Permit2 and x402's spender where every OP Stack chain has them, and two payers with WOPEN.
abstract contract UptoPaymentsTest is World {
    address internal constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;
    address internal constant PROXY = 0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002;
    bytes32 private constant _TOKEN_TYPEHASH = keccak256("TokenPermissions(address token,uint256 amount)");
    bytes32 private constant _PERMIT_TYPEHASH = keccak256(
        "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,address facilitator,uint256 validAfter)"
    );

    UptoPayments internal payments;
    Actor[2] internal payers;

    function setUp() public virtual override {
        super.setUp();
        vm.etch(PERMIT2, permit2Code());
        vm.etch(PROXY, address(new UptoPermit2Proxy()).code);
        payments = new UptoPayments(settlement, wopen);
        (payers[0], payers[1]) = (caller, backer);
        for (uint256 i; i < 2; ++i) {
            vm.startPrank(payers[i].addr);
            wopen.deposit{ value: 1000 ether }();
            wopen.approve(PERMIT2, type(uint256).max);
            vm.stopPrank();
        }
    }

    /// @dev The OP Stack's own bytes, with this chain's number and domain in the two places that it names.
    function permit2Code() private view returns (bytes memory code) {
        string memory source = vm.readFile("node_modules/@eth-optimism/contracts-bedrock/src/libraries/Preinstalls.sol");
        string memory rest = vm.split(source, "bytes internal constant Permit2TemplateCode =")[1];
        code = vm.parseBytes(string.concat("0x", vm.split(rest, "\"")[1]));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)"),
                keccak256("Permit2"),
                block.chainid,
                PERMIT2
            )
        );
        uint256 chainId = block.chainid;
        assembly ("memory-safe") {
            mstore(add(code, add(32, 6945)), chainId)
            mstore(add(code, add(32, 6983)), domain)
        }
    }

    function signPayment(
        Actor memory payer,
        uint256 maxWei,
        uint256 nonce
    ) internal view returns (IUptoPayments.Payment memory) {
        return signPayment(payer, maxWei, nonce, address(payments), address(wopen));
    }

    /// @param to Recipient and facilitator.
    function signPayment(
        Actor memory payer,
        uint256 maxWei,
        uint256 nonce,
        address to,
        address token
    ) internal view returns (IUptoPayments.Payment memory payment) {
        payment = IUptoPayments.Payment(payer.addr, maxWei, nonce, block.timestamp + 1 hours, block.timestamp, "");
        bytes32 structHash = keccak256(
            abi.encode(
                _PERMIT_TYPEHASH,
                keccak256(abi.encode(_TOKEN_TYPEHASH, token, maxWei)),
                PROXY,
                nonce,
                payment.deadline,
                keccak256(abi.encode(IUptoPermit2Proxy(PROXY).WITNESS_TYPEHASH(), to, to, payment.validAfter))
            )
        );
        payment.signature = signTyped(payer, IDomain(PERMIT2).DOMAIN_SEPARATOR(), structHash);
    }
}

interface IDomain {
    // forge-lint: disable-next-line(mixed-case-function)
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}

contract UptoPayments_Test is UptoPaymentsTest {
    function test_take_lessThanSigned_becomesThePayersPrepaidMoney() public {
        IUptoPayments.Payment memory payment = signPayment(caller, 5 ether, 0);
        vm.expectEmit(address(payments));
        emit IUptoPayments.PaymentTaken(caller.addr, 0, 2 ether, 5 ether);
        vm.prank(operator.addr);
        payments.take(payment, 2 ether);
        vm.snapshotGasLastCall("UptoPayments", "take");
        vm.assertEq(wopen.balanceOf(caller.addr), 998 ether);
        vm.assertEq(settlement.prepaidOf(caller.addr), 2 ether);
    }

    function test_take_moreThanSignedOrTwice_reverts() public {
        IUptoPayments.Payment memory payment = signPayment(caller, 5 ether, 0);
        vm.startPrank(operator.addr);
        vm.expectRevert(IUptoPermit2Proxy.AmountExceedsPermitted.selector);
        payments.take(payment, 5 ether + 1);
        payments.take(payment, 1 ether);
        vm.expectRevert(bytes4(keccak256("InvalidNonce()")));
        payments.take(payment, 1 ether);
        vm.stopPrank();
    }

    /// @dev Whatever token a payer signs for: what is taken is WOPEN or nothing.
    function test_take_signedForAnotherToken_reverts() public {
        IUptoPayments.Payment memory payment = signPayment(caller, 5 ether, 0, address(payments), address(this));
        vm.expectRevert(bytes4(keccak256("InvalidSigner()")));
        vm.prank(operator.addr);
        payments.take(payment, 1 ether);
    }

    function test_take_anyoneButTheOperator_reverts() public {
        IUptoPayments.Payment memory payment = signPayment(caller, 5 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(IUptoPayments.UptoPaymentsNotOperator.selector, stranger.addr));
        vm.prank(stranger.addr);
        payments.take(payment, 1 ether);
    }

    function test_receive_fromAnyoneElse_reverts() public {
        vm.prank(stranger.addr);
        (bool sent,) = address(payments).call{ value: 1 }("");
        vm.assertFalse(sent);
    }
}

contract UptoPermit2Proxy_Test is UptoPaymentsTest {
    function test_settle_facilitatorThatWasSigned_movesWhatItSaysOnce() public {
        IUptoPayments.Payment memory payment = signPayment(caller, 5 ether, 0, stranger.addr, address(wopen));
        vm.startPrank(stranger.addr);
        _settle(payment, stranger.addr, address(wopen));
        vm.snapshotGasLastCall("UptoPermit2Proxy", "settle");
        vm.expectRevert(bytes4(keccak256("InvalidNonce()")));
        _settle(payment, stranger.addr, address(wopen));
        vm.stopPrank();
        vm.assertEq(wopen.balanceOf(stranger.addr), 1 ether);
    }

    /// @dev Past the contract that was signed, with the same signature.
    function test_settle_anyoneElse_reverts() public {
        IUptoPayments.Payment memory payment = signPayment(caller, 5 ether, 0);
        vm.startPrank(operator.addr);
        vm.expectRevert(IUptoPermit2Proxy.UnauthorizedFacilitator.selector);
        _settle(payment, address(payments), address(wopen));
        // as if the operator had been signed
        vm.expectRevert(bytes4(keccak256("InvalidSigner()")));
        _settle(payment, operator.addr, address(wopen));
        vm.stopPrank();
    }

    /// @dev The token, while it moves, has the facilitator take what the same payer signed of WOPEN.
    function test_settle_tokenThatCallsBack_isRefused() public {
        IUptoPayments.Payment memory wanted = signPayment(caller, 5 ether, 1, stranger.addr, address(wopen));
        MaliciousToken token = new MaliciousToken(PROXY, _call(wanted, stranger.addr, address(wopen)));
        IUptoPayments.Payment memory bait = signPayment(caller, 5 ether, 0, stranger.addr, address(token));
        vm.prank(stranger.addr);
        _settle(bait, stranger.addr, address(token));
        vm.assertTrue(token.wasRefused());
        vm.assertEq(wopen.balanceOf(caller.addr), 1000 ether);
    }

    function _settle(IUptoPayments.Payment memory payment, address to, address token) private {
        (bool succeeded, bytes memory result) = PROXY.call(_call(payment, to, token));
        if (succeeded) return;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }

    function _call(
        IUptoPayments.Payment memory payment,
        address to,
        address token
    ) private pure returns (bytes memory) {
        return abi.encodeCall(
            IUptoPermit2Proxy.settle,
            (
                ISignatureTransfer.PermitTransferFrom(
                    ISignatureTransfer.TokenPermissions(token, payment.maxWei), payment.nonce, payment.deadline
                ),
                1 ether,
                payment.payer,
                IUptoPermit2Proxy.Witness(to, to, payment.validAfter),
                payment.signature
            )
        );
    }
}

/// @notice A token that, asked to move, calls somebody instead.
contract MaliciousToken {
    address private immutable _TO;
    bytes private _data;
    bool public wasRefused;

    constructor(address to, bytes memory data) {
        (_TO, _data) = (to, data);
    }

    function transferFrom(address, address, uint256) external returns (bool) {
        (bool succeeded,) = _TO.call(_data);
        wasRefused = !succeeded;
        return true;
    }
}

/// @notice Payers sign maxima; the operator takes parts of them, and tries too much, twice, and what another signed.
contract UptoPaymentsHandler is UptoPaymentsTest {
    IUptoPayments.Payment[] private _signed;
    mapping(uint256 which => uint256) public takenOf;
    mapping(uint256 which => uint256) public timesOf;
    mapping(address payer => uint256) public takenFrom;
    /// @dev Takings that a signature does not cover, and got through.
    uint256 public uncovered;

    function authorize(uint256 who, uint256 maxWei) external {
        _signed.push(signPayment(payers[who % 2], bound(maxWei, 1, 20 ether), _signed.length));
    }

    function take(uint256 which, uint256 amount) external {
        if (_signed.length == 0) return;
        which %= _signed.length;
        IUptoPayments.Payment memory payment = _signed[which];
        amount = bound(amount, 1, payment.maxWei);
        bool isCovered =
            timesOf[which] == 0 && block.timestamp <= payment.deadline && wopen.balanceOf(payment.payer) >= amount;
        if (_take(operator.addr, payment, amount) != isCovered) ++uncovered;
        if (!isCovered) return;
        ++timesOf[which];
        takenOf[which] += amount;
        takenFrom[payment.payer] += amount;
    }

    /// @dev More than was signed, from another payer, by somebody else.
    function cheat(uint256 which, uint256 amount) external {
        if (_signed.length == 0) return;
        IUptoPayments.Payment memory payment = _signed[which % _signed.length];
        if (_take(operator.addr, payment, payment.maxWei + bound(amount, 1, 1 ether))) ++uncovered;
        if (_take(stranger.addr, payment, 1)) ++uncovered;
        payment.payer = payment.payer == caller.addr ? backer.addr : caller.addr;
        if (_take(operator.addr, payment, 1)) ++uncovered;
        payment.payer = _signed[which % _signed.length].payer;
        payment.maxWei += 1;
        if (_take(operator.addr, payment, payment.maxWei)) ++uncovered;
    }

    function wait(uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 1, 20 minutes));
    }

    function overtaken() external view returns (uint256 count) {
        for (uint256 i; i < _signed.length; ++i) {
            if (takenOf[i] > _signed[i].maxWei || timesOf[i] > 1) ++count;
        }
    }

    /// @dev Differences between what payers have and what they had and were taken.
    function missing() external view returns (uint256 count) {
        for (uint256 i; i < 2; ++i) {
            address payer = payers[i].addr;
            if (wopen.balanceOf(payer) != 1000 ether - takenFrom[payer]) ++count;
            if (settlement.prepaidOf(payer) != takenFrom[payer]) ++count;
        }
    }

    function held() external view returns (uint256) {
        return address(payments).balance + wopen.balanceOf(address(payments)) + wopen.balanceOf(PROXY);
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](5);
        (list[0], list[1]) = (this.authorize.selector, this.take.selector);
        (list[2], list[3], list[4]) = (this.take.selector, this.cheat.selector, this.wait.selector);
    }

    function _take(address who, IUptoPayments.Payment memory payment, uint256 amount) private returns (bool succeeded) {
        vm.prank(who);
        (succeeded,) = address(payments).call(abi.encodeCall(IUptoPayments.take, (payment, amount)));
    }
}

contract UptoPayments_Invariant_Test is World {
    UptoPaymentsHandler internal handler;

    function setUp() public override {
        handler = new UptoPaymentsHandler();
        vm.deal(address(handler), BOND);
        handler.setUp();
        target(address(handler), handler.selectors());
    }

    function invariant_payments_areWithinWhatWasSignedAndOnce() public view {
        vm.assertEq(handler.overtaken(), 0);
        vm.assertEq(handler.uncovered(), 0);
    }

    /// @dev What leaves a payer's WOPEN is that payer's prepaid money, and nothing stays on the way.
    function invariant_money_staysItsPayers() public view {
        vm.assertEq(handler.missing(), 0);
        vm.assertEq(handler.held(), 0);
    }
}
