// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAgentIdentity } from "../interfaces/IAgentIdentity.sol";
import { IAgentReputation } from "../interfaces/IAgentReputation.sol";

/// @title AgentReputation
/// @notice See {IAgentReputation}.
///
///         Invariant: feedback is never changed or deleted, only marked as revoked by the client that gave it.
contract AgentReputation is IAgentReputation {
    struct Feedback {
        int128 value;
        uint8 valueDecimals;
        bool isRevoked;
        string tag1;
        string tag2;
    }

    /// @dev What `readAllFeedback` gives, kept together because the stack is short.
    struct Listing {
        address[] clients;
        uint64[] feedbackIndexes;
        int128[] values;
        uint8[] valueDecimals;
        string[] tag1s;
        string[] tag2s;
        bool[] revokedStatuses;
    }

    struct Filter {
        uint256 agentId;
        bytes32 tag1Hash;
        bytes32 tag2Hash;
        bool includeRevoked;
    }

    uint8 private constant DECIMALS_MAX = 18;
    bytes32 private constant NO_TAG = keccak256("");

    IAgentIdentity private immutable _IDENTITY;
    mapping(uint256 agentId => address[]) private _clients;
    mapping(uint256 agentId => mapping(address client => Feedback[])) private _feedback;
    mapping(uint256 agentId => mapping(address client => mapping(uint64 index => address[]))) private _responders;

    constructor(IAgentIdentity identity) {
        _IDENTITY = identity;
    }

    /// @inheritdoc IAgentReputation
    /// @dev Public and from memory, because eight arguments from call data do not fit on the stack.
    function giveFeedback(
        uint256 agentId,
        int128 value,
        uint8 valueDecimals,
        string memory tag1,
        string memory tag2,
        string memory endpoint,
        string memory feedbackURI,
        bytes32 feedbackHash
    ) public {
        uint64 index = _give(agentId, Feedback(value, valueDecimals, false, tag1, tag2));
        emit NewFeedback(
            agentId, msg.sender, index, value, valueDecimals, tag1, tag1, tag2, endpoint, feedbackURI, feedbackHash
        );
    }

    /// @inheritdoc IAgentReputation
    function revokeFeedback(uint256 agentId, uint64 feedbackIndex) external {
        Feedback storage feedback = _existing(agentId, msg.sender, feedbackIndex);
        if (feedback.isRevoked) revert AgentReputationAlreadyRevoked(agentId, msg.sender, feedbackIndex);
        feedback.isRevoked = true;
        emit FeedbackRevoked(agentId, msg.sender, feedbackIndex);
    }

    /// @inheritdoc IAgentReputation
    function appendResponse(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        string calldata responseURI,
        bytes32 responseHash
    ) external {
        _existing(agentId, clientAddress, feedbackIndex);
        _responders[agentId][clientAddress][feedbackIndex].push(msg.sender);
        emit ResponseAppended(agentId, clientAddress, feedbackIndex, msg.sender, responseURI, responseHash);
    }

    /// @inheritdoc IAgentReputation
    function getSummary(
        uint256 agentId,
        address[] calldata clientAddresses,
        string calldata tag1,
        string calldata tag2
    ) external view returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals) {
        if (clientAddresses.length == 0) revert AgentReputationNoClients();
        Filter memory filter = _filter(agentId, tag1, tag2, false);
        int256 sum;
        for (uint256 i; i < clientAddresses.length; ++i) {
            Feedback[] storage given = _feedback[agentId][clientAddresses[i]];
            for (uint256 j; j < given.length; ++j) {
                if (!_matches(given[j], filter)) continue;
                ++count;
                // at 18 decimals, the most there can be, sums are exact
                sum += int256(given[j].value) * int256(10 ** (DECIMALS_MAX - given[j].valueDecimals));
                if (given[j].valueDecimals > summaryValueDecimals) summaryValueDecimals = given[j].valueDecimals;
            }
        }
        if (count == 0) return (0, 0, 0);
        int256 average = sum / int256(uint256(count)) / int256(10 ** (DECIMALS_MAX - summaryValueDecimals));
        // a huge value with few decimals does not fit beside a small one with many: say the most that can be said
        if (average > type(int128).max) average = type(int128).max;
        if (average < type(int128).min) average = type(int128).min;
        summaryValue = int128(average);
    }

    /// @inheritdoc IAgentReputation
    function readFeedback(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex
    )
        external
        view
        returns (int128 value, uint8 valueDecimals, string memory tag1, string memory tag2, bool isRevoked)
    {
        Feedback storage feedback = _existing(agentId, clientAddress, feedbackIndex);
        return (feedback.value, feedback.valueDecimals, feedback.tag1, feedback.tag2, feedback.isRevoked);
    }

    /// @inheritdoc IAgentReputation
    /// @dev Public and from memory, because five arguments and seven results do not fit on the stack otherwise.
    function readAllFeedback(
        uint256 agentId,
        address[] memory clientAddresses,
        string memory tag1,
        string memory tag2,
        bool includeRevoked
    )
        public
        view
        returns (
            address[] memory clients,
            uint64[] memory feedbackIndexes,
            int128[] memory values,
            uint8[] memory valueDecimals,
            string[] memory tag1s,
            string[] memory tag2s,
            bool[] memory revokedStatuses
        )
    {
        if (clientAddresses.length == 0) clientAddresses = _clients[agentId];
        Listing memory listing = _list(clientAddresses, _filter(agentId, tag1, tag2, includeRevoked));
        clients = listing.clients;
        feedbackIndexes = listing.feedbackIndexes;
        values = listing.values;
        valueDecimals = listing.valueDecimals;
        tag1s = listing.tag1s;
        tag2s = listing.tag2s;
        revokedStatuses = listing.revokedStatuses;
    }

    /// @inheritdoc IAgentReputation
    function getResponseCount(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        address[] calldata responders
    ) external view returns (uint64 count) {
        if (clientAddress != address(0)) {
            return _countOf(agentId, clientAddress, feedbackIndex, responders);
        }
        address[] storage clients = _clients[agentId];
        for (uint256 i; i < clients.length; ++i) {
            count += _countOf(agentId, clients[i], feedbackIndex, responders);
        }
    }

    /// @inheritdoc IAgentReputation
    function getClients(uint256 agentId) external view returns (address[] memory) {
        return _clients[agentId];
    }

    /// @inheritdoc IAgentReputation
    function getLastIndex(uint256 agentId, address clientAddress) external view returns (uint64) {
        return uint64(_feedback[agentId][clientAddress].length);
    }

    /// @inheritdoc IAgentReputation
    function getIdentityRegistry() external view returns (address) {
        return address(_IDENTITY);
    }

    function _give(uint256 agentId, Feedback memory feedback) private returns (uint64 index) {
        if (feedback.valueDecimals > DECIMALS_MAX) revert AgentReputationInvalidDecimals(feedback.valueDecimals);
        if (_IDENTITY.isAuthorizedOrOwner(msg.sender, agentId)) {
            revert AgentReputationSelfFeedback(agentId, msg.sender);
        }
        Feedback[] storage given = _feedback[agentId][msg.sender];
        if (given.length == 0) _clients[agentId].push(msg.sender);
        given.push(feedback);
        return uint64(given.length);
    }

    function _list(address[] memory clients, Filter memory filter) private view returns (Listing memory listing) {
        uint256 count;
        for (uint256 i; i < clients.length; ++i) {
            Feedback[] storage given = _feedback[filter.agentId][clients[i]];
            for (uint256 j; j < given.length; ++j) {
                if (_matches(given[j], filter)) ++count;
            }
        }
        listing.clients = new address[](count);
        listing.feedbackIndexes = new uint64[](count);
        listing.values = new int128[](count);
        listing.valueDecimals = new uint8[](count);
        listing.tag1s = new string[](count);
        listing.tag2s = new string[](count);
        listing.revokedStatuses = new bool[](count);
        uint256 next;
        for (uint256 i; i < clients.length; ++i) {
            Feedback[] storage given = _feedback[filter.agentId][clients[i]];
            for (uint256 j; j < given.length; ++j) {
                if (!_matches(given[j], filter)) continue;
                listing.clients[next] = clients[i];
                listing.feedbackIndexes[next] = uint64(j + 1);
                _enter(listing, next++, given[j]);
            }
        }
    }

    function _enter(Listing memory listing, uint256 place, Feedback storage feedback) private view {
        listing.values[place] = feedback.value;
        listing.valueDecimals[place] = feedback.valueDecimals;
        listing.tag1s[place] = feedback.tag1;
        listing.tag2s[place] = feedback.tag2;
        listing.revokedStatuses[place] = feedback.isRevoked;
    }

    function _filter(
        uint256 agentId,
        string memory tag1,
        string memory tag2,
        bool includeRevoked
    ) private pure returns (Filter memory) {
        return Filter(agentId, keccak256(bytes(tag1)), keccak256(bytes(tag2)), includeRevoked);
    }

    function _matches(Feedback storage feedback, Filter memory filter) private view returns (bool) {
        if (feedback.isRevoked && !filter.includeRevoked) return false;
        if (filter.tag1Hash != NO_TAG && filter.tag1Hash != keccak256(bytes(feedback.tag1))) return false;
        return filter.tag2Hash == NO_TAG || filter.tag2Hash == keccak256(bytes(feedback.tag2));
    }

    function _countOf(
        uint256 agentId,
        address client,
        uint64 feedbackIndex,
        address[] calldata responders
    ) private view returns (uint64 count) {
        if (feedbackIndex != 0) {
            return _countOfOne(_responders[agentId][client][feedbackIndex], responders);
        }
        uint256 last = _feedback[agentId][client].length;
        for (uint64 index = 1; index <= last; ++index) {
            count += _countOfOne(_responders[agentId][client][index], responders);
        }
    }

    function _countOfOne(address[] storage given, address[] calldata responders) private view returns (uint64 count) {
        if (responders.length == 0) return uint64(given.length);
        for (uint256 i; i < given.length; ++i) {
            for (uint256 j; j < responders.length; ++j) {
                if (given[i] == responders[j]) {
                    ++count;
                    break;
                }
            }
        }
    }

    function _existing(uint256 agentId, address client, uint64 feedbackIndex) private view returns (Feedback storage) {
        Feedback[] storage given = _feedback[agentId][client];
        if (feedbackIndex == 0 || feedbackIndex > given.length) {
            revert AgentReputationUnknownFeedback(agentId, client, feedbackIndex);
        }
        return given[feedbackIndex - 1];
    }
}
