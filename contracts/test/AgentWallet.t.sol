// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC1271 } from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import { IERC721Receiver } from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";

import { AgentWallet } from "../src/agent/AgentWallet.sol";
import { AgentWalletFactory } from "../src/agent/AgentWalletFactory.sol";
import { AgentIdentity } from "../src/agent/AgentIdentity.sol";
import { IAgentWallet } from "../src/interfaces/IAgentWallet.sol";
import { IAgentWalletFactory } from "../src/interfaces/IAgentWalletFactory.sol";
import { World } from "./World.t.sol";

abstract contract AgentWalletTest is World {
    bytes32 internal constant TRANSFER_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    AgentWalletFactory internal factory;
    AgentWallet internal wallet;
    Actor internal owner;
    Actor internal session;
    Actor internal payee;

    function setUp() public virtual override {
        super.setUp();
        owner = richActor("owner");
        session = actor("session");
        payee = actor("payee");
        factory = new AgentWalletFactory(wopen);
        wallet = AgentWallet(payable(factory.createWallet(owner.addr, "one")));
        vm.deal(address(wallet), 10 ether);
    }

    function grant(address to) internal {
        vm.prank(owner.addr);
        wallet.grantSession(session.addr, to, 2 ether, 5 ether, uint64(NOON + 1 days));
    }

    function authorize(
        Actor memory signer,
        address to,
        uint256 value,
        bytes32 nonce
    ) internal view returns (bytes memory) {
        return signTyped(
            signer,
            wopen.DOMAIN_SEPARATOR(),
            keccak256(abi.encode(TRANSFER_TYPEHASH, address(wallet), to, value, NOON - 1, NOON + 30 days, nonce))
        );
    }

    function pay(Actor memory signer, address to, uint256 value, bytes32 nonce) internal {
        bytes memory signature = authorize(signer, to, value, nonce);
        wallet.transferWithAuthorization(address(wallet), to, value, NOON - 1, NOON + 30 days, nonce, signature);
    }

    /// @dev Signs first, so that the next call is the one that must revert.
    function expectRefusal(
        bytes memory refusal,
        Actor memory signer,
        address to,
        uint256 value,
        bytes32 nonce
    ) internal {
        bytes memory signature = authorize(signer, to, value, nonce);
        vm.expectRevert(refusal);
        wallet.transferWithAuthorization(address(wallet), to, value, NOON - 1, NOON + 30 days, nonce, signature);
    }
}

