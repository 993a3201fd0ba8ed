// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IL2OutputOracle, IOutputChallenges } from "../src/interfaces/IOutputChallenges.sol";
import { OutputChallenges } from "../src/l1/OutputChallenges.sol";
import { Base, Refuser } from "./Base.t.sol";

/// @notice The rules of `L2OutputOracle` 1.8.0 that matter here: blocks in order, one proposer, one challenger, and
///         nothing deleted that is final. The audited contract itself is driven by the node's tests.
contract Oracle is IL2OutputOracle {
    uint256 public constant finalizationPeriodSeconds = 100;
    uint256 private constant _INTERVAL = 5;

    address public challenger;
    OutputProposal[] private _outputs;

    function setChallenger(address account) external {
        challenger = account;
    }

    function propose(bytes32 root) external {
        _outputs.push(OutputProposal(root, uint128(block.timestamp), uint128((_outputs.length + 1) * _INTERVAL)));
    }

    function getL2Output(uint256 index) external view returns (OutputProposal memory) {
        return _outputs[index];
    }

    function deleteL2Outputs(uint256 index) external {
        require(msg.sender == challenger, "only the challenger");
        require(block.timestamp - _outputs[index].timestamp < finalizationPeriodSeconds, "final");
        while (_outputs.length > index) _outputs.pop();
    }

    function count() external view returns (uint256) {
        return _outputs.length;
    }
}

contract OutputChallenges_Test is Base {
    bytes32 internal constant RIGHT = keccak256("right");
    bytes32 internal constant WRONG = keccak256("wrong");
    bytes32 internal constant OTHER = keccak256("other");
    uint256 internal constant BOND = 1 ether;

    Oracle internal oracle;
    OutputChallenges internal challenges;
    address internal proposer;
    address internal challenger;

    function setUp() public {
        vm.warp(NOON);
        proposer = richActor("proposer").addr;
        challenger = richActor("challenger").addr;
        oracle = new Oracle();
        challenges = new OutputChallenges(oracle, BOND);
        oracle.setChallenger(address(challenges));
    }

    function _challenge(address who, uint256 index, bytes32 root, bytes32 answer, uint256 value) internal {
        vm.prank(who);
        challenges.challenge{ value: value }(index, root, answer);
    }

    function _finalise(uint256 index) internal {
        vm.warp(block.timestamp + 100);
        challenges.settle(index);
    }

    function _gain(uint256 number, address who) internal returns (int256) {
        challenges.pay(number, who);
        return int256(who.balance) - 1_000_000 ether;
    }
}

contract OutputChallenges_challenge_Test is OutputChallenges_Test {
    function test_challenge_wrongOutput_isRemovedAndTheBondComesBack() public {
        oracle.propose(WRONG);
        oracle.propose(WRONG);
        _challenge(challenger, 0, WRONG, RIGHT, BOND);
        vm.snapshotGasLastCall("OutputChallenges", "challenge, 2 outputs");
        vm.assertEq(oracle.count(), 0);

        oracle.propose(RIGHT);
        _finalise(0);
        vm.assertTrue(_gain(5, challenger) == 0);
    }

    function test_challenge_lie_losesTheBondToWhoAnswered() public {
        oracle.propose(RIGHT);
        _challenge(challenger, 0, RIGHT, WRONG, BOND);
        vm.prank(proposer);
        challenges.overbid{ value: 2 * BOND }(5, RIGHT);
        oracle.propose(RIGHT);
        _finalise(0);

        vm.assertTrue(_gain(5, proposer) == int256(BOND));
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesNothingDue.selector, challenger));
        challenges.pay(5, challenger);
    }

    function test_challenge_persistentLiar_paysEveryRound() public {
        oracle.propose(WRONG);
        _challenge(challenger, 0, WRONG, RIGHT, BOND);
        vm.prank(proposer);
        challenges.overbid{ value: 2 * BOND }(5, WRONG);
        oracle.propose(WRONG);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesSameAnswer.selector, WRONG));
        challenges.enforce(0);
        _challenge(challenger, 0, WRONG, RIGHT, 4 * BOND);
        oracle.propose(RIGHT);
        _finalise(0);
        vm.assertTrue(_gain(5, challenger) == int256(2 * BOND));
        vm.assertEq(address(challenges).balance, 0);
    }

    function test_challenge_finalOutput_isRefusedByTheOracle() public {
        oracle.propose(WRONG);
        vm.warp(block.timestamp + 100);
        vm.expectRevert("final");
        _challenge(challenger, 0, WRONG, RIGHT, BOND);
    }

    function test_challenge_otherOutputAfterReorganisation_touchesNothing() public {
        oracle.propose(RIGHT);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesOtherOutput.selector, WRONG, RIGHT));
        _challenge(challenger, 0, WRONG, RIGHT, BOND);
        vm.assertEq(oracle.count(), 1);
    }

    function test_challenge_wrongBond_isRefused() public {
        oracle.propose(WRONG);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesWrongBond.selector, BOND, BOND - 1));
        _challenge(challenger, 0, WRONG, RIGHT, BOND - 1);
    }

    function test_challenge_sameAnswerAsTheOutput_isRefused() public {
        oracle.propose(RIGHT);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesSameAnswer.selector, RIGHT));
        _challenge(challenger, 0, RIGHT, RIGHT, BOND);
    }
}

