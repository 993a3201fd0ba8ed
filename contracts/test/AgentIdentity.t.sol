// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC721Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import { AgentIdentity } from "../src/agent/AgentIdentity.sol";
import { IAgentIdentity } from "../src/interfaces/IAgentIdentity.sol";
import { Base, ContractAccount } from "./Base.t.sol";

contract AgentIdentity_Test is Base {
    AgentIdentity internal identity;
    Actor internal owner;
    Actor internal helper;
    Actor internal pay;
    Actor internal stranger;

    function setUp() public {
        vm.warp(NOON);
        identity = new AgentIdentity();
        owner = actor("owner");
        helper = actor("helper");
        pay = actor("pay");
        stranger = actor("stranger");
    }

    function test_register_threeWays_numbersFromOne() public {
        IAgentIdentity.MetadataEntry[] memory metadata = new IAgentIdentity.MetadataEntry[](2);
        metadata[0] = IAgentIdentity.MetadataEntry("agentName", "solver");
        metadata[1] = IAgentIdentity.MetadataEntry("model", abi.encode(7));
        vm.startPrank(owner.addr);
        vm.assertEq(identity.register(), 1);
        vm.expectEmit(address(identity));
        emit IAgentIdentity.Registered(2, "ipfs://file", owner.addr);
        vm.expectEmit(address(identity));
        emit IAgentIdentity.MetadataSet(2, "agentWallet", "agentWallet", abi.encodePacked(owner.addr));
        vm.assertEq(identity.register("ipfs://file"), 2);
        vm.snapshotGasLastCall("AgentIdentity", "register");
        vm.assertEq(identity.register("https://example.com/agent.json", metadata), 3);
        vm.stopPrank();

        vm.assertEq(identity.ownerOf(3), owner.addr);
        vm.assertEq(identity.tokenURI(1), "");
        vm.assertEq(identity.tokenURI(3), "https://example.com/agent.json");
        vm.assertEq(identity.getMetadata(3, "agentName"), "solver");
        vm.assertEq(identity.getMetadata(3, "model"), abi.encode(7));
        vm.assertEq(identity.getMetadata(3, "absent"), "");
        vm.assertEq(identity.getAgentWallet(3), owner.addr);
    }

    function test_register_reservedKey_reverts() public {
        IAgentIdentity.MetadataEntry[] memory metadata = new IAgentIdentity.MetadataEntry[](1);
        metadata[0] = IAgentIdentity.MetadataEntry("agentWallet", abi.encodePacked(stranger.addr));
        vm.expectRevert(abi.encodeWithSelector(IAgentIdentity.AgentIdentityReservedKey.selector, "agentWallet"));
        identity.register("", metadata);
    }

    function test_setAgentURI_ownerOrOperator_updates() public {
        uint256 agentId = _register();
        vm.expectEmit(address(identity));
        emit IAgentIdentity.URIUpdated(agentId, "ipfs://new", owner.addr);
        vm.prank(owner.addr);
        identity.setAgentURI(agentId, "ipfs://new");
        vm.prank(owner.addr);
        identity.approve(helper.addr, agentId);
        vm.prank(helper.addr);
        identity.setAgentURI(agentId, "ipfs://newer");
        vm.assertEq(identity.tokenURI(agentId), "ipfs://newer");
    }

    function test_setMetadata_owner_setsAllButTheReservedKey() public {
        uint256 agentId = _register();
        vm.startPrank(owner.addr);
        identity.setMetadata(agentId, "agentName", "solver");
        vm.assertEq(identity.getMetadata(agentId, "agentName"), "solver");
        vm.expectRevert(abi.encodeWithSelector(IAgentIdentity.AgentIdentityReservedKey.selector, "agentWallet"));
        identity.setMetadata(agentId, "agentWallet", abi.encodePacked(pay.addr));
        vm.stopPrank();
    }

    function test_setters_stranger_revert() public {
        uint256 agentId = _register();
        bytes memory refusal =
            abi.encodeWithSelector(IAgentIdentity.AgentIdentityNotAuthorized.selector, agentId, stranger.addr);
        vm.startPrank(stranger.addr);
        vm.expectRevert(refusal);
        identity.setAgentURI(agentId, "");
        vm.expectRevert(refusal);
        identity.setMetadata(agentId, "agentName", "");
        vm.expectRevert(refusal);
        identity.setAgentWallet(agentId, stranger.addr, NOON, "");
        vm.expectRevert(refusal);
        identity.unsetAgentWallet(agentId);
        vm.stopPrank();
    }

    function test_setAgentWallet_walletsConsent_setsIt() public {
        uint256 agentId = _register();
        bytes memory signature = _consent(pay, agentId, pay.addr, NOON + 60);
        vm.prank(owner.addr);
        identity.setAgentWallet(agentId, pay.addr, NOON + 60, signature);
        vm.assertEq(identity.getAgentWallet(agentId), pay.addr);
        vm.assertEq(identity.getMetadata(agentId, "agentWallet"), abi.encodePacked(pay.addr));
    }

    function test_setAgentWallet_walletContract_consentsByErc1271() public {
        uint256 agentId = _register();
        address wallet = address(new ContractAccount(pay.addr));
        bytes memory signature = _consent(pay, agentId, wallet, NOON + 60);
        vm.prank(owner.addr);
        identity.setAgentWallet(agentId, wallet, NOON + 60, signature);
        vm.assertEq(identity.getAgentWallet(agentId), wallet);
    }

    function test_setAgentWallet_withoutConsent_reverts() public {
        uint256 agentId = _register();
        bytes memory signature = _consent(owner, agentId, pay.addr, NOON + 60);
        vm.startPrank(owner.addr);
        vm.expectRevert(abi.encodeWithSelector(IAgentIdentity.AgentIdentityInvalidSignature.selector, pay.addr));
        identity.setAgentWallet(agentId, pay.addr, NOON + 60, signature);
        vm.expectRevert(IAgentIdentity.AgentIdentityZeroWallet.selector);
        identity.setAgentWallet(agentId, address(0), NOON + 60, signature);
        vm.stopPrank();
    }

    function test_setAgentWallet_deadlineOutOfRange_reverts() public {
        uint256 agentId = _register();
        vm.startPrank(owner.addr);
        vm.expectPartialRevert(IAgentIdentity.AgentIdentityDeadlineOutOfRange.selector);
        identity.setAgentWallet(agentId, pay.addr, NOON - 1, "");
        vm.expectPartialRevert(IAgentIdentity.AgentIdentityDeadlineOutOfRange.selector);
        identity.setAgentWallet(agentId, pay.addr, NOON + 5 minutes + 1, "");
        vm.stopPrank();
    }

    function test_transfer_always_forgetsTheWallet() public {
        uint256 agentId = _register();
        vm.prank(owner.addr);
        identity.transferFrom(owner.addr, stranger.addr, agentId);
        vm.assertEq(identity.getAgentWallet(agentId), address(0));
        vm.assertEq(identity.getMetadata(agentId, "agentWallet"), "");
    }

    function test_unsetAgentWallet_owner_forgetsIt() public {
        uint256 agentId = _register();
        vm.prank(owner.addr);
        identity.unsetAgentWallet(agentId);
        vm.assertEq(identity.getAgentWallet(agentId), address(0));
    }

    function test_reads_unknownAgent_revert() public {
        bytes memory refusal = abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 9);
        vm.expectRevert(refusal);
        identity.getAgentWallet(9);
        vm.expectRevert(refusal);
        identity.isAuthorizedOrOwner(owner.addr, 9);
        vm.expectRevert(refusal);
        identity.setAgentURI(9, "");
    }

    function _register() private returns (uint256) {
        vm.prank(owner.addr);
        return identity.register("ipfs://file");
    }

    function _consent(
        Actor memory signer,
        uint256 agentId,
        address wallet,
        uint256 deadline
    ) private view returns (bytes memory) {
        bytes32 domainSeparator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ERC8004IdentityRegistry"),
                keccak256("1"),
                block.chainid,
                address(identity)
            )
        );
        return signTyped(
            signer,
            domainSeparator,
            keccak256(
                abi.encode(
                    keccak256("AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)"),
                    agentId,
                    wallet,
                    owner.addr,
                    deadline
                )
            )
        );
    }
}
