// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";

import { IAudit } from "../src/interfaces/IAudit.sol";
import { ICourt } from "../src/interfaces/ICourt.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { CourtTest } from "./CourtTest.t.sol";

contract Court_bond_Test is CourtTest {
    function test_settle_moreThanTheBondCovers_reverts() public {
        vm.prank(operator.addr);
        court.requestUnbond(uint96(BOND - 0.003 ether));
        // a quarter of what stays, in thousandths of an OPEN rounded down; fees in millionths rounded up
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNotCovered.selector, 1e12, 0));
        this.postNow();
        court.bondFor{ value: 0.001 ether }(operator.addr);
        this.postNow();
        (uint256 covered, uint256 exposed,) = settlement.coverage();
        vm.assertEq(covered, 0.001 ether);
        vm.assertEq(exposed, 1e12);
    }

    function postNow() external {
        post();
    }

    function test_unbond_whileLiable_reverts() public {
        vm.startPrank(operator.addr);
        court.requestUnbond(1 ether);
        uint256 readyAt = block.timestamp + 2 * CHALLENGE + 4 * STEP;
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtBondLiable.selector, operator.addr, readyAt));
        court.unbond();
        vm.warp(readyAt);
        court.unbond();
        vm.stopPrank();
        vm.assertEq(operator.addr.balance, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNothingOwed.selector, stranger.addr));
        vm.prank(stranger.addr);
        court.unbond();
    }

    function test_setOperator_another_needsABond() public {
        vm.prank(governance.addr);
        settlement.setOperator(stranger.addr);
        (uint256 covered,,) = settlement.coverage();
        vm.assertEq(covered, 0);
        court.bondFor{ value: 8 ether }(stranger.addr);
        (covered,,) = settlement.coverage();
        vm.assertEq(covered, 2 ether);
        // the bond of who is no operator covers nothing
        court.bondFor{ value: 8 ether }(operator.addr);
        (covered,,) = settlement.coverage();
        vm.assertEq(covered, 2 ether);
    }

    function test_setTerms_boundsAndOwner_areKept() public {
        vm.prank(governance.addr);
        court.setTerms(5 ether, 2 ether);
        (uint96 penalty, uint96 stakeWei) = court.terms();
        vm.assertEq(penalty, 5 ether);
        vm.assertEq(stakeWei, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtInvalidTerms.selector, 0.9 ether, 2 ether));
        vm.prank(governance.addr);
        court.setTerms(0.9 ether, 2 ether);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtInvalidTerms.selector, 5 ether, 1001 ether));
        vm.prank(governance.addr);
        court.setTerms(5 ether, 1001 ether);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, operator.addr));
        vm.prank(operator.addr);
        court.setTerms(5 ether, 2 ether);
    }

    function test_settlement_functionsOfTheCourt_refuseOthers() public {
        ISettlement.Ledger memory ledger;
        vm.startPrank(governance.addr);
        bytes memory refusal = abi.encodeWithSelector(ISettlement.SettlementNotCourt.selector, governance.addr);
        vm.expectRevert(refusal);
        settlement.setCoverage(1);
        vm.expectRevert(refusal);
        settlement.contest(1);
        vm.expectRevert(refusal);
        settlement.acquit(1);
        vm.expectRevert(refusal);
        settlement.rewind(1, 1, ledger, ledger, true);
        ICourt.Posted memory posted;
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotAudit.selector, governance.addr));
        court.sentence(posted, ledger, ICourt.Fault.Root, ICourt.Remedy.Void, governance.addr);
        vm.expectRevert(abi.encodeWithSelector(IAudit.AuditNotCourt.selector, governance.addr));
        audit.consume(0);
        vm.stopPrank();
    }

    /// @dev An operator that convicts itself, batch after batch, does not reach what is kept for payers.
    function test_convict_selfConvictions_leaveTheRefunds() public {
        vm.startPrank(operator.addr);
        court.requestUnbond(uint96(BOND - 300 ether));
        vm.stopPrank();
        vm.warp(block.timestamp + 2 * CHALLENGE + 4 * STEP);
        vm.prank(operator.addr);
        court.unbond();
        // 300 OPEN are left: 75 may pass in a window, 150 are kept, 150 are there for penalties of 100
        for (uint256 i; i < 4; ++i) {
            if (i != 0) draft(7000, 3000);
            signatures[1] = signReceipt(stranger, receipts[1]);
            posts.push(abi.encode(post(), filed(1, true)));
        }
        for (uint256 i; i < 4; ++i) {
            (ICourt.Posted memory posted, ICourt.Filed memory forged) =
                abi.decode(posts[i], (ICourt.Posted, ICourt.Filed));
            this.prove(abi.encodeCall(IAudit.proveReceipt, (posted, forged, 0)));
        }
        vm.assertEq(court.owedTo(challenger.addr), 75 ether);
        (uint256 amount, uint256 reserve,,,) = court.bondOf(operator.addr);
        vm.assertEq(amount, 150 ether - 80_000);
        vm.assertEq(reserve, 150 ether - 80_000);
    }

    bytes[] internal posts;
}

