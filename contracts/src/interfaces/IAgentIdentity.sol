// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IAgentIdentity
/// @notice Identity registry of ERC-8004 (Trustless Agents, draft as of January 2026): an agent is an ERC-721 token whose
///         URI leads to its registration file, with metadata on chain.
interface IAgentIdentity {
    struct MetadataEntry {
        string metadataKey;
        bytes metadataValue;
    }

    error AgentIdentityNotAuthorized(uint256 agentId, address caller);
    error AgentIdentityReservedKey(string metadataKey);
    error AgentIdentityZeroWallet();
    error AgentIdentityDeadlineOutOfRange(uint256 deadline, uint256 earliest, uint256 latest);
    error AgentIdentityInvalidSignature(address wallet);

    event Registered(uint256 indexed agentId, string agentURI, address indexed owner);
    event URIUpdated(uint256 indexed agentId, string newURI, address indexed updatedBy);
    event MetadataSet(
        uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, bytes metadataValue
    );

    /// @notice Registers an agent owned by the caller. Its wallet is the caller.
    /// @return agentId 1, 2, 3, ...
    function register() external returns (uint256 agentId);

    /// @notice Registers an agent with the URI of its registration file.
    function register(string calldata agentURI) external returns (uint256 agentId);

    /// @notice Registers an agent with the URI of its registration file and metadata; the key `agentWallet` is reserved.
    function register(string calldata agentURI, MetadataEntry[] calldata metadata) external returns (uint256 agentId);

    /// @notice Points to a new registration file. Owner or approved operator only.
    function setAgentURI(uint256 agentId, string calldata newURI) external;

    /// @notice Sets metadata; the key `agentWallet` is reserved. Owner or approved operator only.
    function setMetadata(uint256 agentId, string calldata metadataKey, bytes calldata metadataValue) external;

    /// @notice Names the account that the agent is paid at, proven by that account's signature. Owner or approved operator
    ///         only.
    /// @param deadline Last second at which the signature counts, at most five minutes away.
    /// @param signature By `newWallet` (key or ERC-1271), EIP-712 over `AgentWalletSet(uint256 agentId,address
    ///        newWallet,address owner,uint256 deadline)`, domain "ERC8004IdentityRegistry", "1".
    function setAgentWallet(uint256 agentId, address newWallet, uint256 deadline, bytes calldata signature) external;

    /// @notice Forgets the account that the agent is paid at. Owner or approved operator only.
    function unsetAgentWallet(uint256 agentId) external;

    /// @notice Reads metadata; empty when unset.
    function getMetadata(uint256 agentId, string calldata metadataKey) external view returns (bytes memory);

    /// @notice Account that the agent is paid at; zero when unset, as after a transfer. Reverts when there is no agent.
    function getAgentWallet(uint256 agentId) external view returns (address);

    /// @notice Says whether an account may act for an agent: its owner, or approved by them. Reverts when there is no agent.
    function isAuthorizedOrOwner(address spender, uint256 agentId) external view returns (bool);
}
