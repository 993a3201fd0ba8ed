// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC721Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import { AgentIdentity } from "../src/agent/AgentIdentity.sol";
import { AgentReputation } from "../src/agent/AgentReputation.sol";
import { AgentValidation } from "../src/agent/AgentValidation.sol";
import { IAgentReputation } from "../src/interfaces/IAgentReputation.sol";
import { IAgentValidation } from "../src/interfaces/IAgentValidation.sol";
import { Base } from "./Base.t.sol";

abstract contract AgentRegistriesTest is Base {
    AgentIdentity internal identity;
    Actor internal owner;
    Actor internal helper;
    Actor internal ann;
    Actor internal bob;
    uint256 internal agentId;

    function setUp() public virtual {
        vm.warp(NOON);
        identity = new AgentIdentity();
        owner = actor("owner");
        helper = actor("helper");
        ann = actor("ann");
        bob = actor("bob");
        vm.startPrank(owner.addr);
        agentId = identity.register("ipfs://file");
        identity.approve(helper.addr, agentId);
        vm.stopPrank();
    }

    function addresses(address first) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = first;
    }

    function addresses(address first, address second) internal pure returns (address[] memory list) {
        list = new address[](2);
        list[0] = first;
        list[1] = second;
    }
}

contract AgentReputation_Test is AgentRegistriesTest {
    AgentReputation internal reputation;

    function setUp() public override {
        super.setUp();
        reputation = new AgentReputation(identity);
    }

    function test_giveFeedback_client_isRecorded() public {
        vm.expectEmit(address(reputation));
        emit IAgentReputation.NewFeedback(
            agentId, ann.addr, 1, 87, 0, "starred", "starred", "week", "https://e", "ipfs://f", keccak256("f")
        );
        vm.prank(ann.addr);
        reputation.giveFeedback(agentId, 87, 0, "starred", "week", "https://e", "ipfs://f", keccak256("f"));
        vm.snapshotGasLastCall("AgentReputation", "giveFeedback");
        (int128 value, uint8 decimals, string memory tag1, string memory tag2, bool isRevoked) =
            reputation.readFeedback(agentId, ann.addr, 1);
        vm.assertEq(uint256(int256(value)), 87);
        vm.assertEq(decimals, 0);
        vm.assertEq(tag1, "starred");
        vm.assertEq(tag2, "week");
        vm.assertFalse(isRevoked);
        vm.assertEq(reputation.getLastIndex(agentId, ann.addr), 1);
        vm.assertEq(reputation.getClients(agentId)[0], ann.addr);
        vm.assertEq(reputation.getIdentityRegistry(), address(identity));
    }

    function test_giveFeedback_ownerOrOperator_reverts() public {
        address[2] memory own = [owner.addr, helper.addr];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IAgentReputation.AgentReputationSelfFeedback.selector, agentId, own[i])
            );
            vm.prank(own[i]);
            reputation.giveFeedback(agentId, 100, 0, "", "", "", "", 0);
        }
    }

    function test_giveFeedback_unknownAgentOrDecimals_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 9));
        reputation.giveFeedback(9, 100, 0, "", "", "", "", 0);
        vm.expectRevert(abi.encodeWithSelector(IAgentReputation.AgentReputationInvalidDecimals.selector, 19));
        reputation.giveFeedback(agentId, 100, 19, "", "", "", "", 0);
    }

    function test_getSummary_mixedDecimals_averagesExactly() public {
        _give(ann, 9977, 2, "uptime"); // 99.77
        _give(ann, 100, 0, "uptime");
        _give(bob, -32, 1, "yield"); // -3.2
        (uint64 count, int128 value, uint8 decimals) =
            reputation.getSummary(agentId, addresses(ann.addr, bob.addr), "uptime", "");
        vm.assertEq(count, 2);
        vm.assertEq(uint256(int256(value)), 9988); // 99.885, rounded towards zero
        vm.assertEq(decimals, 2);
        (count, value, decimals) = reputation.getSummary(agentId, addresses(bob.addr), "", "");
        vm.assertEq(count, 1);
        vm.assertTrue(value == -32 && decimals == 1);
        (count,,) = reputation.getSummary(agentId, addresses(bob.addr), "uptime", "");
        vm.assertEq(count, 0);
    }

    function test_getSummary_withoutClients_reverts() public {
        vm.expectRevert(IAgentReputation.AgentReputationNoClients.selector);
        reputation.getSummary(agentId, new address[](0), "", "");
    }

    function test_getSummary_averageBeyondTheType_saturates() public {
        _give(ann, type(int128).max, 0, "");
        _give(ann, type(int128).max, 18, "");
        (uint64 count, int128 value,) = reputation.getSummary(agentId, addresses(ann.addr), "", "");
        vm.assertEq(count, 2);
        vm.assertTrue(value == type(int128).max);
    }

    function test_revokeFeedback_client_leavesItReadableButUncounted() public {
        _give(ann, 10, 0, "starred");
        _give(ann, 90, 0, "starred");
        vm.startPrank(ann.addr);
        reputation.revokeFeedback(agentId, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentReputation.AgentReputationAlreadyRevoked.selector, agentId, ann.addr, 1)
        );
        reputation.revokeFeedback(agentId, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentReputation.AgentReputationUnknownFeedback.selector, agentId, ann.addr, 3)
        );
        reputation.revokeFeedback(agentId, 3);
        vm.stopPrank();
        (uint64 count, int128 value,) = reputation.getSummary(agentId, addresses(ann.addr), "", "");
        vm.assertTrue(count == 1 && value == 90);

        (address[] memory clients, uint64[] memory indexes,,,,, bool[] memory revoked) =
            reputation.readAllFeedback(agentId, new address[](0), "", "", true);
        vm.assertEq(clients.length, 2);
        vm.assertTrue(revoked[0] && !revoked[1]);
        (clients, indexes,,,,,) = reputation.readAllFeedback(agentId, addresses(ann.addr), "starred", "", false);
        vm.assertEq(clients.length, 1);
        vm.assertEq(indexes[0], 2);
    }

    function test_readAllFeedback_manyClients_listsInOrder() public {
        _give(bob, 1, 0, "a");
        _give(ann, 2, 0, "b");
        _give(bob, 3, 0, "a");
        (
            address[] memory clients,
            uint64[] memory indexes,
            int128[] memory values,
            uint8[] memory decimals,
            string[] memory tag1s,
            string[] memory tag2s,
        ) = reputation.readAllFeedback(agentId, new address[](0), "", "", false);
        vm.assertTrue(clients[0] == bob.addr && clients[1] == bob.addr && clients[2] == ann.addr);
        vm.assertTrue(indexes[0] == 1 && indexes[1] == 2 && indexes[2] == 1);
        vm.assertTrue(values[0] == 1 && values[1] == 3 && values[2] == 2);
        vm.assertEq(decimals.length, 3);
        vm.assertEq(tag1s[2], "b");
        vm.assertEq(tag2s[2], "");
    }

    function test_appendResponse_anyone_isCounted() public {
        _give(ann, 10, 0, "");
        _give(ann, 20, 0, "");
        _give(bob, 30, 0, "");
        _respond(owner, ann, 1);
        _respond(bob, ann, 1);
        _respond(owner, ann, 2);
        _respond(owner, bob, 1);
        address[] memory all = new address[](0);
        vm.assertEq(reputation.getResponseCount(agentId, ann.addr, 1, all), 2);
        vm.assertEq(reputation.getResponseCount(agentId, ann.addr, 0, all), 3);
        vm.assertEq(reputation.getResponseCount(agentId, address(0), 0, all), 4);
        vm.assertEq(reputation.getResponseCount(agentId, address(0), 0, addresses(owner.addr)), 3);
        vm.expectPartialRevert(IAgentReputation.AgentReputationUnknownFeedback.selector);
        reputation.appendResponse(agentId, bob.addr, 2, "", 0);
    }

    function _give(Actor memory client, int128 value, uint8 decimals, string memory tag1) private {
        vm.prank(client.addr);
        reputation.giveFeedback(agentId, value, decimals, tag1, "", "", "", 0);
    }

    function _respond(Actor memory responder, Actor memory client, uint64 index) private {
        vm.prank(responder.addr);
        reputation.appendResponse(agentId, client.addr, index, "ipfs://refund", 0);
    }
}

