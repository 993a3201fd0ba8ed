// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The part of `L2OutputOracle` (contracts-bedrock 0.17.3) that challenges need.
interface IL2OutputOracle {
    struct OutputProposal {
        bytes32 outputRoot;
        uint128 timestamp;
        uint128 l2BlockNumber;
    }

    /// @notice Reads an output; reverts when there is none at the index.
    function getL2Output(uint256 index) external view returns (OutputProposal memory);
    /// @notice Seconds from its proposal in which an output can be deleted.
    function finalizationPeriodSeconds() external view returns (uint256);
    /// @notice Deletes an output and all after it. The challenger only, none that is final.
    function deleteL2Outputs(uint256 index) external;
}

/// @title IOutputChallenges
/// @notice Whoever sees a wrong output on L1 removes it before it is final, by naming the right one and standing behind it
///         with a bond. Who disagrees names another root with twice the bond. While an answer stands, anybody removes
///         every other output of that block for nothing. The output that is final at last decides whose bonds are paid.
///
///         A removal delays withdrawals; it pays nothing out and proves nothing. So what a liar can do here is to cause
///         a delay, and it costs the bond as soon as somebody answers.
interface IOutputChallenges {
    /// @param answer Root that stands for the block at the moment; zero says that L1 tells no such block.
    /// @param bondWei What stands behind it; zero when nobody challenged.
    /// @param potWei All bonds of the game.
    /// @param finalRoot Root that became final; zero before.
    struct Game {
        bytes32 answer;
        uint256 bondWei;
        uint256 potWei;
        bytes32 finalRoot;
    }

    /// @notice An answer was given; the first of a block also removes an output.
    event OutputAnswered(
        uint256 indexed l2BlockNumber, bytes32 indexed answer, address indexed account, uint256 bondWei
    );
    /// @notice An output was removed, and all after it, whose blocks are proposed again.
    event OutputRemoved(uint256 indexed l2BlockNumber, bytes32 indexed outputRoot, uint256 index);
    /// @notice An output became final, which decides the block's game.
    event GameSettled(uint256 indexed l2BlockNumber, bytes32 indexed finalRoot);
    /// @notice A bond was paid back with its part of the bonds that lost.
    event BondPaid(uint256 indexed l2BlockNumber, address indexed account, uint256 amountWei);

    error OutputChallengesNoBond();
    error OutputChallengesWrongBond(uint256 requiredWei, uint256 sentWei);
    /// @dev The answer is the root that stands already.
    error OutputChallengesSameAnswer(bytes32 answer);
    /// @dev An answer stands against this output: removing it needs no bond.
    error OutputChallengesAlreadyAnswered(bytes32 answer);
    error OutputChallengesOtherOutput(bytes32 expected, bytes32 found);
    error OutputChallengesNoGame(uint256 l2BlockNumber);
    error OutputChallengesSettled(uint256 l2BlockNumber);
    error OutputChallengesNotFinal(uint256 finalAt);
    error OutputChallengesNothingDue(address account);
    error OutputChallengesPaymentFailed(address account);

    /// @notice Removes an output that is not final, by giving another root for its block.
    /// @dev Takes {requiredBond} exactly.
    /// @param index Of the output in the oracle.
    /// @param outputRoot That stands there, so that a reorganised L1 challenges nothing else.
    /// @param answer Root that belongs there; zero if L1 tells no such block.
    function challenge(uint256 index, bytes32 outputRoot, bytes32 answer) external payable;

    /// @notice Gives another answer than the one that stands, with twice its bond. So a proposer defends what was
    ///         challenged, and can then propose it again.
    function overbid(uint256 l2BlockNumber, bytes32 answer) external payable;

    /// @notice Removes an output that differs from the answer that stands for its block.
    function enforce(uint256 index) external;

    /// @notice Decides a block's game by its final output.
    function settle(uint256 index) external;

    /// @notice Pays an account what it has in a settled game: its bonds on the final root, and in proportion to them all
    ///         others. Bonds of a game in which nobody named the final root stay here for good.
    function pay(uint256 l2BlockNumber, address account) external;

    /// @notice What the next answer for a block takes.
    function requiredBond(uint256 l2BlockNumber) external view returns (uint256);

    /// @notice Reads a block's game; all zero when nobody challenged an output of it.
    function game(uint256 l2BlockNumber) external view returns (Game memory);
}
