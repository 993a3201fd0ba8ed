// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { IGovernor } from "@openzeppelin/contracts/governance/IGovernor.sol";
import { TimelockController } from "@openzeppelin/contracts/governance/TimelockController.sol";

import { OpenGovernor } from "../src/governance/OpenGovernor.sol";
import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { IOpenGovernor } from "../src/interfaces/IOpenGovernor.sol";
import { FeePolicy } from "../src/settlement/FeePolicy.sol";
import { GOpen } from "../src/token/GOpen.sol";
import { Base } from "./Base.t.sol";

contract OpenGovernor_Test is Base {
    uint48 internal constant DELAY = 10;
    uint32 internal constant PERIOD = 100;
    uint256 internal constant TIMELOCK_DELAY = 50;
    uint256 internal constant QUORUM_BPS = 400;
    /// @dev Four per cent of the float at genesis, with room for what vests while a test lasts.
    uint256 internal constant QUORUM = 8_700_000 ether;
    uint8 internal constant FOR = 1;
    uint8 internal constant AGAINST = 0;

    GOpen internal gopen;
    TimelockController internal timelock;
    OpenGovernor internal governor;
    FeePolicy internal feePolicy;
    Actor internal proposer;
    Actor internal voter;
    address internal treasury = address(0x7ea5);

    address[] internal targets = new address[](1);
    uint256[] internal values = new uint256[](1);
    bytes[] internal calls = new bytes[](1);

    function setUp() public {
        vm.warp(NOON);
        proposer = richActor("proposer");
        voter = richActor("voter");
        gopen = new GOpen();
        timelock = new TimelockController(TIMELOCK_DELAY, new address[](0), new address[](0), address(this));
        feePolicy = new FeePolicy(address(timelock), treasury, IFeePolicy.Split(1000, 2000, 2000, 5000));
        governor = new OpenGovernor(
            gopen, timelock, IOpenGovernor.Settings(DELAY, PERIOD, 100 ether, QUORUM_BPS), NOON, feePolicy
        );
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(governor));
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(governor));
        timelock.grantRole(timelock.EXECUTOR_ROLE(), address(0));
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
        vm.deal(voter.addr, 2 * QUORUM);
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
        vm.snapshotGasLastCall("OpenGovernor", "castVote");
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

    function test_setQuorumBps_governance_changesItForLaterProposals() public {
        vm.expectPartialRevert(IGovernor.GovernorOnlyExecutor.selector);
        governor.setQuorumBps(200);

        targets[0] = address(governor);
        calls[0] = abi.encodeCall(governor.setQuorumBps, (200));
        uint256 before = block.timestamp;
        uint256 id = _propose("quorum");
        _vote(id, FOR);
        vm.warp(block.timestamp + PERIOD);
        governor.queue(targets, values, calls, keccak256("quorum"));
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        uint256 atBefore = governor.quorum(before);
        vm.expectEmit(address(governor));
        emit IOpenGovernor.QuorumChanged(200);
        governor.execute(targets, values, calls, keccak256("quorum"));
        vm.assertEq(governor.quorum(block.timestamp), governor.supplyOutsideTreasury(block.timestamp) / 50);
        vm.assertEq(governor.quorum(before), atBefore);
    }

    function test_constructor_quorumOutOfRange_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IOpenGovernor.OpenGovernorQuorumOutOfRange.selector, 99, 100, 2500));
        new OpenGovernor(gopen, timelock, IOpenGovernor.Settings(DELAY, PERIOD, 0, 99), NOON, feePolicy);
        vm.expectRevert(abi.encodeWithSelector(IOpenGovernor.OpenGovernorQuorumOutOfRange.selector, 2501, 100, 2500));
        new OpenGovernor(gopen, timelock, IOpenGovernor.Settings(DELAY, PERIOD, 0, 2501), NOON, feePolicy);
    }

    function test_quorum_beginning_isFourPerCentOfTheFloat() public view {
        vm.assertEq(governor.quorum(NOON), 8_620_000 ether);
    }

    /// @dev Oracle: after four years all of the billion is free.
    function test_quorum_allVested_isFourPerCentOfTheSupply() public view {
        vm.assertEq(governor.quorum(NOON + 48 * 2_629_800), 40_000_000 ether);
    }

    function test_noteTreasury_whatItHolds_isNotInTheQuorum() public {
        vm.deal(treasury, 15_500_000 ether);
        vm.warp(NOON + 5);
        vm.expectEmit(address(governor));
        emit IOpenGovernor.TreasuryNoted(treasury, 15_500_000 ether);
        governor.noteTreasury();
        uint256 before = governor.supplyOutsideTreasury(NOON + 4);
        vm.assertApproxEqAbs(
            governor.supplyOutsideTreasury(NOON + 5), before - 15_500_000 ether + _vestedASecond(), 2, "outside"
        );
        vm.assertApproxEqAbs(governor.quorum(NOON + 5), 8_000_000 ether, 10 ether, "quorum");
    }

    /// @dev Whoever lends the treasury everything that is free lowers the quorum to the floor, and not below.
    function test_noteTreasury_everythingLentToIt_leavesTheFloor() public {
        vm.deal(treasury, 900_000_000 ether);
        governor.noteTreasury();
        vm.assertEq(governor.supplyOutsideTreasury(block.timestamp), 0);
        vm.assertGe(governor.quorum(block.timestamp), 2_155_000 ether, "floor");
    }

    function test_propose_whileOneIsOpen_reverts() public {
        uint256 first = _propose("one");
        vm.expectRevert(abi.encodeWithSelector(IOpenGovernor.OpenGovernorProposalOpen.selector, proposer.addr, first));
        vm.prank(proposer.addr);
        governor.propose(targets, values, calls, "two");
        vm.warp(block.timestamp + DELAY + PERIOD + 1);
        _propose("two");
    }

    /// @dev Votes that are handed on after a proposal leave it without support: the next proposer's would be spam.
    function test_cancel_anyone_endsWhatNobodyStandsBehind() public {
        uint256 id = _propose("spam");
        vm.expectPartialRevert(IGovernor.GovernorUnableToCancel.selector);
        governor.cancel(targets, values, calls, keccak256("spam"));
        vm.prank(proposer.addr);
        gopen.transfer(voter.addr, 100 ether);
        vm.warp(block.timestamp + 1);
        governor.cancel(targets, values, calls, keccak256("spam"));
        vm.assertEq(uint256(governor.state(id)), uint256(IGovernor.ProposalState.Canceled));
    }

    /// @dev What passed can be stopped by nobody: not even its proposer.
    function test_cancel_afterTheVote_reverts() public {
        uint256 id = _propose("passed");
        _vote(id, FOR);
        vm.warp(block.timestamp + PERIOD);
        vm.prank(proposer.addr);
        gopen.withdraw(100 ether);
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(IGovernor.GovernorUnableToCancel.selector);
        governor.cancel(targets, values, calls, keccak256("passed"));
    }

    /// @dev All wrapped within one block, for the vote of a block ago: counts for nothing, in proposing and in voting.
    function test_propose_wrappedInTheSameBlock_reverts() public {
        Actor memory flash = actor("flash");
        vm.deal(flash.addr, 200_000_000 ether);
        vm.startPrank(flash.addr);
        gopen.deposit{ value: 200_000_000 ether }();
        vm.expectPartialRevert(IGovernor.GovernorInsufficientProposerVotes.selector);
        governor.propose(targets, values, calls, "flash");
        gopen.withdraw(200_000_000 ether);
        vm.stopPrank();
    }

    /// @dev Nobody but the governor schedules, and nobody shortens the delay.
    function test_timelock_everyRole_cannotBypassIt() public {
        address[4] memory callers = [address(this), proposer.addr, voter.addr, treasury];
        bytes memory call = calls[0];
        for (uint256 i; i < callers.length; ++i) {
            vm.startPrank(callers[i]);
            vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
            timelock.schedule(address(feePolicy), 0, call, 0, 0, TIMELOCK_DELAY);
            vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
            timelock.execute(address(feePolicy), 0, call, 0, 0);
            vm.expectPartialRevert(TimelockController.TimelockUnauthorizedCaller.selector);
            timelock.updateDelay(0);
            bytes32 role = timelock.PROPOSER_ROLE();
            vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
            timelock.grantRole(role, callers[i]);
            vm.expectPartialRevert(IGovernor.GovernorOnlyExecutor.selector);
            governor.relay(address(feePolicy), 0, call);
            vm.stopPrank();
        }
    }

    function test_settings_always_areTheConstructors() public view {
        vm.assertEq(governor.votingDelay(), DELAY);
        vm.assertEq(governor.votingPeriod(), PERIOD);
        vm.assertEq(governor.proposalThreshold(), 100 ether);
        vm.assertEq(governor.CLOCK_MODE(), "mode=timestamp");
    }

    /// @dev What community and ecosystem vest in a second at the beginning.
    function _vestedASecond() private pure returns (uint256) {
        return uint256(451_600_000 ether) / (48 * 2_629_800);
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
