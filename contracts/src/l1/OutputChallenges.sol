// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IL2OutputOracle, IOutputChallenges } from "../interfaces/IOutputChallenges.sol";

/// @title OutputChallenges
/// @notice See {IOutputChallenges}. Holds the oracle's CHALLENGER role, which can do one thing: delete outputs that are
///         not final. Nobody owns it and nothing in it can be changed.
///
///         Invariant: bonds leave only to those who stood behind the root that became final, and never more than the
///         game's pot.
contract OutputChallenges is IOutputChallenges {
    IL2OutputOracle public immutable ORACLE;
    /// @notice What the first challenge of a block takes, in wei of L1's currency.
    uint256 public immutable FIRST_BOND;

    mapping(uint256 l2BlockNumber => Game) private _games;
    mapping(uint256 l2BlockNumber => mapping(bytes32 root => uint256)) private _stakeOn;
    mapping(uint256 l2BlockNumber => mapping(bytes32 root => mapping(address account => uint256))) private _stakeOf;

    constructor(IL2OutputOracle oracle, uint256 firstBond) {
        if (firstBond == 0) revert OutputChallengesNoBond();
        ORACLE = oracle;
        FIRST_BOND = firstBond;
    }

    /// @inheritdoc IOutputChallenges
    function challenge(uint256 index, bytes32 outputRoot, bytes32 answer) external payable {
        IL2OutputOracle.OutputProposal memory output = ORACLE.getL2Output(index);
        if (output.outputRoot != outputRoot) revert OutputChallengesOtherOutput(outputRoot, output.outputRoot);
        if (answer == outputRoot) revert OutputChallengesSameAnswer(answer);
        Game storage current = _games[output.l2BlockNumber];
        if (current.bondWei != 0 && current.answer != outputRoot) {
            revert OutputChallengesAlreadyAnswered(current.answer);
        }
        _give(output.l2BlockNumber, answer);
        _remove(index, output);
    }

    /// @inheritdoc IOutputChallenges
    function overbid(uint256 l2BlockNumber, bytes32 answer) external payable {
        Game storage current = _games[l2BlockNumber];
        if (current.bondWei == 0) revert OutputChallengesNoGame(l2BlockNumber);
        if (current.finalRoot != 0) revert OutputChallengesSettled(l2BlockNumber);
        if (current.answer == answer) revert OutputChallengesSameAnswer(answer);
        _give(l2BlockNumber, answer);
    }

    /// @inheritdoc IOutputChallenges
    function enforce(uint256 index) external {
        IL2OutputOracle.OutputProposal memory output = ORACLE.getL2Output(index);
        Game storage current = _games[output.l2BlockNumber];
        if (current.bondWei == 0) revert OutputChallengesNoGame(output.l2BlockNumber);
        if (current.answer == output.outputRoot) revert OutputChallengesSameAnswer(current.answer);
        _remove(index, output);
    }

    /// @inheritdoc IOutputChallenges
    function settle(uint256 index) external {
        IL2OutputOracle.OutputProposal memory output = ORACLE.getL2Output(index);
        Game storage current = _games[output.l2BlockNumber];
        if (current.bondWei == 0) revert OutputChallengesNoGame(output.l2BlockNumber);
        if (current.finalRoot != 0) revert OutputChallengesSettled(output.l2BlockNumber);
        // the oracle deletes nothing from that second on
        uint256 finalAt = output.timestamp + ORACLE.finalizationPeriodSeconds();
        if (block.timestamp < finalAt) revert OutputChallengesNotFinal(finalAt);
        current.finalRoot = output.outputRoot;
        emit GameSettled(output.l2BlockNumber, output.outputRoot);
    }

    /// @inheritdoc IOutputChallenges
    function pay(uint256 l2BlockNumber, address account) external {
        Game storage current = _games[l2BlockNumber];
        bytes32 root = current.finalRoot;
        uint256 stake = _stakeOf[l2BlockNumber][root][account];
        if (root == 0 || stake == 0) revert OutputChallengesNothingDue(account);
        uint256 amount = stake * current.potWei / _stakeOn[l2BlockNumber][root];
        _stakeOf[l2BlockNumber][root][account] = 0;
        emit BondPaid(l2BlockNumber, account, amount);
        (bool succeeded,) = account.call{ value: amount }("");
        if (!succeeded) revert OutputChallengesPaymentFailed(account);
    }

    /// @inheritdoc IOutputChallenges
    function requiredBond(uint256 l2BlockNumber) public view returns (uint256) {
        uint256 last = _games[l2BlockNumber].bondWei;
        return last == 0 ? FIRST_BOND : 2 * last;
    }

    /// @inheritdoc IOutputChallenges
    function game(uint256 l2BlockNumber) external view returns (Game memory) {
        return _games[l2BlockNumber];
    }

    function _give(uint256 l2BlockNumber, bytes32 answer) private {
        uint256 required = requiredBond(l2BlockNumber);
        if (msg.value != required) revert OutputChallengesWrongBond(required, msg.value);
        Game storage current = _games[l2BlockNumber];
        current.answer = answer;
        current.bondWei = required;
        current.potWei += required;
        _stakeOn[l2BlockNumber][answer] += required;
        _stakeOf[l2BlockNumber][answer][msg.sender] += required;
        emit OutputAnswered(l2BlockNumber, answer, msg.sender, required);
    }

    /// @dev The oracle refuses what is final.
    function _remove(uint256 index, IL2OutputOracle.OutputProposal memory output) private {
        emit OutputRemoved(output.l2BlockNumber, output.outputRoot, index);
        ORACLE.deleteL2Outputs(index);
    }
}
