// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import { AgentGuarantees } from "../src/agent/AgentGuarantees.sol";
import { AgentIdentity } from "../src/agent/AgentIdentity.sol";
import { AgentValidation } from "../src/agent/AgentValidation.sol";
import { IAgentGuarantees } from "../src/interfaces/IAgentGuarantees.sol";
import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { SecurityStake } from "../src/settlement/SecurityStake.sol";
import { Base } from "./Base.t.sol";
import { Returning } from "./CourtPayments.t.sol";

/// @notice An agent with a hundred OPEN behind it, of which half may be slashed in seven days, a client, and the validator whom its
///         owner asks.
abstract contract AgentGuaranteesTest is Base {
    ISecurityStake.Role internal constant AGENT = ISecurityStake.Role.Agent;
    uint64 internal constant UNBONDING = 7 days;
    uint256 internal constant CAP_BPS = 5000;

    AgentIdentity internal identity;
    AgentValidation internal validation;
    SecurityStake internal pools;
    AgentGuarantees internal guarantees;
    Actor internal governance;
    Actor internal owner;
    Actor internal client;
    Actor internal validator;
    Actor internal stranger;
    uint256 internal agentId;

    function setUp() public virtual {
        vm.warp(NOON);
        governance = actor("governance");
        owner = richActor("owner");
        client = actor("client");
        validator = actor("validator");
        stranger = richActor("stranger");
        identity = new AgentIdentity();
        validation = new AgentValidation(identity);
        address guaranteesAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        pools =
            new SecurityStake(governance.addr, IERC721(address(identity)), UNBONDING, entitled(guaranteesAt, CAP_BPS));
        guarantees = new AgentGuarantees(validation, pools);
        vm.startPrank(owner.addr);
        agentId = identity.register();
        pools.stake{ value: 100 ether }(AGENT, agentId);
        vm.stopPrank();
    }

    function ask(bytes32 work) internal {
        vm.prank(owner.addr);
        validation.validationRequest(validator.addr, agentId, "", work);
    }

    function give(bytes32 work, uint256 amount) internal {
        ask(work);
        vm.prank(owner.addr);
        guarantees.give(work, client.addr, amount, 50, uint64(block.timestamp + 1 days));
    }

    function answer(bytes32 work, uint8 response) internal {
        vm.prank(validator.addr);
        validation.validationResponse(work, response, "", 0, "");
    }
}

