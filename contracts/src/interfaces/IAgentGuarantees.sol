// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IAgentGuarantees
/// @notice What an agent stakes for: its owner guarantees a piece of work to a client with an amount of the stake behind the agent.
///         The work is a request of {IAgentValidation}, and the validator that it names decides: an answer below the pass mark, in
///         time, takes the amount from the stake and pays it to the client. Whoever wants to rely on a guarantee reads before
///         paying who decides, how much it is, and until when.
///
///         Trust: the validator alone says how the work came out; one that stays silent leaves the client with nothing, one that
///         lies cannot be corrected here. Both sides choose it: the agent's owner by the request, the client by accepting it.
///         Only stake of the agent's owner stands here, and only whoever holds all of it guarantees with it, so nobody's
///         money is pledged by another. All open guarantees of an agent together are never more than what can be slashed.
interface IAgentGuarantees {
    enum State {
        None,
        Open,
        /// Its amount went to the client.
        Forfeited,
        /// It is over, and the stake is free again.
        Ended
    }

    struct Guarantee {
        uint256 agentId;
        uint256 amountWei;
        address client;
        /// Last second in which the validator's answer counts, Unix.
        uint64 until;
        /// From then on anyone ends it: stake that was there when it was given may have left.
        uint64 endsAt;
        /// 1 to 100; an answer below it forfeits.
        uint8 passMark;
        State state;
    }

    error AgentGuaranteesZeroAddress();
    error AgentGuaranteesUnknown(bytes32 requestHash);
    error AgentGuaranteesGiven(bytes32 requestHash);
    error AgentGuaranteesAnswered(bytes32 requestHash);
    error AgentGuaranteesNotSoleStaker(uint256 agentId, address caller);
    error AgentGuaranteesPassMark(uint8 passMark);
    error AgentGuaranteesTime(uint64 until, uint64 earliest, uint64 latest);
    error AgentGuaranteesNotCovered(uint256 amountWei, uint256 coveredWei);
    error AgentGuaranteesNotFailed(bytes32 requestHash);
    error AgentGuaranteesNotOver(bytes32 requestHash, uint64 endsAt);

    event GuaranteeGiven(
        bytes32 indexed requestHash,
        uint256 indexed agentId,
        address indexed client,
        uint256 amountWei,
        uint8 passMark,
        uint64 until
    );
    event GuaranteeForfeited(
        bytes32 indexed requestHash, uint256 indexed agentId, address indexed client, uint256 paidWei, uint8 response
    );
    event GuaranteeEnded(bytes32 indexed requestHash, uint256 indexed agentId);

    /// @notice Guarantees the work of a request that is not answered yet. Whoever may stake behind the agent and holds all of its
    ///         stake only; within {coverageOf}; until half of the unbonding time from now at most, so that stake that is asked back
    ///         meanwhile is still there for the other half.
    function give(bytes32 requestHash, address client, uint256 amountWei, uint8 passMark, uint64 until) external;

    /// @notice Pays the client, when the validator's answer stands below the pass mark and came in time. Anyone may.
    /// @return paidWei The amount, or what a vote has left of it that can be slashed.
    function forfeit(bytes32 requestHash) external returns (uint256 paidWei);

    /// @notice Frees the stake: the client at any time, anyone once the work passed in time or the guarantee is over.
    function end(bytes32 requestHash) external;

    /// @notice Reads a guarantee; all zero when there is none.
    function guaranteeOf(bytes32 requestHash) external view returns (Guarantee memory);

    /// @notice Wei of an agent's open guarantees together.
    function openWeiOf(uint256 agentId) external view returns (uint256);

    /// @notice Wei that another guarantee of an agent can be of now.
    function coverageOf(uint256 agentId) external view returns (uint256);
}
