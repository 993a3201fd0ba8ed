// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { IGovernor } from "@openzeppelin/contracts/governance/IGovernor.sol";
import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";

import { OpenGovernor } from "../src/governance/OpenGovernor.sol";
import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { FeePolicy } from "../src/settlement/FeePolicy.sol";
import { GOpen } from "../src/token/GOpen.sol";
import { Base } from "./Base.t.sol";

contract OpenGovernor_Test is Base {
    uint48 internal constant DELAY = 10;
    uint32 internal constant PERIOD = 100;
    uint256 internal constant TIMELOCK_DELAY = 50;
    uint256 internal constant QUORUM = 1000 ether;
    uint8 internal constant FOR = 1;
    uint8 internal constant AGAINST = 0;

    GOpen internal gopen;
    TimelockController internal timelock;
    OpenGovernor internal governor;
    FeePolicy internal feePolicy;
    Actor internal proposer;
    Actor internal voter;

    address[] internal targets = new address[](1);
    uint256[] internal values = new uint256[](1);
    bytes[] internal calls = new bytes[](1);

    function setUp() public {
        vm.warp(NOON);
        proposer = richActor("proposer");
        voter = richActor("voter");
        gopen = new GOpen();
        timelock = new TimelockController(TIMELOCK_DELAY, new address[](0), new address[](0), address(this));
        governor = new OpenGovernor(gopen, timelock, DELAY, PERIOD, 100 ether, QUORUM);
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(governor));
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(governor));
        timelock.grantRole(timelock.EXECUTOR_ROLE(), address(0));
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
        feePolicy = new FeePolicy(address(timelock), proposer.addr, IFeePolicy.Split(1000, 2000, 2000, 5000));
        vm.prank(proposer.addr);
        gopen.deposit{ value: 100 ether }();
        vm.prank(voter.addr);
        gopen.deposit{ value: QUORUM }();
        targets[0] = address(feePolicy);
        calls[0] = abi.encodeCall(feePolicy.setSplit, (IFeePolicy.Split(500, 2000, 2000, 5500)));
        vm.warp(NOON + 1);
    }

    function test_proposal_fromVoteToExecution_changesTheSplit() public {
        uint256 id = _propose("lower the platform's part");
        _vote(id, FOR);
        vm.warp(block.timestamp + PERIOD);
        governor.queue(targets, values, calls, keccak256("lower the platform's part"));
        vm.assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Queued));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        governor.execute(targets, values, calls, keccak256("lower the platform's part"));
        vm.assertEq(feePolicy.currentVersion(), 2);
        vm.assertEq(feePolicy.splitOf(2).platformBps, 500);
    }

    function test_execute_beforeTheTimelock_reverts() public {
        uint256 id = _propose("early");
        _vote(id, FOR);
        vm.warp(block.timestamp + PERIOD);
        governor.queue(targets, values, calls, keccak256("early"));
        vm.warp(block.timestamp + TIMELOCK_DELAY - 1);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        governor.execute(targets, values, calls, keccak256("early"));
    }

    function test_setSplit_withoutGovernance_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        feePolicy.setSplit(IFeePolicy.Split(500, 2000, 2000, 5500));
    }

    /// @dev All of the wrapped supply votes for, and it is not enough: the quorum is an amount, not a share.
    function test_proposal_littleWrapped_cannotGovern() public {
        vm.prank(voter.addr);
        gopen.withdraw(QUORUM);
        vm.warp(block.timestamp + 1);
        uint256 id = _propose("capture");
        vm.warp(block.timestamp + DELAY + 1);
        vm.prank(proposer.addr);
        governor.castVote(id, FOR);
        vm.warp(block.timestamp + PERIOD);
        vm.assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Defeated));
    }

    function test_proposal_majorityAgainst_isDefeated() public {
        uint256 id = _propose("no");
        _vote(id, AGAINST);
        vm.warp(block.timestamp + PERIOD);
        vm.assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Defeated));
    }

    function test_cancel_proposerBeforeTheVote_ends() public {
        uint256 id = _propose("on second thought");
        vm.assertTrue(governor.proposalNeedsQueuing(id));
        vm.prank(proposer.addr);
        governor.cancel(targets, values, calls, keccak256("on second thought"));
        vm.assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Canceled));
    }

    function test_propose_belowTheThreshold_reverts() public {
        vm.prank(proposer.addr);
        gopen.withdraw(1);
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(IGovernor.GovernorInsufficientProposerVotes.selector);
        vm.prank(proposer.addr);
        governor.propose(targets, values, calls, "too little");
    }

    function test_castVote_votesWrappedAfterTheSnapshot_doNotCount() public {
        uint256 id = _propose("late");
        vm.warp(block.timestamp + DELAY + 1);
        Actor memory late = richActor("late");
        vm.startPrank(late.addr);
        gopen.deposit{ value: 5000 ether }();
        governor.castVote(id, FOR);
        vm.stopPrank();
        (, uint256 votesFor,) = governor.proposalVotes(id);
        vm.assertEq(votesFor, 0);
    }

    function test_setQuorum_governance_changesItForLaterProposals() public {
        vm.expectPartialRevert(IGovernor.GovernorOnlyExecutor.selector);
        governor.setQuorum(1);

        targets[0] = address(governor);
        calls[0] = abi.encodeCall(governor.setQuorum, (5 ether));
        uint256 before = block.timestamp;
        uint256 id = _propose("quorum");
        _vote(id, FOR);
        vm.warp(block.timestamp + PERIOD);
        governor.queue(targets, values, calls, keccak256("quorum"));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        vm.expectEmit(address(governor));
        emit OpenGovernor.QuorumChanged(5 ether);
        governor.execute(targets, values, calls, keccak256("quorum"));
        vm.assertEq(governor.quorum(block.timestamp), 5 ether);
        vm.assertEq(governor.quorum(before), QUORUM);
    }

    function test_constructor_withoutQuorum_reverts() public {
        vm.expectRevert(OpenGovernor.OpenGovernorZeroQuorum.selector);
        new OpenGovernor(gopen, timelock, DELAY, PERIOD, 0, 0);
    }

    function test_settings_always_areTheConstructors() public view {
        vm.assertEq(governor.votingDelay(), DELAY);
        vm.assertEq(governor.votingPeriod(), PERIOD);
        vm.assertEq(governor.proposalThreshold(), 100 ether);
        vm.assertEq(governor.CLOCK_MODE(), "mode=timestamp");
    }

    function _propose(string memory description) private returns (uint256) {
        vm.prank(proposer.addr);
        return governor.propose(targets, values, calls, description);
    }

    function _vote(uint256 id, uint8 support) private {
        vm.warp(block.timestamp + DELAY + 1);
        vm.prank(voter.addr);
        governor.castVote(id, support);
    }
}
