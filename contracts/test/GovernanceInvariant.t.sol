// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IGovernor } from "@openzeppelin/contracts/governance/IGovernor.sol";
import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";

import { OpenGovernor } from "../src/governance/OpenGovernor.sol";
import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { IOpenGovernor } from "../src/interfaces/IOpenGovernor.sol";
import { Allocation } from "../src/libraries/Allocation.sol";
import { FeePolicy } from "../src/settlement/FeePolicy.sol";
import { GOpen } from "../src/token/GOpen.sol";
import { Base } from "./Base.t.sol";
import { Intruder } from "./Intruder.t.sol";

/// @notice Four holders of whom it takes two to reach the quorum wrap, unwrap, hand on, delegate, propose and vote at random;
///         one who can borrow two hundred million within a block, and a stranger, try to do without a vote. It counts votes
///         itself, one holder at a time.
contract GovernanceHandler is Intruder {
    uint48 public constant DELAY = 10;
    uint32 public constant PERIOD = 100;
    uint256 public constant TIMELOCK_DELAY = 50;
    uint256 private constant FLASH = 200_000_000 ether;
    uint8 private constant FOR = 1;

    GOpen public immutable GOPEN;
    OpenGovernor public immutable GOVERNOR;
    TimelockController public immutable TIMELOCK;
    FeePolicy public immutable FEE_POLICY;

    struct Ballot {
        uint256 id;
        uint16 platformBps;
        uint256 againstWei;
        uint256 forWei;
        uint256 quorumWei;
        bool isExecuted;
    }

    address[4] private _holders;
    address private _flash;
    address private _stranger;
    Ballot[] private _ballots;
    mapping(uint256 id => mapping(address holder => bool)) private _hasVoted;

    uint256 public executions;
    /// @dev Executions that our own count does not allow.
    uint256 public withoutVote;
    uint256 public changedQuorums;

    constructor() {
        GOPEN = new GOpen();
        TIMELOCK = new TimelockController(TIMELOCK_DELAY, new address[](0), new address[](0), address(this));
        FEE_POLICY = new FeePolicy(address(TIMELOCK), address(TIMELOCK), IFeePolicy.Split(0, 2000, 2000, 6000));
        GOVERNOR = new OpenGovernor(
            GOPEN, TIMELOCK, IOpenGovernor.Settings(DELAY, PERIOD, 100 ether, 400), block.timestamp, FEE_POLICY
        );
        TIMELOCK.grantRole(TIMELOCK.PROPOSER_ROLE(), address(GOVERNOR));
        TIMELOCK.grantRole(TIMELOCK.CANCELLER_ROLE(), address(GOVERNOR));
        TIMELOCK.grantRole(TIMELOCK.EXECUTOR_ROLE(), address(0));
        TIMELOCK.renounceRole(TIMELOCK.DEFAULT_ADMIN_ROLE(), address(this));
        _flash = actor("flash").addr;
        _stranger = actor("stranger").addr;
        for (uint256 i; i < 4; ++i) {
            _holders[i] = actor(string.concat("holder", vm.toString(i))).addr;
            vm.deal(_holders[i], 6_000_000 ether);
            vm.prank(_holders[i]);
            GOPEN.deposit{ value: 5_000_000 ether }();
        }
        vm.warp(block.timestamp + 1);
    }

    function wrap(uint256 who, uint256 amount) external {
        address holder = _holders[who % 4];
        vm.prank(holder);
        GOPEN.deposit{ value: bound(amount, 0, holder.balance) }();
    }

    /// @dev A tenth at most, so that votes go on.
    function unwrap(uint256 who, uint256 amount) external {
        address holder = _holders[who % 4];
        amount = bound(amount, 0, GOPEN.balanceOf(holder) / 10);
        vm.prank(holder);
        GOPEN.withdraw(amount);
    }

    function transfer(uint256 who, uint256 to, uint256 amount) external {
        address holder = _holders[who % 4];
        amount = bound(amount, 0, GOPEN.balanceOf(holder) / 10);
        vm.prank(holder);
        GOPEN.transfer(_holders[to % 4], amount);
    }

    function delegate(uint256 who, uint256 to) external {
        vm.prank(_holders[who % 4]);
        GOPEN.delegate(_holders[(to % 3 == 0 ? to : who) % 4]);
    }

    function wait(uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 1, 30));
    }

    function propose(uint256 who) external {
        address proposer = _holders[who % 4];
        if (GOPEN.getVotes(proposer) < 100 ether || GOPEN.getPastVotes(proposer, block.timestamp - 1) < 100 ether) {
            return;
        }
        if (_isOpen(proposer)) return;
        // another split each time, so that each proposal is another
        uint16 platformBps = uint16(_ballots.length + 1);
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _call(platformBps);
        vm.prank(proposer);
        uint256 id = GOVERNOR.propose(targets, values, calls, "");
        _ballots.push(Ballot(id, platformBps, 0, 0, 0, false));
    }

    /// @dev Takes one of the newest two proposals a step on: votes of those who have not voted, or what comes after.
    function proceed(uint256 seed) external {
        if (_ballots.length == 0) return;
        Ballot storage ballot = _ballots[_ballots.length == 1 ? 0 : _ballots.length - 1 - seed % 2];
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _call(ballot.platformBps);
        IGovernor.ProposalState state = GOVERNOR.state(ballot.id);
        if (state == IGovernor.ProposalState.Active) {
            _vote(ballot, seed >> 1);
        } else if (state == IGovernor.ProposalState.Succeeded) {
            GOVERNOR.queue(targets, values, calls, keccak256(""));
        } else if (state == IGovernor.ProposalState.Queued) {
            vm.warp(block.timestamp + TIMELOCK_DELAY);
            vm.prank(_stranger);
            GOVERNOR.execute(targets, values, calls, keccak256(""));
            ++executions;
            if (ballot.isExecuted || ballot.forWei <= ballot.againstWei || ballot.forWei < ballot.quorumWei) {
                ++withoutVote;
            }
            ballot.isExecuted = true;
        } else if (state == IGovernor.ProposalState.Pending) {
            vm.warp(block.timestamp + DELAY + 1);
        }
    }

    function _vote(Ballot storage ballot, uint256 seed) private {
        uint256 snapshot = GOVERNOR.proposalSnapshot(ballot.id);
        for (uint256 i; i < 4; ++i) {
            address holder = _holders[i];
            if (_hasVoted[ballot.id][holder] || seed >> 2 * i & 3 == 3) continue;
            uint8 support = seed >> 2 * i & 3 == 0 ? 0 : FOR;
            // counted before, because what the governor weighs is what we check
            uint256 weight = GOPEN.getPastVotes(holder, snapshot);
            vm.prank(holder);
            GOVERNOR.castVote(ballot.id, support);
            _hasVoted[ballot.id][holder] = true;
            if (support == FOR) ballot.forWei += weight;
            else ballot.againstWei += weight;
        }
        uint256 quorum = GOVERNOR.quorum(snapshot);
        if (ballot.quorumWei != 0 && quorum != ballot.quorumWei) ++changedQuorums;
        ballot.quorumWei = quorum;
        if (seed % 5 != 0) vm.warp(GOVERNOR.proposalDeadline(ballot.id) + 1);
    }

    /// @dev Two hundred million for one block: they wrap, try to propose and vote, and unwrap.
    function flash() external {
        vm.deal(_flash, FLASH);
        vm.startPrank(_flash);
        GOPEN.deposit{ value: FLASH }();
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _call(2000);
        (bool proposed,) = address(GOVERNOR).call(abi.encodeCall(IGovernor.propose, (targets, values, calls, "flash")));
        if (proposed) ++intrusions;
        if (_ballots.length != 0) {
            uint256 id = _ballots[_ballots.length - 1].id;
            (, uint256 before,) = GOVERNOR.proposalVotes(id);
            // a vote may be cast, and weighs nothing
            (bool voted,) = address(GOVERNOR).call(abi.encodeCall(IGovernor.castVote, (id, FOR)));
            (, uint256 votesFor,) = GOVERNOR.proposalVotes(id);
            if (voted && votesFor != before) ++intrusions;
        }
        GOPEN.withdraw(FLASH);
        vm.stopPrank();
        vm.deal(_flash, 0);
    }

    /// @dev Everything that a vote decides, without one.
    function intrude(uint256 who) external {
        address caller = who % 2 == 0 ? _stranger : _holders[who % 4];
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = _call(1999);
        bytes32 role = TIMELOCK.PROPOSER_ROLE();
        attempt(caller, address(FEE_POLICY), calls[0]);
        attempt(caller, address(FEE_POLICY), abi.encodeCall(FEE_POLICY.setTreasury, (caller)));
        attempt(caller, address(FEE_POLICY), abi.encodeCall(FEE_POLICY.transferOwnership, (caller)));
        attempt(caller, address(TIMELOCK), abi.encodeCall(TIMELOCK.schedule, (targets[0], 0, calls[0], 0, 0, 50)));
        attempt(caller, address(TIMELOCK), abi.encodeCall(TIMELOCK.execute, (targets[0], 0, calls[0], 0, 0)));
        attempt(caller, address(TIMELOCK), abi.encodeCall(TIMELOCK.grantRole, (role, caller)));
        attempt(caller, address(TIMELOCK), abi.encodeCall(TIMELOCK.updateDelay, (0)));
        attempt(caller, address(GOVERNOR), abi.encodeCall(GOVERNOR.relay, (targets[0], 0, calls[0])));
        attempt(caller, address(GOVERNOR), abi.encodeCall(GOVERNOR.setQuorumBps, (100)));
        attempt(caller, address(GOVERNOR), abi.encodeCall(GOVERNOR.execute, (targets, values, calls, keccak256(""))));
    }

    /// @dev What all who can have votes have, and what they hold.
    function tally() external view returns (uint256 votesWei, uint256 heldWei) {
        for (uint256 i; i < 4; ++i) {
            votesWei += GOPEN.getVotes(_holders[i]);
            heldWei += GOPEN.balanceOf(_holders[i]);
        }
        votesWei += GOPEN.getVotes(_flash);
        heldWei += GOPEN.balanceOf(_flash);
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](12);
        (list[0], list[1], list[2]) = (this.wrap.selector, this.unwrap.selector, this.transfer.selector);
        (list[3], list[4], list[5]) = (this.delegate.selector, this.wait.selector, this.propose.selector);
        (list[6], list[7], list[8]) = (this.proceed.selector, this.flash.selector, this.intrude.selector);
        // a vote has many steps
        (list[9], list[10], list[11]) = (this.proceed.selector, this.proceed.selector, this.proceed.selector);
    }

    function _isOpen(address proposer) private view returns (bool) {
        for (uint256 i; i < _ballots.length; ++i) {
            if (GOVERNOR.proposalProposer(_ballots[i].id) != proposer) continue;
            if (uint256(GOVERNOR.state(_ballots[i].id)) <= uint256(IGovernor.ProposalState.Active)) return true;
        }
        return false;
    }

    function _call(uint16 platformBps)
        private
        view
        returns (address[] memory targets, uint256[] memory values, bytes[] memory calls)
    {
        (targets, values, calls) = (new address[](1), new uint256[](1), new bytes[](1));
        targets[0] = address(FEE_POLICY);
        calls[0] = abi.encodeCall(FEE_POLICY.setSplit, (IFeePolicy.Split(platformBps, 2000, 2000, 6000 - platformBps)));
    }
}

