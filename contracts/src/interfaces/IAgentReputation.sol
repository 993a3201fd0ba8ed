// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IAgentReputation
/// @notice Reputation registry of ERC-8004 (Trustless Agents, draft as of January 2026): clients rate agents, anyone
///         responds, everything can be read on chain. Who counts as an honest client is the reader's choice: every
///         summary is over clients that the reader names.
interface IAgentReputation {
    error AgentReputationInvalidDecimals(uint8 valueDecimals);
    error AgentReputationSelfFeedback(uint256 agentId, address caller);
    error AgentReputationUnknownFeedback(uint256 agentId, address clientAddress, uint64 feedbackIndex);
    error AgentReputationAlreadyRevoked(uint256 agentId, address clientAddress, uint64 feedbackIndex);
    error AgentReputationNoClients();

    event NewFeedback(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        int128 value,
        uint8 valueDecimals,
        string indexed indexedTag1,
        string tag1,
        string tag2,
        string endpoint,
        string feedbackURI,
        bytes32 feedbackHash
    );
    event FeedbackRevoked(uint256 indexed agentId, address indexed clientAddress, uint64 indexed feedbackIndex);
    event ResponseAppended(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        address indexed responder,
        string responseURI,
        bytes32 responseHash
    );

    /// @notice Rates an agent. Not for its owner or those approved by them.
    /// @param value Fixed-point with `valueDecimals` (0 to 18) decimals.
    /// @param feedbackHash keccak256 of the content behind `feedbackURI`; zero where the URI is content-addressed.
    function giveFeedback(
        uint256 agentId,
        int128 value,
        uint8 valueDecimals,
        string calldata tag1,
        string calldata tag2,
        string calldata endpoint,
        string calldata feedbackURI,
        bytes32 feedbackHash
    ) external;

    /// @notice Takes the caller's own feedback back; it stays readable as revoked.
    function revokeFeedback(uint256 agentId, uint64 feedbackIndex) external;

    /// @notice Answers a feedback: a refund shown, spam marked. Anyone may.
    function appendResponse(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        string calldata responseURI,
        bytes32 responseHash
    ) external;

    /// @notice Number and average of the feedback of named clients that is not revoked; empty tags match all.
    /// @return count Feedback counted.
    /// @return summaryValue Average, rounded towards zero, with `summaryValueDecimals`.
    /// @return summaryValueDecimals Most decimals among the values counted.
    function getSummary(
        uint256 agentId,
        address[] calldata clientAddresses,
        string calldata tag1,
        string calldata tag2
    ) external view returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals);

    /// @notice Reads one feedback; indices count from 1. Reverts when there is none.
    function readFeedback(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex
    ) external view returns (int128 value, uint8 valueDecimals, string memory tag1, string memory tag2, bool isRevoked);

    /// @notice Reads all feedback of the named clients (all clients when none is named); empty tags match all.
    function readAllFeedback(
        uint256 agentId,
        address[] calldata clientAddresses,
        string calldata tag1,
        string calldata tag2,
        bool includeRevoked
    )
        external
        view
        returns (
            address[] memory clients,
            uint64[] memory feedbackIndexes,
            int128[] memory values,
            uint8[] memory valueDecimals,
            string[] memory tag1s,
            string[] memory tag2s,
            bool[] memory revokedStatuses
        );

    /// @notice Number of responses to feedback: of one client or all (zero address), one index or all (0), named
    ///         responders or all (none named).
    function getResponseCount(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        address[] calldata responders
    ) external view returns (uint64 count);

    /// @notice Accounts that have rated an agent, in order of their first feedback.
    function getClients(uint256 agentId) external view returns (address[] memory);

    /// @notice Index of a client's latest feedback about an agent; 0 when there is none.
    function getLastIndex(uint256 agentId, address clientAddress) external view returns (uint64);

    /// @notice Registry that agents are known by.
    function getIdentityRegistry() external view returns (address);
}