contract OutputChallenges_enforce_Test is OutputChallenges_Test {
    function test_enforce_everyOtherLie_isRemovedWithoutAnotherBond() public {
        oracle.propose(WRONG);
        _challenge(challenger, 0, WRONG, RIGHT, BOND);
        // a liar with a new root each time would lock up bond after bond if each needed its own
        for (uint256 i; i < 8; ++i) {
            oracle.propose(keccak256(abi.encode("lie", i)));
            challenges.enforce(0);
            vm.assertEq(oracle.count(), 0);
        }
        oracle.propose(OTHER);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesAlreadyAnswered.selector, RIGHT));
        _challenge(challenger, 0, OTHER, RIGHT, 2 * BOND);
    }

    function test_enforce_withoutGame_isRefused() public {
        oracle.propose(RIGHT);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesNoGame.selector, 5));
        challenges.enforce(0);
    }
}

contract OutputChallenges_settle_Test is OutputChallenges_Test {
    function test_settle_beforeItIsFinal_isRefused() public {
        oracle.propose(WRONG);
        _challenge(challenger, 0, WRONG, RIGHT, BOND);
        oracle.propose(RIGHT);
        vm.expectRevert(
            abi.encodeWithSelector(IOutputChallenges.OutputChallengesNotFinal.selector, block.timestamp + 100)
        );
        challenges.settle(0);
    }

    function test_settle_twice_isRefusedAndNothingIsOverbidAfter() public {
        oracle.propose(WRONG);
        _challenge(challenger, 0, WRONG, RIGHT, BOND);
        oracle.propose(RIGHT);
        _finalise(0);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesSettled.selector, 5));
        challenges.settle(0);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesSettled.selector, 5));
        vm.prank(proposer);
        challenges.overbid{ value: 2 * BOND }(5, WRONG);
    }

    function test_settle_rootThatNobodyNamed_keepsTheBondsForGood() public {
        oracle.propose(WRONG);
        _challenge(challenger, 0, WRONG, bytes32(0), BOND);
        // nobody enforced the answer, so the output became final against it
        oracle.propose(RIGHT);
        _finalise(0);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesNothingDue.selector, challenger));
        challenges.pay(5, challenger);
        vm.assertEq(address(challenges).balance, BOND);
    }

    function test_pay_accountThatTakesNoMoney_blocksNobodyElse() public {
        address refuser = address(new Refuser());
        vm.deal(refuser, BOND);
        oracle.propose(WRONG);
        _challenge(refuser, 0, WRONG, RIGHT, BOND);
        vm.prank(proposer);
        challenges.overbid{ value: 2 * BOND }(5, WRONG);
        oracle.propose(WRONG);
        _challenge(challenger, 0, WRONG, RIGHT, 4 * BOND);
        oracle.propose(RIGHT);
        _finalise(0);
        vm.expectRevert(abi.encodeWithSelector(IOutputChallenges.OutputChallengesPaymentFailed.selector, refuser));
        challenges.pay(5, refuser);
        vm.assertTrue(_gain(5, challenger) == int256(uint256(2 * BOND) * 4 / 5));
    }

    /// @dev Whatever two sides do in whatever order, no game pays more than was put in.
    function testFuzz_pay_neverMoreThanThePot(bytes32 seed, uint8 rounds) public {
        rounds = uint8(bound(rounds, 1, 12));
        bytes32[3] memory roots = [RIGHT, WRONG, OTHER];
        bytes32 standing = WRONG;
        oracle.propose(WRONG);
        for (uint256 i; i < rounds; ++i) {
            bytes32 answer = roots[uint256(keccak256(abi.encode(seed, i))) % 3];
            if (answer == standing) continue;
            address who = i % 2 == 0 ? challenger : proposer;
            uint256 value = challenges.requiredBond(5);
            bool isFirst = challenges.game(5).bondWei == 0;
            vm.prank(who);
            if (isFirst) challenges.challenge{ value: value }(0, WRONG, answer);
            else challenges.overbid{ value: value }(5, answer);
            standing = answer;
        }
        if (challenges.game(5).bondWei == 0) return;
        oracle.propose(standing);
        uint256 pot = address(challenges).balance;
        vm.assertEq(pot, challenges.game(5).potWei);
        _finalise(0);
        uint256 before = challenger.balance + proposer.balance;
        try challenges.pay(5, challenger) { } catch { }
        try challenges.pay(5, proposer) { } catch { }
        uint256 paid = challenger.balance + proposer.balance - before;
        vm.assertLe(paid, pot, "more than the pot");
        vm.assertGe(paid + 2, pot, "dust at most");
    }
}