contract AgentGuarantees_Test is AgentGuaranteesTest {
    function test_forfeit_failedInTime_paysTheClientOutOfTheStake() public {
        ask("work");
        vm.expectEmit(address(guarantees));
        emit IAgentGuarantees.GuaranteeGiven("work", agentId, client.addr, 30 ether, 50, uint64(NOON + 1 days));
        vm.prank(owner.addr);
        guarantees.give("work", client.addr, 30 ether, 50, uint64(NOON + 1 days));
        vm.snapshotGasLastCall("AgentGuarantees", "give");
        vm.assertEq(guarantees.openWeiOf(agentId), 30 ether);
        vm.warp(NOON + 1 days);
        answer("work", 49);
        vm.expectEmit(address(guarantees));
        emit IAgentGuarantees.GuaranteeForfeited("work", agentId, client.addr, 30 ether, 49);
        vm.prank(stranger.addr);
        vm.assertEq(guarantees.forfeit("work"), 30 ether);
        vm.snapshotGasLastCall("AgentGuarantees", "forfeit");
        vm.assertEq(client.addr.balance, 30 ether);
        (uint256 left,) = pools.poolOf(AGENT, agentId);
        vm.assertEq(left, 70 ether);
        vm.assertEq(guarantees.openWeiOf(agentId), 0);
        vm.expectRevert(abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesUnknown.selector, bytes32("work")));
        guarantees.forfeit("work");
    }

    function test_forfeit_passedSilentOrLate_reverts() public {
        give("passed", 10 ether);
        give("silent", 10 ether);
        give("late", 10 ether);
        answer("passed", 50);
        vm.warp(NOON + 1 days + 1);
        answer("late", 0);
        bytes32[3] memory works = [bytes32("passed"), "silent", "late"];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesNotFailed.selector, works[i]));
            guarantees.forfeit(works[i]);
        }
        // what passed in time is over for everyone, the others only when their time is
        guarantees.end("passed");
        vm.expectRevert(
            abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesNotOver.selector, bytes32("late"), NOON + UNBONDING)
        );
        guarantees.end("late");
        vm.warp(NOON + UNBONDING);
        vm.expectEmit(address(guarantees));
        emit IAgentGuarantees.GuaranteeEnded("late", agentId);
        guarantees.end("late");
        guarantees.end("silent");
        vm.assertEq(guarantees.openWeiOf(agentId), 0);
    }

    function test_end_client_freesTheStakeAtOnce() public {
        give("work", 50 ether);
        vm.assertEq(guarantees.coverageOf(agentId), 0);
        vm.prank(client.addr);
        guarantees.end("work");
        vm.assertApproxEqAbs(guarantees.coverageOf(agentId), 50 ether, 1, "covered");
        vm.assertTrue(guarantees.guaranteeOf("work").state == IAgentGuarantees.State.Ended);
        // what is over is not given again
        vm.expectRevert(abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesGiven.selector, bytes32("work")));
        vm.prank(owner.addr);
        guarantees.give("work", client.addr, 1 ether, 50, uint64(NOON + 1));
    }

    function test_give_moreThanCanBeSlashed_reverts() public {
        give("first", 30 ether);
        uint256 covered = guarantees.coverageOf(agentId);
        vm.assertApproxEqAbs(covered, 20 ether, 1, "half of a hundred, less thirty");
        ask("second");
        vm.startPrank(owner.addr);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesNotCovered.selector, 20 ether + 1, covered)
        );
        guarantees.give("second", client.addr, 20 ether + 1, 50, uint64(NOON + 1));
        // what is asked back stands behind what was guaranteed, and behind nothing new
        pools.requestUnstake(AGENT, agentId, pools.sharesOf(AGENT, agentId, owner.addr));
        vm.expectRevert(
            abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesNotSoleStaker.selector, agentId, owner.addr)
        );
        guarantees.give("second", client.addr, 1, 50, uint64(NOON + 1));
        vm.stopPrank();
        vm.assertEq(guarantees.coverageOf(agentId), 0);
    }

    /// @dev Who asks for the stake back right after is slashed all the same, up to the last second in which it can be.
    function test_forfeit_stakeAskedBack_stillPays() public {
        ask("work");
        vm.startPrank(owner.addr);
        guarantees.give("work", client.addr, 50 ether - 1, 50, uint64(NOON + UNBONDING / 2));
        uint256 unstaking = pools.requestUnstake(AGENT, agentId, pools.sharesOf(AGENT, agentId, owner.addr));
        vm.stopPrank();
        vm.warp(NOON + UNBONDING / 2);
        answer("work", 0);
        vm.warp(NOON + UNBONDING - 1);
        guarantees.forfeit("work");
        vm.assertEq(client.addr.balance, 50 ether - 1);
        vm.warp(NOON + UNBONDING);
        vm.prank(owner.addr);
        vm.assertApproxEqAbs(pools.unstake(unstaking), 50 ether, 2, "the rest, on time");
    }

    /// @dev With money that is not theirs: of an agent's former owner, of a stranger's agent, of nobody.
    function test_give_whoeverHoldsNotAllOfTheStake_reverts() public {
        ask("work");
        vm.prank(stranger.addr);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesNotSoleStaker.selector, agentId, stranger.addr)
        );
        guarantees.give("work", stranger.addr, 1 ether, 50, uint64(NOON + 1));
        vm.prank(owner.addr);
        identity.transferFrom(owner.addr, stranger.addr, agentId);
        vm.startPrank(stranger.addr);
        pools.stake{ value: 1 ether }(AGENT, agentId);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesNotSoleStaker.selector, agentId, stranger.addr)
        );
        guarantees.give("work", stranger.addr, 1 ether, 50, uint64(NOON + 1));
        vm.stopPrank();
        // nor the former owner with the new one's
        vm.prank(owner.addr);
        vm.expectRevert(
            abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesNotSoleStaker.selector, agentId, owner.addr)
        );
        guarantees.give("work", owner.addr, 1 ether, 50, uint64(NOON + 1));
    }

    function test_give_wrongTerms_reverts() public {
        ask("work");
        ask("answered");
        answer("answered", 0);
        vm.startPrank(owner.addr);
        vm.expectRevert(IAgentGuarantees.AgentGuaranteesZeroAddress.selector);
        guarantees.give("work", address(0), 1 ether, 50, uint64(NOON + 1));
        uint8[2] memory marks = [uint8(0), 101];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesPassMark.selector, marks[i]));
            guarantees.give("work", client.addr, 1 ether, marks[i], uint64(NOON + 1));
        }
        uint64 latest = uint64(NOON + UNBONDING / 2);
        uint64[2] memory times = [uint64(NOON), latest + 1];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAgentGuarantees.AgentGuaranteesTime.selector, times[i], uint64(NOON + 1), latest
                )
            );
            guarantees.give("work", client.addr, 1 ether, 50, times[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(IAgentGuarantees.AgentGuaranteesAnswered.selector, bytes32("answered")));
        guarantees.give("answered", client.addr, 1 ether, 50, latest);
        vm.expectPartialRevert(IAgentGuarantees.AgentGuaranteesNotCovered.selector);
        guarantees.give("work", client.addr, 0, 50, latest);
        vm.stopPrank();
    }

    /// @dev A vote that lowers the cap, or ends the entitlement, leaves what it leaves.
    function test_forfeit_voteLoweredTheCap_paysWhatIsLeft() public {
        give("work", 30 ether);
        vm.prank(governance.addr);
        pools.setSlasher(address(guarantees), 1000);
        answer("work", 0);
        vm.assertEq(guarantees.forfeit("work"), 10 ether);
        vm.assertEq(client.addr.balance, 10 ether);
    }

    function test_forfeit_clientCallsBack_isPaidOnce() public {
        Returning returning = new Returning();
        ask("work");
        vm.prank(owner.addr);
        guarantees.give("work", address(returning), 10 ether, 50, uint64(NOON + 1));
        answer("work", 0);
        bytes memory again = abi.encodeCall(IAgentGuarantees.forfeit, ("work"));
        returning.prepare(address(guarantees), again, false);
        returning.act(address(guarantees), again, 0);
        vm.assertFalse(returning.isAnswered());
        vm.assertEq(address(returning).balance, 10 ether);
    }
}