contract AgentWallet_sessions_Test is AgentWalletTest {
    function test_transferWithAuthorization_session_paysInWopenFromNative() public {
        grant(payee.addr);
        bytes memory signature = authorize(session, payee.addr, 2 ether, "1");
        vm.expectEmit(address(wallet));
        emit IAgentWallet.SessionPaid(session.addr, payee.addr, 2 ether, "1");
        wallet.transferWithAuthorization(address(wallet), payee.addr, 2 ether, NOON - 1, NOON + 30 days, "1", signature);
        vm.snapshotGasLastCall("AgentWallet", "transferWithAuthorization");
        vm.assertEq(wopen.balanceOf(payee.addr), 2 ether);
        vm.assertEq(address(wallet).balance, 8 ether);
        vm.assertEq(wallet.sessionOf(session.addr).spentWei, 2 ether);
        vm.assertTrue(wallet.authorizationState(address(wallet), "1"));
        vm.assertFalse(wallet.authorizationState(payee.addr, "1"));
    }

    function test_transferWithAuthorization_holdingWopen_paysFromItFirst() public {
        vm.prank(owner.addr);
        wopen.deposit{ value: 1 ether }();
        vm.prank(owner.addr);
        wopen.transfer(address(wallet), 1 ether);
        grant(payee.addr);
        pay(session, payee.addr, 1.5 ether, "1");
        vm.assertEq(address(wallet).balance, 9.5 ether);
        vm.assertEq(wopen.balanceOf(address(wallet)), 0);
    }

    function test_transferWithAuthorization_overOnePayment_reverts() public {
        grant(payee.addr);
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.SessionLimitExceeded.selector, session.addr, 2 ether + 1, 2 ether),
            session,
            payee.addr,
            2 ether + 1,
            "1"
        );
    }

    function test_transferWithAuthorization_overTheTotal_reverts() public {
        grant(payee.addr);
        pay(session, payee.addr, 2 ether, "1");
        pay(session, payee.addr, 2 ether, "2");
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.SessionLimitExceeded.selector, session.addr, 1 ether + 1, 1 ether),
            session,
            payee.addr,
            1 ether + 1,
            "3"
        );
        pay(session, payee.addr, 1 ether, "3");
    }

    function test_transferWithAuthorization_anotherPayee_reverts() public {
        grant(payee.addr);
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.SessionPayeeMismatch.selector, session.addr, payee.addr, stranger.addr),
            session,
            stranger.addr,
            1,
            "1"
        );
    }

    function test_transferWithAuthorization_expiredSession_reverts() public {
        grant(payee.addr);
        vm.warp(NOON + 1 days);
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.SessionExpired.selector, session.addr, uint64(NOON + 1 days)),
            session,
            payee.addr,
            1,
            "1"
        );
    }

    function test_transferWithAuthorization_replay_reverts() public {
        grant(payee.addr);
        pay(session, payee.addr, 1 ether, "1");
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.AgentWalletAuthorizationUsed.selector, bytes32("1")),
            session,
            payee.addr,
            1 ether,
            "1"
        );
    }

    function test_transferWithAuthorization_unknownKey_reverts() public {
        grant(payee.addr);
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.SessionUnknown.selector, stranger.addr), stranger, payee.addr, 1, "1"
        );
        // not even the owner pays this way
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.SessionUnknown.selector, owner.addr), owner, payee.addr, 1, "1"
        );
    }

    function test_transferWithAuthorization_malformedSignature_reverts() public {
        grant(payee.addr);
        vm.expectRevert(IAgentWallet.AgentWalletInvalidSignature.selector);
        wallet.transferWithAuthorization(address(wallet), payee.addr, 1, NOON - 1, NOON + 30 days, "1", hex"1234");
    }

    function test_transferWithAuthorization_outOfTime_reverts() public {
        grant(payee.addr);
        bytes memory signature = authorize(session, payee.addr, 1, "1");
        bytes memory refusal = abi.encodeWithSelector(
            IAgentWallet.AgentWalletAuthorizationNotInForce.selector, NOON - 1, NOON + 30 days
        );
        vm.warp(NOON - 1);
        vm.expectRevert(refusal);
        wallet.transferWithAuthorization(address(wallet), payee.addr, 1, NOON - 1, NOON + 30 days, "1", signature);
        vm.warp(NOON + 30 days);
        vm.expectRevert(refusal);
        wallet.transferWithAuthorization(address(wallet), payee.addr, 1, NOON - 1, NOON + 30 days, "1", signature);
    }

    function test_transferWithAuthorization_anotherWallet_reverts() public {
        grant(payee.addr);
        bytes memory signature = authorize(session, payee.addr, 1, "1");
        vm.expectRevert(abi.encodeWithSelector(IAgentWallet.AgentWalletFromMismatch.selector, owner.addr));
        wallet.transferWithAuthorization(owner.addr, payee.addr, 1, NOON - 1, NOON + 30 days, "1", signature);
    }

    function test_transferWithAuthorization_moreThanTheWalletHolds_reverts() public {
        vm.prank(owner.addr);
        wallet.execute(owner.addr, 9.5 ether, "");
        grant(payee.addr);
        bytes memory signature = authorize(session, payee.addr, 1 ether, "1");
        (bool succeeded,) = address(wallet)
            .call(
                abi.encodeWithSelector(
                    IAgentWallet.transferWithAuthorization.selector,
                    address(wallet),
                    payee.addr,
                    1 ether,
                    NOON - 1,
                    NOON + 30 days,
                    "1",
                    signature
                )
            );
        vm.assertFalse(succeeded);
        vm.assertEq(wallet.sessionOf(session.addr).spentWei, 0);
    }

    function test_transferWithAuthorization_payeeContract_mustCallItself() public {
        grant(address(settlement));
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.AgentWalletCallerNotPayee.selector, address(settlement), address(this)),
            session,
            address(settlement),
            1 ether,
            "1"
        );
        bytes memory signature = authorize(session, address(settlement), 1 ether, "1");
        vm.prank(stranger.addr);
        settlement.depositWithAuthorization(address(wallet), 1 ether, NOON - 1, NOON + 30 days, "1", signature);
        vm.assertEq(settlement.prepaidOf(address(wallet)), 1 ether);
        vm.assertEq(address(wallet).balance, 9 ether);
    }

    function test_revokeSession_owner_endsItAtOnce() public {
        grant(payee.addr);
        vm.prank(owner.addr);
        wallet.revokeSession(session.addr);
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.SessionUnknown.selector, session.addr), session, payee.addr, 1, "1"
        );
    }

    function test_revokeAllSessions_owner_endsThemAll() public {
        grant(payee.addr);
        vm.prank(owner.addr);
        wallet.revokeAllSessions();
        vm.assertEq(wallet.sessionOf(session.addr).payee, address(0));
        expectRefusal(
            abi.encodeWithSelector(IAgentWallet.SessionUnknown.selector, session.addr), session, payee.addr, 1, "1"
        );
    }

    function test_grantSession_invalid_reverts() public {
        bytes memory refusal = abi.encodeWithSelector(IAgentWallet.AgentWalletInvalidSession.selector, session.addr);
        vm.startPrank(owner.addr);
        vm.expectRevert(refusal);
        wallet.grantSession(session.addr, address(0), 1, 1, uint64(NOON + 1));
        vm.expectRevert(refusal);
        wallet.grantSession(session.addr, payee.addr, 0, 1, uint64(NOON + 1));
        vm.expectRevert(refusal);
        wallet.grantSession(session.addr, payee.addr, 2, 1, uint64(NOON + 1));
        vm.expectRevert(refusal);
        wallet.grantSession(session.addr, payee.addr, 1, 1, uint64(NOON));
        vm.expectRevert(abi.encodeWithSelector(IAgentWallet.AgentWalletInvalidSession.selector, address(0)));
        wallet.grantSession(address(0), payee.addr, 1, 1, uint64(NOON + 1));
        vm.stopPrank();
    }

    /// @dev Whatever a session asks for, in whatever order, its payee never gets more than the total.
    function testFuzz_transferWithAuthorization_anyPayments_keepTheLimits(uint256[8] memory values) public {
        grant(payee.addr);
        uint256 paid;
        for (uint256 i; i < values.length; ++i) {
            uint256 value = bound(values[i], 0, 3 ether);
            bytes memory signature = authorize(session, payee.addr, value, bytes32(i));
            bool allowed = value <= 2 ether && paid + value <= 5 ether;
            if (!allowed) vm.expectPartialRevert(IAgentWallet.SessionLimitExceeded.selector);
            wallet.transferWithAuthorization(
                address(wallet), payee.addr, value, NOON - 1, NOON + 30 days, bytes32(i), signature
            );
            if (allowed) paid += value;
        }
        vm.assertEq(wopen.balanceOf(payee.addr), paid);
        vm.assertEq(wallet.sessionOf(session.addr).spentWei, paid);
    }
}