contract AgentValidation_Test is AgentRegistriesTest {
    AgentValidation internal validation;

    function setUp() public override {
        super.setUp();
        validation = new AgentValidation(identity);
    }

    function test_validationRequest_ownerOrOperator_isRecorded() public {
        vm.expectEmit(address(validation));
        emit IAgentValidation.ValidationRequest(ann.addr, agentId, "ipfs://work", keccak256("work"));
        vm.prank(owner.addr);
        validation.validationRequest(ann.addr, agentId, "ipfs://work", keccak256("work"));
        vm.prank(helper.addr);
        validation.validationRequest(ann.addr, agentId, "ipfs://more", keccak256("more"));
        vm.snapshotGasLastCall("AgentValidation", "validationRequest");
        vm.assertEq(validation.getAgentValidations(agentId).length, 2);
        vm.assertEq(validation.getValidatorRequests(ann.addr)[1], keccak256("more"));
        vm.assertEq(validation.getIdentityRegistry(), address(identity));
        (address validator, uint256 of_, uint8 response,,, uint256 lastUpdate) =
            validation.getValidationStatus(keccak256("work"));
        vm.assertTrue(validator == ann.addr && of_ == agentId && response == 0 && lastUpdate == NOON);
    }

    function test_validationRequest_strangerTwiceOrNobody_reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(IAgentValidation.AgentValidationNotAuthorized.selector, agentId, ann.addr)
        );
        vm.prank(ann.addr);
        validation.validationRequest(ann.addr, agentId, "", keccak256("work"));
        _request("work", ann.addr);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentValidation.AgentValidationRequestExists.selector, keccak256("work"))
        );
        vm.prank(owner.addr);
        validation.validationRequest(bob.addr, agentId, "", keccak256("work"));
        vm.expectRevert(IAgentValidation.AgentValidationZeroValidator.selector);
        vm.prank(owner.addr);
        validation.validationRequest(address(0), agentId, "", keccak256("other"));
    }

    function test_validationResponse_validator_answersInSteps() public {
        _request("work", ann.addr);
        vm.warp(NOON + 9);
        _respond(ann, "work", 50, "soft");
        _respond(ann, "work", 100, "hard");
        (,, uint8 response, bytes32 responseHash, string memory tag, uint256 lastUpdate) =
            validation.getValidationStatus(keccak256("work"));
        vm.assertTrue(response == 100 && lastUpdate == NOON + 9);
        vm.assertEq(responseHash, keccak256("evidence"));
        vm.assertEq(tag, "hard");
    }

    function test_validationResponse_wrongValidatorOrValue_reverts() public {
        _request("work", ann.addr);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentValidation.AgentValidationNotValidator.selector, keccak256("work"), bob.addr)
        );
        vm.prank(bob.addr);
        validation.validationResponse(keccak256("work"), 1, "", 0, "");
        vm.expectRevert(abi.encodeWithSelector(IAgentValidation.AgentValidationInvalidResponse.selector, 101));
        vm.prank(ann.addr);
        validation.validationResponse(keccak256("work"), 101, "", 0, "");
        vm.expectRevert(
            abi.encodeWithSelector(IAgentValidation.AgentValidationUnknownRequest.selector, keccak256("none"))
        );
        validation.validationResponse(keccak256("none"), 1, "", 0, "");
    }

    function test_getSummary_filters_averageWhatMatches() public {
        _request("one", ann.addr);
        _request("two", bob.addr);
        _request("three", bob.addr);
        _respond(ann, "one", 100, "hard");
        _respond(bob, "two", 51, "soft");
        (uint64 count, uint8 average) = validation.getSummary(agentId, new address[](0), "");
        vm.assertTrue(count == 2 && average == 75);
        (count, average) = validation.getSummary(agentId, addresses(bob.addr), "");
        vm.assertTrue(count == 1 && average == 51);
        (count, average) = validation.getSummary(agentId, new address[](0), "hard");
        vm.assertTrue(count == 1 && average == 100);
        (count, average) = validation.getSummary(agentId, addresses(owner.addr), "");
        vm.assertTrue(count == 0 && average == 0);
    }

    function _request(string memory name, address validator) private {
        vm.prank(owner.addr);
        validation.validationRequest(validator, agentId, "ipfs://work", keccak256(bytes(name)));
    }

    function _respond(Actor memory validator, string memory name, uint8 response, string memory tag) private {
        vm.prank(validator.addr);
        validation.validationResponse(keccak256(bytes(name)), response, "ipfs://evidence", keccak256("evidence"), tag);
    }
}