/// @notice Two agents guarantee work to a client at random, their owners stake, leave and sell them, the validator passes, fails, or
///         stays silent, and anyone carries out what follows. It keeps its own books.
contract AgentGuaranteesHandler is AgentGuaranteesTest {
    address[2] private _owners;
    bytes32[] private _works;
    mapping(bytes32 work => uint256) private _givenAt;
    uint256 private _stakedWei;
    uint256 private _leftWei;
    uint256 public forfeitedWei;
    /// @dev Forfeitures that were not what was guaranteed.
    uint256 public shortfall;
    uint256[] private _unstakings;

    function setUp() public override {
        super.setUp();
        _owners = [owner.addr, stranger.addr];
        vm.prank(stranger.addr);
        identity.register();
        _stakedWei = 100 ether;
    }

    function addStake(uint256 which, uint256 amount) external {
        amount = bound(amount, 1 ether, 50 ether);
        which %= 2;
        vm.deal(_owners[which], amount);
        vm.prank(_owners[which]);
        pools.stake{ value: amount }(AGENT, which + 1);
        _stakedWei += amount;
    }

    function askBack(uint256 which, uint256 shares) external {
        which %= 2;
        shares = bound(shares, 0, pools.sharesOf(AGENT, which + 1, _owners[which]));
        if (shares == 0) return;
        vm.prank(_owners[which]);
        _unstakings.push(pools.requestUnstake(AGENT, which + 1, shares));
    }

    function takeOut(uint256 which) external {
        if (_unstakings.length == 0) return;
        ISecurityStake.Unstaking memory request = pools.unstakingOf(_unstakings[which % _unstakings.length]);
        if (request.account == address(0) || request.readyAt > block.timestamp) return;
        vm.prank(request.account);
        _leftWei += pools.unstake(_unstakings[which % _unstakings.length]);
    }

    function guarantee(uint256 which, uint256 amount, uint256 elapsed) external {
        which %= 2;
        uint256 covered = guarantees.coverageOf(which + 1);
        (, uint256 shares) = pools.poolOf(AGENT, which + 1);
        if (covered == 0 || pools.sharesOf(AGENT, which + 1, _owners[which]) != shares) return;
        bytes32 work = keccak256(abi.encode(_works.length));
        vm.startPrank(_owners[which]);
        validation.validationRequest(validator.addr, which + 1, "", work);
        guarantees.give(
            work, client.addr, bound(amount, 1, covered), 50, uint64(block.timestamp + bound(elapsed, 1, UNBONDING / 2))
        );
        vm.stopPrank();
        _works.push(work);
        _givenAt[work] = block.timestamp;
    }

    function judge(uint256 which, uint8 response) external {
        if (_works.length == 0) return;
        answer(_works[which % _works.length], response % 101);
    }

    /// @dev Whatever the books say must happen, happens, and nothing else.
    function carryOut(uint256 which) external {
        if (_works.length == 0) return;
        bytes32 work = _works[which % _works.length];
        IAgentGuarantees.Guarantee memory given = guarantees.guaranteeOf(work);
        if (given.state != IAgentGuarantees.State.Open) return;
        (,, uint8 response,,, uint256 lastUpdate) = validation.getValidationStatus(work);
        bool isInTime = validation.isAnswered(work) && lastUpdate <= given.until;
        if (isInTime && response < 50) {
            bool isCovered = block.timestamp < _givenAt[work] + UNBONDING;
            if (!isCovered && pools.slashableBy(address(guarantees), AGENT, given.agentId) == 0) return;
            uint256 had = client.addr.balance;
            uint256 paidWei = guarantees.forfeit(work);
            if (paidWei != client.addr.balance - had || isCovered && paidWei != given.amountWei) ++shortfall;
            forfeitedWei += paidWei;
        } else if (isInTime || block.timestamp >= given.endsAt) {
            guarantees.end(work);
        }
    }

    function wait(uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 1, 2 days));
    }

    /// @dev What is open and not over, beyond what could be slashed for it.
    function uncovered() external view returns (uint256 sum) {
        uint256[3] memory open;
        for (uint256 i; i < _works.length; ++i) {
            IAgentGuarantees.Guarantee memory given = guarantees.guaranteeOf(_works[i]);
            if (given.state != IAgentGuarantees.State.Open || block.timestamp >= given.endsAt) continue;
            open[given.agentId] += given.amountWei;
        }
        for (uint256 agent = 1; agent <= 2; ++agent) {
            uint256 most = pools.slashableBy(address(guarantees), AGENT, agent);
            if (open[agent] > most) sum += open[agent] - most;
        }
    }

    /// @dev The stake there must be: what came less what left and what clients were paid.
    function stakeLeft() external view returns (uint256) {
        return _stakedWei - _leftWei - forfeitedWei;
    }

    function parts() external view returns (address stakes, address paid) {
        return (address(pools), client.addr);
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](9);
        (list[0], list[1], list[2]) = (this.addStake.selector, this.askBack.selector, this.takeOut.selector);
        (list[3], list[4], list[5]) = (this.guarantee.selector, this.judge.selector, this.carryOut.selector);
        (list[6], list[7], list[8]) = (this.wait.selector, this.guarantee.selector, this.carryOut.selector);
    }
}

contract AgentGuarantees_Invariant_Test is Base {
    AgentGuaranteesHandler internal handler;

    function setUp() public {
        handler = new AgentGuaranteesHandler();
        handler.setUp();
        target(address(handler), handler.selectors());
    }

    /// @dev The invariants speak of something: work fails and clients are paid.
    function test_handler_atRandom_paysClients() public {
        for (uint256 i; i < 40; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            handler.guarantee(seed, seed >> 8, seed >> 16);
            handler.judge(i, uint8(seed));
            handler.carryOut(i);
            handler.wait(seed);
        }
        vm.assertTrue(handler.forfeitedWei() > 0);
        vm.assertEq(handler.shortfall(), 0);
    }

    function invariant_guarantees_areCoveredByStake() public view {
        vm.assertEq(handler.uncovered(), 0);
        vm.assertEq(handler.shortfall(), 0);
    }

    /// @dev No wei of a stake goes anywhere but back, or to a client whose work failed.
    function invariant_agentsStake_goesBackOrToClients() public view {
        (address stakes, address paid) = handler.parts();
        vm.assertEq(stakes.balance, handler.stakeLeft());
        vm.assertEq(paid.balance, handler.forfeitedWei());
    }
}
