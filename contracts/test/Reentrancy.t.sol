// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import { AgentIdentity } from "../src/agent/AgentIdentity.sol";
import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { ILicences } from "../src/interfaces/ILicences.sol";
import { IOutputChallenges } from "../src/interfaces/IOutputChallenges.sol";
import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { IStaking } from "../src/interfaces/IStaking.sol";
import { IWOPEN } from "../src/interfaces/IWOPEN.sol";
import { OutputChallenges } from "../src/l1/OutputChallenges.sol";
import { SecurityStake } from "../src/settlement/SecurityStake.sol";
import { GOpen } from "../src/token/GOpen.sol";
import { Returning } from "./CourtPayments.t.sol";
import { Oracle } from "./OutputChallenges.t.sol";
import { World } from "./World.t.sol";

/// @notice Every other contract that pays, called again by whom it pays, in the middle of the payment: it pays once.
contract Reentrancy_Test is World {
    Returning internal returning;

    function setUp() public override {
        super.setUp();
        returning = new Returning();
        vm.deal(address(returning), 100 ether);
    }

    function test_unstake_stakerCallsBack_isPaidOnce() public {
        uint256 modelId = publishModel("solidity-1");
        returning.act(address(staking), abi.encodeCall(IStaking.stake, (modelId)), 10 ether);
        // twice, so that there is something to take
        returning.act(address(staking), abi.encodeCall(IStaking.requestUnstake, (modelId, 4 ether)), 0);
        returning.act(address(staking), abi.encodeCall(IStaking.requestUnstake, (modelId, 4 ether)), 0);
        vm.warp(block.timestamp + UNBONDING);
        _payAndAgain(address(staking), abi.encodeCall(IStaking.unstake, (1)), 4 ether);
        _payAndAgain(address(staking), abi.encodeCall(IStaking.unstake, (2)), 4 ether);
    }

    function test_claimRewards_stakerCallsBack_isPaidOnce() public {
        uint256 modelId = publishModel("solidity-1");
        returning.act(address(staking), abi.encodeCall(IStaking.stake, (modelId)), 10 ether);
        uint32 version = staking.versionOf(modelId);
        vm.deal(address(settlement), 3 ether);
        vm.prank(address(settlement));
        staking.reward{ value: 3 ether }(modelId, version);
        _payAndAgain(address(staking), abi.encodeCall(IStaking.claimRewards, (modelId)), 3 ether);
    }

    function test_securityStake_stakerCallsBack_isPaidOnce() public {
        AgentIdentity identity = new AgentIdentity();
        SecurityStake pools = new SecurityStake(
            governance.addr, IERC721(address(identity)), UNBONDING, new ISecurityStake.Slasher[](0)
        );
        ISecurityStake.Role role = ISecurityStake.Role.Validator;
        pools.stake{ value: 10 ether }(role, 1);
        returning.act(address(pools), abi.encodeCall(ISecurityStake.stake, (role, 1)), 10 ether);
        returning.act(address(pools), abi.encodeCall(ISecurityStake.requestUnstake, (role, 1, 4000 ether)), 0);
        vm.warp(block.timestamp + UNBONDING);
        _payAndAgain(address(pools), abi.encodeCall(ISecurityStake.unstake, (1)), 4 ether);
    }

    /// @dev Entitled itself, and paid what it slashes.
    function test_slash_recipientCallsBack_isPaidOnce() public {
        AgentIdentity identity = new AgentIdentity();
        SecurityStake pools = new SecurityStake(
            governance.addr, IERC721(address(identity)), UNBONDING, entitled(address(returning), 5000)
        );
        ISecurityStake.Role role = ISecurityStake.Role.Validator;
        pools.stake{ value: 10 ether }(role, 1);
        _payAndAgain(
            address(pools), abi.encodeCall(ISecurityStake.slash, (role, 1, 2 ether, address(returning), 0)), 2 ether
        );
    }

    function test_claimLicenceFees_ownerCallsBack_isPaidOnce() public {
        returning.act(
            address(datanets), abi.encodeCall(IDatanets.createDatanet, ("one", 0, "MIT", address(returning))), 0
        );
        returning.act(
            address(datanets), abi.encodeCall(ILicences.setLicenceTerms, (1, 2 ether, 1 days, 1000, bytes32(0))), 0
        );
        datanets.buyLicence{ value: 2 ether }(1, 1, caller.addr);
        _payAndAgain(
            address(datanets),
            abi.encodeCall(ILicences.claimLicenceFees, (address(returning), new bytes32[](0))),
            2 ether
        );
    }

    function test_pay_winnerCallsBack_isPaidOnce() public {
        Oracle oracle = new Oracle();
        OutputChallenges challenges = new OutputChallenges(oracle, 1 ether);
        oracle.setChallenger(address(challenges));
        oracle.propose("wrong");
        returning.act(
            address(challenges),
            abi.encodeCall(IOutputChallenges.challenge, (0, bytes32("wrong"), bytes32("right"))),
            1 ether
        );
        challenges.overbid{ value: 2 ether }(5, "wrong");
        returning.act(address(challenges), abi.encodeCall(IOutputChallenges.overbid, (5, bytes32("right"))), 4 ether);
        oracle.propose("right");
        vm.warp(block.timestamp + oracle.finalizationPeriodSeconds());
        challenges.settle(0);
        _payAndAgain(address(challenges), abi.encodeCall(IOutputChallenges.pay, (5, address(returning))), 7 ether);
    }

    /// @dev What is left of the balance may be unwrapped in the middle, as at any time; never the same twice.
    function test_unwrap_holderCallsBack_getsWhatItHadAtMost() public {
        GOpen gopen = new GOpen();
        address[2] memory wrappers = [address(wopen), address(gopen)];
        for (uint256 i; i < 2; ++i) {
            wopen.deposit{ value: 5 ether }();
            gopen.deposit{ value: 5 ether }();
            returning.act(wrappers[i], abi.encodeCall(IWOPEN.deposit, ()), 3 ether);
            _payAndAgain(wrappers[i], abi.encodeCall(IWOPEN.withdraw, (2 ether)), 2 ether);
        }
    }

    /// @dev Has `to` pay, and asks for the same again while it does.
    function _payAndAgain(address to, bytes memory data, uint256 due) private {
        (uint256 had, uint256 held) = (address(returning).balance, to.balance);
        returning.prepare(to, data, false);
        returning.act(to, data, 0);
        vm.assertFalse(returning.isAnswered());
        vm.assertEq(address(returning).balance, had + due);
        vm.assertEq(to.balance, held - due);
        returning.prepare(address(0), "", false);
    }
}
