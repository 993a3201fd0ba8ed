// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IAgentValidation
/// @notice Validation registry of ERC-8004 (Trustless Agents, draft as of January 2026): an agent asks a named validator to
///         check its work, the validator answers from 0 to 100, once or in several steps.
interface IAgentValidation {
    error AgentValidationNotAuthorized(uint256 agentId, address caller);
    error AgentValidationZeroValidator();
    error AgentValidationRequestExists(bytes32 requestHash);
    error AgentValidationUnknownRequest(bytes32 requestHash);
    error AgentValidationNotValidator(bytes32 requestHash, address caller);
    error AgentValidationInvalidResponse(uint8 response);

    event ValidationRequest(
        address indexed validatorAddress, uint256 indexed agentId, string requestURI, bytes32 indexed requestHash
    );
    event ValidationResponse(
        address indexed validatorAddress,
        uint256 indexed agentId,
        bytes32 indexed requestHash,
        uint8 response,
        string responseURI,
        bytes32 responseHash,
        string tag
    );

    /// @notice Asks for a validation. The agent's owner or those approved by them only.
    /// @param requestHash keccak256 of the request; identifies it and can be used once.
    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external;

    /// @notice Answers a request, again where the validation goes on in steps. The named validator only.
    /// @param response 0 (failed) to 100 (passed).
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external;

    /// @notice Reads a request and its latest answer; `lastUpdate` is the time of the request until there is one. Reverts
    ///         when there is no such request.
    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (
            address validatorAddress,
            uint256 agentId,
            uint8 response,
            bytes32 responseHash,
            string memory tag,
            uint256 lastUpdate
        );

    /// @notice Says whether a request has an answer, which its status does not. Reverts when there is no such request.
    function isAnswered(bytes32 requestHash) external view returns (bool);

    /// @notice Number and average (rounded down) of an agent's latest answers: of named validators or all (none named), of
    ///         one tag or all (empty).
    function getSummary(
        uint256 agentId,
        address[] calldata validatorAddresses,
        string calldata tag
    ) external view returns (uint64 count, uint8 averageResponse);

    /// @notice Requests about an agent, in order.
    function getAgentValidations(uint256 agentId) external view returns (bytes32[] memory requestHashes);

    /// @notice Requests to a validator, in order.
    function getValidatorRequests(address validatorAddress) external view returns (bytes32[] memory requestHashes);

    /// @notice Registry that agents are known by.
    function getIdentityRegistry() external view returns (address);
}