contract Court_demand_Test is CourtTest {
    ISettlement.Ledger internal none;

    /// @dev A root that nobody has the lines of convicts whoever posted it.
    function test_foreclose_linesThatAreNotShown_takesCreditsBack() public {
        ICourt.Posted memory posted = post();
        vm.deal(challenger.addr, 100 ether);
        vm.startPrank(challenger.addr);
        court.demand{ value: STAKE }(posted, ICourt.Item.CreditLine, 1);
        court.demand{ value: STAKE }(posted, ICourt.Item.CreditLine, 9);
        court.demand{ value: STAKE }(posted, ICourt.Item.CreditLine, 0);
        vm.stopPrank();
        IAudit.Line memory line = creditLine(1);
        court.produceLine(posted, true, 1, line);
        vm.expectRevert(ICourt.CourtInvalidProof.selector);
        court.produceLine(posted, true, 9, line);
        court.produceLine(posted, true, 9, creditLine(2));
        vm.assertEq(court.owedTo(operator.addr), 2 * STAKE);
        vm.warp(block.timestamp + STEP + 1);
        court.foreclose(posted, ICourt.Item.CreditLine, 0, none);
        (uint256 sum,, uint256 uncredited) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncredited, 14_000);
        vm.assertEq(court.owedTo(challenger.addr), STAKE + PENALTY / 2);
    }

    function _demand(ICourt.Posted memory posted, uint256 index) internal {
        vm.deal(challenger.addr, 100 ether);
        vm.prank(challenger.addr);
        court.demand{ value: STAKE }(posted, ICourt.Item.Receipt, index);
    }

    function test_produceReceipt_receiptAndShares_earnsTheStake() public {
        ICourt.Posted memory posted = post();
        _demand(posted, 1);
        ICourt.Filed memory shown = filed(1, true);
        vm.prank(stranger.addr);
        court.produceReceipt(posted, shown);
        vm.snapshotGasLastCall("Court", "produceReceipt, of 2");
        vm.assertEq(court.owedTo(operator.addr), STAKE);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtDemanded.selector, 1, ICourt.Item.Receipt, 1));
        vm.prank(challenger.addr);
        court.demand{ value: STAKE }(posted, ICourt.Item.Receipt, 1);
        vm.warp(block.timestamp + STEP + 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtUnknownDemand.selector, 1, ICourt.Item.Receipt, 1));
        court.foreclose(posted, ICourt.Item.Receipt, 1, none);
    }

    function test_produceReceipt_forgedOrWithoutShares_doesNotAnswer() public {
        signatures[1] = signReceipt(stranger, receipts[1]);
        ICourt.Posted memory posted = post();
        _demand(posted, 1);
        _demand(posted, 0);
        ICourt.Filed memory shown = filed(1, true);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtAlreadyConvicted.selector, 1, ICourt.Fault.Unsigned));
        court.produceReceipt(posted, shown);
        shown = filed(0, true);
        shown.shares = "";
        vm.expectRevert(ICourt.CourtInvalidProof.selector);
        court.produceReceipt(posted, shown);
    }

    function test_foreclose_nothingShown_freesTheBatch() public {
        ICourt.Posted memory posted = post();
        _demand(posted, 0);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtTooEarly.selector, block.timestamp + STEP + 1));
        court.foreclose(posted, ICourt.Item.Receipt, 0, none);
        vm.warp(block.timestamp + STEP + 1);
        ICourt.Filed memory shown = filed(0, true);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtTooLate.selector, block.timestamp - 1));
        court.produceReceipt(posted, shown);
        court.foreclose(posted, ICourt.Item.Receipt, 0, none);
        vm.assertEq(court.owedTo(challenger.addr), STAKE + PENALTY / 2);
        (bool isConvicted, bool isFree, uint256 refundWei) = court.verdictOn(1);
        vm.assertTrue(isConvicted && isFree);
        vm.assertEq(refundWei, 20_000);
    }

    function test_demand_wrongStakePlaceOrTime_reverts() public {
        ICourt.Posted memory posted = post();
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtWrongBond.selector, STAKE, 1));
        court.demand{ value: 1 }(posted, ICourt.Item.Receipt, 0);
        vm.expectRevert(ICourt.CourtInvalidProof.selector);
        court.demand{ value: STAKE }(posted, ICourt.Item.Receipt, 2);
        vm.warp(block.timestamp + CHALLENGE + 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtWindowOver.selector, 1, block.timestamp - 1));
        court.demand{ value: STAKE }(posted, ICourt.Item.Receipt, 0);
    }
}