contract AgentWallet_owner_Test is AgentWalletTest {
    function test_ownerFunctions_others_revert() public {
        address[2] memory others = [stranger.addr, session.addr];
        grant(payee.addr);
        for (uint256 i; i < 2; ++i) {
            bytes memory refusal = abi.encodeWithSelector(IAgentWallet.AgentWalletNotOwner.selector, others[i]);
            vm.startPrank(others[i]);
            vm.expectRevert(refusal);
            wallet.grantSession(others[i], others[i], 1, 1, uint64(NOON + 1));
            vm.expectRevert(refusal);
            wallet.revokeSession(session.addr);
            vm.expectRevert(refusal);
            wallet.revokeAllSessions();
            vm.expectRevert(refusal);
            wallet.execute(others[i], 1, "");
            vm.expectRevert(refusal);
            wallet.transferOwnership(others[i]);
            vm.stopPrank();
        }
    }

    function test_execute_owner_callsAsTheWallet() public {
        vm.prank(owner.addr);
        wallet.execute(address(settlement), 1 ether, abi.encodeCall(settlement.deposit, (address(wallet))));
        vm.assertEq(settlement.prepaidOf(address(wallet)), 1 ether);
    }

    function test_execute_failingCall_revertsWithItsReason() public {
        vm.expectPartialRevert(IAgentWallet.AgentWalletCallFailed.selector);
        vm.prank(owner.addr);
        wallet.execute(address(settlement), 0, abi.encodeCall(settlement.withdraw, (address(wallet))));
    }

    function test_transferOwnership_owner_endsSessions() public {
        grant(payee.addr);
        vm.prank(owner.addr);
        wallet.transferOwnership(stranger.addr);
        vm.assertEq(wallet.owner(), stranger.addr);
        vm.assertEq(wallet.sessionOf(session.addr).payee, address(0));
        vm.expectRevert(IAgentWallet.AgentWalletZeroAddress.selector);
        vm.prank(stranger.addr);
        wallet.transferOwnership(address(0));
    }

    function test_isValidSignature_ownerAlone_counts() public {
        grant(payee.addr);
        bytes32 digest = keccak256("message");
        vm.assertEq(bytes32(wallet.isValidSignature(digest, sign(owner, digest))), bytes32(bytes4(0x1626ba7e)));
        vm.assertEq(bytes32(wallet.isValidSignature(digest, sign(session, digest))), bytes32(bytes4(0xffffffff)));
    }

    function test_initialize_again_reverts() public {
        vm.expectRevert(IAgentWallet.AgentWalletAlreadyInitialized.selector);
        wallet.initialize(stranger.addr);
        AgentWallet implementation = AgentWallet(payable(factory.IMPLEMENTATION()));
        vm.expectRevert(IAgentWallet.AgentWalletAlreadyInitialized.selector);
        implementation.initialize(stranger.addr);
    }

    function test_supportsInterface_always_saysWhatItIs() public view {
        vm.assertTrue(wallet.supportsInterface(type(IAgentWallet).interfaceId));
        vm.assertTrue(wallet.supportsInterface(type(IERC1271).interfaceId));
        vm.assertFalse(wallet.supportsInterface(0xffffffff));
    }

    function test_onERC721Received_identity_canBeHeld() public {
        AgentIdentity identity = new AgentIdentity();
        vm.startPrank(owner.addr);
        uint256 agentId = identity.register("ipfs://file");
        identity.safeTransferFrom(owner.addr, address(wallet), agentId);
        vm.stopPrank();
        vm.assertEq(identity.ownerOf(agentId), address(wallet));
        vm.assertEq(
            bytes32(wallet.onERC721Received(address(0), address(0), 0, "")),
            bytes32(IERC721Receiver.onERC721Received.selector)
        );
    }
}

contract AgentWalletFactory_Test is AgentWalletTest {
    function test_createWallet_predicted_isWhereItSaid() public {
        address predicted = factory.walletOf(owner.addr, "two");
        vm.deal(predicted, 1 ether);
        vm.expectEmit(address(factory));
        emit IAgentWalletFactory.WalletCreated(predicted, owner.addr, "two");
        vm.prank(stranger.addr);
        vm.assertEq(factory.createWallet(owner.addr, "two"), predicted);
        vm.snapshotGasLastCall("AgentWalletFactory", "createWallet");
        vm.assertEq(AgentWallet(payable(predicted)).owner(), owner.addr);
        vm.assertEq(predicted.balance, 1 ether);
    }

    function test_createWallet_again_findsIt() public {
        vm.assertEq(factory.createWallet(owner.addr, "one"), address(wallet));
    }

    function test_createWallet_sameSaltAnotherOwner_isAnotherWallet() public {
        vm.assertTrue(factory.createWallet(stranger.addr, "one") != address(wallet));
    }

    function test_createWallet_zeroOwner_reverts() public {
        vm.expectRevert(IAgentWallet.AgentWalletZeroAddress.selector);
        factory.createWallet(address(0), "one");
    }
}
