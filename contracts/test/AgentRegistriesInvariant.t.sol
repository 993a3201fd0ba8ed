// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { AgentIdentity } from "../src/agent/AgentIdentity.sol";
import { AgentReputation } from "../src/agent/AgentReputation.sol";
import { AgentValidation } from "../src/agent/AgentValidation.sol";
import { IAgentIdentity } from "../src/interfaces/IAgentIdentity.sol";
import { IAgentReputation } from "../src/interfaces/IAgentReputation.sol";
import { IAgentValidation } from "../src/interfaces/IAgentValidation.sol";
import { Base } from "./Base.t.sol";
import { Intruder } from "./Intruder.t.sol";

/// @notice Three people register agents, sell them, consent to be paid for them, rate, revoke, ask and answer at random, in the
///         three registries of ERC-8004, and try what is not theirs. It keeps its own books.
contract AgentRegistriesHandler is Intruder {
    bytes32 private constant _WALLET_TYPEHASH =
        keccak256("AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)");
    string private constant _NO_TEXT = "";

    AgentIdentity public immutable IDENTITY;
    AgentReputation public immutable REPUTATION;
    AgentValidation public immutable VALIDATION;

    struct Feedback {
        uint256 agentId;
        address client;
        uint64 index;
        int128 value;
        bool isRevoked;
    }

    struct Request {
        bytes32 requestHash;
        uint256 agentId;
        address validator;
        uint8 response;
    }

    Actor[3] private _people;
    uint256 private _agentCount;
    mapping(uint256 agentId => address) private _ownerOf;
    mapping(uint256 agentId => address) private _walletOf;
    Feedback[] private _feedback;
    Request[] private _requests;

    constructor() {
        IDENTITY = new AgentIdentity();
        REPUTATION = new AgentReputation(IDENTITY);
        VALIDATION = new AgentValidation(IDENTITY);
        (_people[0], _people[1], _people[2]) = (actor("ann"), actor("bob"), actor("cleo"));
        register(0);
    }

    function register(uint256 who) public {
        address owner = _people[who % 3].addr;
        vm.prank(owner);
        uint256 agentId = IDENTITY.register("ipfs://file");
        if (agentId != ++_agentCount) ++intrusions;
        (_ownerOf[agentId], _walletOf[agentId]) = (owner, owner);
    }

    function sell(uint256 which, uint256 to) external {
        uint256 agentId = _any(which);
        address owner = _ownerOf[agentId];
        vm.prank(owner);
        IDENTITY.transferFrom(owner, _people[to % 3].addr, agentId);
        // the new owner has not heard the wallet's consent, and a wallet that was asked by the old one has given none
        (_ownerOf[agentId], _walletOf[agentId]) = (_people[to % 3].addr, address(0));
    }

    function setWallet(uint256 which, uint256 who) external {
        uint256 agentId = _any(which);
        Actor memory wallet = _people[who % 3];
        address owner = _ownerOf[agentId];
        bytes memory consent = _consent(wallet, agentId, owner);
        vm.prank(owner);
        IDENTITY.setAgentWallet(agentId, wallet.addr, block.timestamp, consent);
        _walletOf[agentId] = wallet.addr;
    }

    function rate(uint256 which, uint256 who, int8 value) external {
        uint256 agentId = _any(which);
        address client = _people[who % 3].addr;
        if (client == _ownerOf[agentId]) return;
        vm.prank(client);
        REPUTATION.giveFeedback(agentId, value, 0, "tag", _NO_TEXT, _NO_TEXT, _NO_TEXT, 0);
        _feedback.push(Feedback(agentId, client, REPUTATION.getLastIndex(agentId, client), value, false));
    }

    function revoke(uint256 which) external {
        if (_feedback.length == 0) return;
        Feedback storage feedback = _feedback[which % _feedback.length];
        if (feedback.isRevoked) return;
        vm.prank(feedback.client);
        REPUTATION.revokeFeedback(feedback.agentId, feedback.index);
        feedback.isRevoked = true;
    }

    function ask(uint256 which, uint256 who) external {
        uint256 agentId = _any(which);
        bytes32 requestHash = keccak256(abi.encode(_requests.length));
        vm.prank(_ownerOf[agentId]);
        VALIDATION.validationRequest(_people[who % 3].addr, agentId, _NO_TEXT, requestHash);
        _requests.push(Request(requestHash, agentId, _people[who % 3].addr, 0));
    }

    function answer(uint256 which, uint8 response) external {
        if (_requests.length == 0) return;
        Request storage request = _requests[which % _requests.length];
        response %= 101;
        vm.prank(request.validator);
        VALIDATION.validationResponse(request.requestHash, response, _NO_TEXT, 0, _NO_TEXT);
        request.response = response;
    }

    /// @dev Whoever does not own an agent acts for it, its owner rates it, and somebody answers what another was asked.
    function intrude(uint256 which, uint256 who) external {
        uint256 agentId = _any(which);
        Actor memory caller = _people[who % 3];
        address owner = _ownerOf[agentId];
        if (caller.addr == owner) {
            attempt(
                caller.addr,
                address(REPUTATION),
                abi.encodeCall(
                    IAgentReputation.giveFeedback, (agentId, 100, 0, _NO_TEXT, _NO_TEXT, _NO_TEXT, _NO_TEXT, 0)
                )
            );
        } else {
            bytes memory consent = _consent(caller, agentId, owner);
            attempt(
                caller.addr,
                address(IDENTITY),
                abi.encodeCall(IAgentIdentity.setAgentWallet, (agentId, caller.addr, block.timestamp, consent))
            );
            attempt(caller.addr, address(IDENTITY), abi.encodeCall(IAgentIdentity.unsetAgentWallet, (agentId)));
            attempt(caller.addr, address(IDENTITY), abi.encodeCall(IAgentIdentity.setAgentURI, (agentId, "ipfs://x")));
            attempt(
                caller.addr,
                address(IDENTITY),
                abi.encodeWithSignature("transferFrom(address,address,uint256)", owner, caller.addr, agentId)
            );
            attempt(
                caller.addr,
                address(VALIDATION),
                abi.encodeCall(
                    IAgentValidation.validationRequest, (caller.addr, agentId, _NO_TEXT, keccak256(abi.encode(which)))
                )
            );
        }
        if (_feedback.length != 0) {
            Feedback memory feedback = _feedback[which % _feedback.length];
            if (feedback.index > REPUTATION.getLastIndex(feedback.agentId, caller.addr)) {
                attempt(
                    caller.addr,
                    address(REPUTATION),
                    abi.encodeCall(IAgentReputation.revokeFeedback, (feedback.agentId, feedback.index))
                );
            }
        }
        if (_requests.length == 0) return;
        Request memory request = _requests[which % _requests.length];
        if (request.validator == caller.addr) return;
        attempt(
            caller.addr,
            address(VALIDATION),
            abi.encodeCall(IAgentValidation.validationResponse, (request.requestHash, 100, _NO_TEXT, 0, _NO_TEXT))
        );
    }

    function changedAgents() external view returns (uint256 changed) {
        for (uint256 agentId = 1; agentId <= _agentCount; ++agentId) {
            if (IDENTITY.ownerOf(agentId) != _ownerOf[agentId]) ++changed;
            if (IDENTITY.getAgentWallet(agentId) != _walletOf[agentId]) ++changed;
        }
    }

    function changedFeedback() external view returns (uint256 changed) {
        for (uint256 i; i < _feedback.length; ++i) {
            Feedback memory feedback = _feedback[i];
            (int128 value,,,, bool isRevoked) =
                REPUTATION.readFeedback(feedback.agentId, feedback.client, feedback.index);
            if (value != feedback.value || isRevoked != feedback.isRevoked) ++changed;
        }
    }

    /// @dev Each agent's summary by all three, against a count by hand.
    function wrongSummaries() external view returns (uint256 wrong) {
        address[] memory clients = new address[](3);
        for (uint256 i; i < 3; ++i) {
            clients[i] = _people[i].addr;
        }
        for (uint256 agentId = 1; agentId <= _agentCount; ++agentId) {
            (uint64 count, int128 average,) = REPUTATION.getSummary(agentId, clients, _NO_TEXT, _NO_TEXT);
            int256 sum;
            int256 standing;
            for (uint256 i; i < _feedback.length; ++i) {
                if (_feedback[i].agentId != agentId || _feedback[i].isRevoked) continue;
                sum += _feedback[i].value;
                ++standing;
            }
            if (int256(uint256(count)) != standing) ++wrong;
            else if (standing != 0 && average != sum / standing) ++wrong;
        }
    }

    function changedRequests() external view returns (uint256 changed) {
        for (uint256 i; i < _requests.length; ++i) {
            Request memory request = _requests[i];
            (address validator, uint256 agentId, uint8 response,,,) =
                VALIDATION.getValidationStatus(request.requestHash);
            if (validator != request.validator || agentId != request.agentId || response != request.response) {
                ++changed;
            }
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](8);
        (list[0], list[1], list[2]) = (this.register.selector, this.sell.selector, this.setWallet.selector);
        (list[3], list[4]) = (this.rate.selector, this.revoke.selector);
        (list[5], list[6], list[7]) = (this.ask.selector, this.answer.selector, this.intrude.selector);
    }

    function _any(uint256 which) private view returns (uint256) {
        return which % _agentCount + 1;
    }

    function _consent(Actor memory wallet, uint256 agentId, address owner) private view returns (bytes memory) {
        (, string memory name, string memory version, uint256 chainId, address registry,,) = IDENTITY.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                registry
            )
        );
        return signTyped(
            wallet, domain, keccak256(abi.encode(_WALLET_TYPEHASH, agentId, wallet.addr, owner, block.timestamp))
        );
    }
}

contract AgentRegistries_Invariant_Test is Base {
    AgentRegistriesHandler internal handler;

    function setUp() public {
        vm.warp(NOON);
        handler = new AgentRegistriesHandler();
        target(address(handler), handler.selectors());
    }

    /// @dev Owners are who bought, and a wallet is one that consented to the owner of now.
    function invariant_agents_areTheirOwnersAndWalletsConsented() public view {
        vm.assertEq(handler.changedAgents(), 0);
    }

    function invariant_feedback_staysAndSumsUp() public view {
        vm.assertEq(handler.changedFeedback(), 0);
        vm.assertEq(handler.wrongSummaries(), 0);
    }

    function invariant_validations_areTheNamedValidators() public view {
        vm.assertEq(handler.changedRequests(), 0);
    }

    function invariant_strangers_getNothingThrough() public view {
        vm.assertEq(handler.intrusions(), 0);
    }
}
