// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { AgentWallet } from "../src/agent/AgentWallet.sol";
import { IAgentWallet } from "../src/interfaces/IAgentWallet.sol";
import { WOPEN } from "../src/token/WOPEN.sol";
import { Base } from "./Base.t.sol";
import { AgentWalletTest } from "./AgentWallet.t.sol";

/// @notice Two session keys pay as they like, the owner grants and revokes at random.
contract SessionHandler is Base {
    bytes32 private constant _TRANSFER_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    AgentWallet public immutable WALLET;
    address public immutable OWNER;
    WOPEN public immutable TOKEN;
    Actor[] private _keys;
    address[] public payees;
    /// @dev What each payee may get at most: the totals of all sessions ever granted for it.
    mapping(address payee => uint256) public granted;
    uint256 private _nonce;
    uint256 public payments;

    constructor(AgentWallet wallet, address owner) {
        WALLET = wallet;
        OWNER = owner;
        TOKEN = WOPEN(payable(address(wallet.WOPEN())));
        _keys.push(actor("key one"));
        _keys.push(actor("key two"));
        payees.push(actor("payee one").addr);
        payees.push(actor("payee two").addr);
    }

    function grant(uint256 key, uint256 payee, uint256 perPayment, uint256 total) external {
        perPayment = bound(perPayment, 1, 1 ether);
        total = bound(total, perPayment, 3 ether);
        granted[payees[payee % 2]] += total;
        uint64 expiresAt = uint64(block.timestamp + 1 hours);
        vm.prank(OWNER);
        WALLET.grantSession(_keys[key % 2].addr, payees[payee % 2], uint128(perPayment), uint128(total), expiresAt);
    }

    function revoke(uint256 key, bool all) external {
        vm.prank(OWNER);
        if (all) WALLET.revokeAllSessions();
        else WALLET.revokeSession(_keys[key % 2].addr);
    }

    function wait(uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 1, 40 minutes));
    }

    /// @dev The oracle decides from the session alone whether a payment must pass.
    function pay(uint256 key, uint256 payee, uint256 value) external {
        Actor memory signer = _keys[key % 2];
        address to = payees[payee % 2];
        value = bound(value, 0, 1.2 ether);
        AgentWallet.Session memory session = WALLET.sessionOf(signer.addr);
        bool allowed = session.payee == to && block.timestamp < session.expiresAt && value <= session.limitPerPaymentWei
            && session.spentWei + value <= session.limitTotalWei;
        bytes32 nonce = bytes32(++_nonce);
        uint256 validBefore = block.timestamp + 1;
        bytes memory signature = signTyped(
            signer,
            TOKEN.DOMAIN_SEPARATOR(),
            keccak256(abi.encode(_TRANSFER_TYPEHASH, address(WALLET), to, value, 0, validBefore, nonce))
        );
        vm.deal(address(WALLET), 2 ether);
        (bool succeeded,) = address(WALLET)
            .call(
                abi.encodeCall(
                    IAgentWallet.transferWithAuthorization,
                    (address(WALLET), to, value, 0, validBefore, nonce, signature)
                )
            );
        vm.assertTrue(succeeded == allowed, "a payment passes exactly when its session allows it");
        if (succeeded) ++payments;
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](6);
        list[0] = this.grant.selector;
        list[1] = this.revoke.selector;
        list[2] = this.wait.selector;
        list[3] = this.pay.selector;
        list[4] = this.pay.selector;
        list[5] = this.grant.selector;
    }
}

contract AgentWallet_Invariant_Test is AgentWalletTest {
    SessionHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new SessionHandler(wallet, owner.addr);
        target(address(handler), handler.selectors());
    }

    function invariant_payees_neverGetMoreThanWasGranted() public view {
        for (uint256 i; i < 2; ++i) {
            address to = handler.payees(i);
            vm.assertLe(wopen.balanceOf(to), handler.granted(to), "granted");
        }
    }
}