/// @notice Four accounts answer, outbid and enforce over the blocks of a chain in any order, a proposer proposes rights and lies
///         again and again, and what becomes final is settled and paid. It keeps its own books of bonds.
contract OutputChallengesHandler is Base {
    uint256 private constant _INTERVAL = 5;

    Oracle public immutable ORACLE;
    OutputChallenges public immutable CHALLENGES;
    address[4] private _accounts;
    bytes32[3] private _roots = [keccak256("right"), keccak256("wrong"), keccak256("other")];
    uint256 private _highest;
    /// @dev By block: what was put in, what was paid out, and what each account put on each root.
    mapping(uint256 number => uint256) private _potOf;
    mapping(uint256 number => uint256) private _paidOf;
    mapping(uint256 number => mapping(bytes32 root => mapping(address account => uint256))) private _bondOf;
    mapping(uint256 number => mapping(bytes32 root => uint256)) private _bondsOn;
    /// @dev Payments that are not the account's part of the pot.
    uint256 public wronglyPaid;

    constructor() {
        ORACLE = new Oracle();
        CHALLENGES = new OutputChallenges(ORACLE, 1 ether);
        ORACLE.setChallenger(address(CHALLENGES));
        for (uint256 i; i < 4; ++i) {
            _accounts[i] = actor(string.concat("account", vm.toString(i))).addr;
        }
    }

    function propose(uint256 seed) external {
        // so that games meet again
        if (ORACLE.count() == 12) return;
        ORACLE.propose(_roots[seed % 3]);
        if (ORACLE.count() * _INTERVAL > _highest) _highest = ORACLE.count() * _INTERVAL;
    }

    function wait(uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 1, 60));
    }

    function challenge(uint256 who, uint256 index, uint256 answer) external {
        if (ORACLE.count() == 0) return;
        index %= ORACLE.count();
        IL2OutputOracle.OutputProposal memory output = ORACLE.getL2Output(index);
        IOutputChallenges.Game memory game = CHALLENGES.game(output.l2BlockNumber);
        bytes32 root = _roots[answer % 3];
        if (root == output.outputRoot || _isFinal(output)) return;
        if (game.bondWei != 0 && game.answer != output.outputRoot) return;
        uint256 bond = _give(_accounts[who % 4], output.l2BlockNumber, root);
        if (bond == 0) return;
        vm.prank(_accounts[who % 4]);
        CHALLENGES.challenge{ value: bond }(index, output.outputRoot, root);
    }

    function overbid(uint256 who, uint256 number, uint256 answer) external {
        if (_highest == 0) return;
        number = _INTERVAL * (number % (_highest / _INTERVAL) + 1);
        IOutputChallenges.Game memory game = CHALLENGES.game(number);
        bytes32 root = _roots[answer % 3];
        if (game.bondWei == 0 || game.finalRoot != 0 || game.answer == root) return;
        uint256 bond = _give(_accounts[who % 4], number, root);
        if (bond == 0) return;
        vm.prank(_accounts[who % 4]);
        CHALLENGES.overbid{ value: bond }(number, root);
    }

    function enforce(uint256 index) external {
        if (ORACLE.count() == 0) return;
        index %= ORACLE.count();
        IL2OutputOracle.OutputProposal memory output = ORACLE.getL2Output(index);
        IOutputChallenges.Game memory game = CHALLENGES.game(output.l2BlockNumber);
        if (game.bondWei == 0 || game.answer == output.outputRoot || _isFinal(output)) return;
        CHALLENGES.enforce(index);
    }

    function settle(uint256 index) external {
        if (ORACLE.count() == 0) return;
        index %= ORACLE.count();
        IL2OutputOracle.OutputProposal memory output = ORACLE.getL2Output(index);
        IOutputChallenges.Game memory game = CHALLENGES.game(output.l2BlockNumber);
        if (game.bondWei == 0 || game.finalRoot != 0) return;
        if (!_isFinal(output)) vm.warp(output.timestamp + ORACLE.finalizationPeriodSeconds());
        CHALLENGES.settle(index);
    }

    /// @dev Whoever asks for whom, as often as they like: what is due is paid once.
    function pay(uint256 number, uint256 who) external {
        if (_highest == 0) return;
        number = _INTERVAL * (number % (_highest / _INTERVAL) + 1);
        address account = _accounts[who % 4];
        bytes32 root = CHALLENGES.game(number).finalRoot;
        uint256 stake = _bondOf[number][root][account];
        uint256 due = root == 0 || stake == 0 ? 0 : stake * _potOf[number] / _bondsOn[number][root];
        uint256 had = account.balance;
        (bool succeeded,) = address(CHALLENGES).call(abi.encodeCall(CHALLENGES.pay, (number, account)));
        if (succeeded != (due != 0) || account.balance - had != due || due < stake && root != 0) ++wronglyPaid;
        _bondOf[number][root][account] = 0;
        _paidOf[number] += due;
    }

    /// @dev What games have and did not pay out.
    function held() external view returns (uint256 sum) {
        for (uint256 number = _INTERVAL; number <= _highest; number += _INTERVAL) {
            sum += _potOf[number] - _paidOf[number];
        }
    }

    function otherPots() external view returns (uint256 count) {
        for (uint256 number = _INTERVAL; number <= _highest; number += _INTERVAL) {
            if (CHALLENGES.game(number).potWei != _potOf[number] || _paidOf[number] > _potOf[number]) ++count;
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](8);
        (list[0], list[1], list[2]) = (this.propose.selector, this.propose.selector, this.wait.selector);
        (list[3], list[4], list[5]) = (this.challenge.selector, this.overbid.selector, this.enforce.selector);
        (list[6], list[7]) = (this.settle.selector, this.pay.selector);
    }

    /// @dev Enters a bond in the books; none beyond what anyone would have, because each is twice the last.
    function _give(address who, uint256 number, bytes32 root) private returns (uint256 bond) {
        bond = CHALLENGES.requiredBond(number);
        if (bond > 1e30) return 0;
        vm.deal(who, who.balance + bond);
        _potOf[number] += bond;
        _bondOf[number][root][who] += bond;
        _bondsOn[number][root] += bond;
    }

    function _isFinal(IL2OutputOracle.OutputProposal memory output) private view returns (bool) {
        return block.timestamp - output.timestamp >= ORACLE.finalizationPeriodSeconds();
    }
}

contract OutputChallenges_Invariant_Test is Base {
    OutputChallengesHandler internal handler;

    function setUp() public {
        vm.warp(NOON);
        handler = new OutputChallengesHandler();
        target(address(handler), handler.selectors());
    }

    function invariant_bonds_areConserved() public view {
        vm.assertEq(address(handler.CHALLENGES()).balance, handler.held());
        vm.assertEq(handler.otherPots(), 0);
    }

    /// @dev To the wei, once, never less than was put on the right root, and to nobody who put nothing on it.
    function invariant_winners_getTheirPartOnce() public view {
        vm.assertEq(handler.wronglyPaid(), 0);
    }
}
