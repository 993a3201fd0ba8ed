// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAgentIdentity } from "../interfaces/IAgentIdentity.sol";
import { IAgentValidation } from "../interfaces/IAgentValidation.sol";

/// @title AgentValidation
/// @notice See {IAgentValidation}.
///
///         Invariant: only the validator that a request names answers it.
contract AgentValidation is IAgentValidation {
    struct Request {
        address validator;
        uint64 lastUpdate;
        uint8 response;
        bool isAnswered;
        uint256 agentId;
        bytes32 responseHash;
        string tag;
    }

    uint8 private constant RESPONSE_MAX = 100;
    bytes32 private constant NO_TAG = keccak256("");

    IAgentIdentity private immutable _IDENTITY;
    mapping(bytes32 requestHash => Request) private _requests;
    mapping(uint256 agentId => bytes32[]) private _ofAgent;
    mapping(address validator => bytes32[]) private _ofValidator;

    constructor(IAgentIdentity identity) {
        _IDENTITY = identity;
    }

    /// @inheritdoc IAgentValidation
    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external {
        if (validatorAddress == address(0)) revert AgentValidationZeroValidator();
        if (!_IDENTITY.isAuthorizedOrOwner(msg.sender, agentId)) {
            revert AgentValidationNotAuthorized(agentId, msg.sender);
        }
        Request storage request = _requests[requestHash];
        if (request.validator != address(0)) revert AgentValidationRequestExists(requestHash);

        request.validator = validatorAddress;
        request.lastUpdate = uint64(block.timestamp);
        request.agentId = agentId;
        _ofAgent[agentId].push(requestHash);
        _ofValidator[validatorAddress].push(requestHash);
        emit ValidationRequest(validatorAddress, agentId, requestURI, requestHash);
    }

    /// @inheritdoc IAgentValidation
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external {
        Request storage request = _existing(requestHash);
        if (request.validator != msg.sender) revert AgentValidationNotValidator(requestHash, msg.sender);
        if (response > RESPONSE_MAX) revert AgentValidationInvalidResponse(response);

        request.lastUpdate = uint64(block.timestamp);
        request.response = response;
        request.isAnswered = true;
        request.responseHash = responseHash;
        request.tag = tag;
        emit ValidationResponse(msg.sender, request.agentId, requestHash, response, responseURI, responseHash, tag);
    }

    /// @inheritdoc IAgentValidation
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
        )
    {
        Request storage request = _existing(requestHash);
        return
            (
                request.validator,
                request.agentId,
                request.response,
                request.responseHash,
                request.tag,
                request.lastUpdate
            );
    }

    /// @inheritdoc IAgentValidation
    function isAnswered(bytes32 requestHash) external view returns (bool) {
        return _existing(requestHash).isAnswered;
    }

    /// @inheritdoc IAgentValidation
    function getSummary(
        uint256 agentId,
        address[] calldata validatorAddresses,
        string calldata tag
    ) external view returns (uint64 count, uint8 averageResponse) {
        bytes32 tagHash = keccak256(bytes(tag));
        bytes32[] storage requestHashes = _ofAgent[agentId];
        uint256 sum;
        for (uint256 i; i < requestHashes.length; ++i) {
            Request storage request = _requests[requestHashes[i]];
            if (!request.isAnswered || !_isAmong(request.validator, validatorAddresses)) continue;
            if (tagHash != NO_TAG && tagHash != keccak256(bytes(request.tag))) continue;
            ++count;
            sum += request.response;
        }
        // at most RESPONSE_MAX
        if (count != 0) averageResponse = uint8(sum / count);
    }

    /// @inheritdoc IAgentValidation
    function getAgentValidations(uint256 agentId) external view returns (bytes32[] memory requestHashes) {
        return _ofAgent[agentId];
    }

    /// @inheritdoc IAgentValidation
    function getValidatorRequests(address validatorAddress) external view returns (bytes32[] memory requestHashes) {
        return _ofValidator[validatorAddress];
    }

    /// @inheritdoc IAgentValidation
    function getIdentityRegistry() external view returns (address) {
        return address(_IDENTITY);
    }

    /// @dev An empty list names everyone.
    function _isAmong(address validator, address[] calldata validators) private pure returns (bool) {
        for (uint256 i; i < validators.length; ++i) {
            if (validators[i] == validator) return true;
        }
        return validators.length == 0;
    }

    function _existing(bytes32 requestHash) private view returns (Request storage request) {
        request = _requests[requestHash];
        if (request.validator == address(0)) revert AgentValidationUnknownRequest(requestHash);
    }
}