contract Governance_Invariant_Test is Base {
    GovernanceHandler internal handler;

    function setUp() public {
        vm.warp(NOON);
        handler = new GovernanceHandler();
        target(address(handler), handler.selectors());
    }

    /// @dev What the invariants speak of does happen: some proposals are carried out, some are not.
    function test_handler_atRandom_executesSomeProposals() public {
        for (uint256 i; i < 120; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            if (i % 4 == 0) handler.propose(seed);
            handler.proceed(seed >> 8);
        }
        vm.assertTrue(handler.executions() > 2);
    }

    /// @dev Each execution had more votes for it than against, and the quorum, by a count of our own; nothing else changed
    ///      what the vote is about.
    function invariant_nothing_isExecutedWithoutItsVote() public view {
        vm.assertEq(handler.withoutVote(), 0);
        vm.assertEq(handler.intrusions(), 0);
        vm.assertEq(handler.FEE_POLICY().currentVersion(), 1 + handler.executions());
        vm.assertEq(handler.FEE_POLICY().owner(), address(handler.TIMELOCK()));
    }

    function invariant_quorum_isAShareOfFreeOpenAndStays() public view {
        uint256 free = Allocation.freeAt(handler.GOVERNOR().GENESIS(), block.timestamp);
        vm.assertGe(handler.GOVERNOR().quorum(block.timestamp), free / 100, "a hundredth of what is free");
        vm.assertEq(handler.changedQuorums(), 0);
    }

    function invariant_votes_areTheOpenHeld() public view {
        (uint256 votesWei, uint256 heldWei) = handler.tally();
        GOpen gopen = handler.GOPEN();
        vm.assertEq(votesWei, heldWei);
        vm.assertEq(gopen.totalSupply(), heldWei);
        vm.assertEq(address(gopen).balance, heldWei);
    }
}
