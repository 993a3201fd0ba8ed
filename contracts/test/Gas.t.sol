// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { IModels } from "../src/interfaces/IModels.sol";
import { SettlementTest } from "./SettlementTest.t.sol";

/// @notice Gas of the flows that are paid for again and again, written to `contracts/snapshots` and compared on each run.
///         Figures are of the call alone: a transaction adds 21,000 and its call data.
contract Gas_Test is SettlementTest {
    function test_settle_oneReceiptOneCredit_isMeasured() public {
        settleOne(ann.addr);
        ISettlement.Receipt[] memory receipts = one(nextReceipt());
        book.credit(ann.addr, contributorsPart(FEE, false));
        _post(receipts);
        vm.snapshotGasLastCall("Settlement", "settle, 1 receipt, 1 credit");
    }

    /// @dev Batches that differ in one thing only; what they differ by is the price of that thing.
    function test_settle_parts_areMeasuredApart() public {
        _settleMany(100, 100);
        uint256 base = _settleMany(100, 100);
        uint256 moreReceipts = _settleMany(200, 100);
        uint256 moreCredits = _settleMany(100, 300);
        vm.snapshotValue("Settlement", "settle, per receipt", (moreReceipts - base) / 100);
        // 100 of the 300 are known, the others new
        uint256 allKnown = _settleMany(100, 300);
        vm.snapshotValue("Settlement", "settle, per credit of a known account", (allKnown - base) / 200);
        vm.snapshotValue("Settlement", "settle, per credit of a new account", (moreCredits - base) / 200);
        vm.snapshotValue("Settlement", "settle, 100 receipts, 300 credits", allKnown);
    }

    function test_claim_depth_isMeasured() public {
        book.credit(ann.addr, 1);
        for (uint256 i; i < 99; ++i) {
            book.credit(vm.addr(1000 + i), 1);
        }
        book.credit(bob.addr, 6900);
        settle(one(nextReceipt()));
        vm.warp(NOON + CHALLENGE);
        uint256[] memory lines = new uint256[](1);
        claimLines(lines);
        vm.snapshotGasLastCall("Settlement", "claim, alone, of 101 accounts");
        lines = new uint256[](50);
        for (uint256 i; i < 50; ++i) {
            lines[i] = 2 * i + 1;
        }
        claimLines(lines);
        vm.snapshotValue("Settlement", "claim, each of 50 together, new account", vm.lastCallGas().gasTotalUsed / 50);
    }

    function test_prepaid_flows_areMeasured() public {
        vm.prank(caller.addr);
        settlement.deposit{ value: 1 }(caller.addr);
        vm.snapshotGasLastCall("Settlement", "deposit, again");
        vm.prank(caller.addr);
        settlement.requestWithdrawal(1);
        vm.snapshotGasLastCall("Settlement", "requestWithdrawal");
        vm.warp(NOON + WITHDRAWAL_DELAY);
        vm.prank(caller.addr);
        settlement.withdraw(caller.addr);
        vm.snapshotGasLastCall("Settlement", "withdraw");
    }

    function test_registries_areMeasured() public {
        uint256 datanetId = createDatanet();
        vm.snapshotGasLastCall("Datanets", "createDatanet");
        IDatanets.ContributionInput memory input = contributionInput(datanetId);
        bytes memory signature = signContribution(contributor, input, contributor.addr, NOON);
        datanets.contribute(input, contributor.addr, NOON, signature);
        vm.snapshotGasLastCall("Datanets", "contribute");
        vm.prank(builder.addr);
        datanets.publishVersion(datanetId, keccak256("v1"), 8, 0, 0);
        vm.snapshotGasLastCall("Datanets", "publishVersion");
        vm.startPrank(builder.addr);
        datanets.setLicenceTerms(datanetId, 1 ether, 30 days, 1000, keccak256("terms"));
        vm.snapshotGasLastCall("Datanets", "setLicenceTerms");
        vm.stopPrank();
        vm.prank(caller.addr);
        datanets.buyLicence{ value: 1 ether }(datanetId, 1, caller.addr);
        vm.snapshotGasLastCall("Datanets", "buyLicence");
        IModels.ModelInput memory model = modelInput("solidity-2");
        signature = signPublication(builder, model, builder.addr, NOON);
        models.publishModel(model, builder.addr, NOON, signature);
        vm.snapshotGasLastCall("Models", "publishModel, no Datanets");
    }

    function test_staking_flows_areMeasured() public {
        stake(backer, modelId, 1 ether);
        vm.snapshotGasLastCall("Staking", "stake, first");
        settleOne(ann.addr);
        vm.prank(backer.addr);
        staking.claimRewards(modelId);
        vm.snapshotGasLastCall("Staking", "claimRewards");
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        vm.snapshotGasLastCall("Staking", "requestUnstake");
    }

    function _settleMany(uint256 count, uint256 credits) private returns (uint256) {
        ISettlement.Receipt[] memory receipts = new ISettlement.Receipt[](count);
        for (uint256 i; i < count; ++i) {
            receipts[i] = nextReceipt();
        }
        uint256 left = count * contributorsPart(FEE, false);
        for (uint256 i; i < credits; ++i) {
            uint256 amount = i + 1 == credits ? left : 7;
            left -= amount;
            book.credit(vm.addr(1000 + i), amount);
        }
        _post(receipts);
        return vm.lastCallGas().gasTotalUsed;
    }

    function _post(ISettlement.Receipt[] memory receipts) private {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(receipts);
        ISettlement.Segment[] memory segments = book.take();
        batch.accountCount = uint32(book.accountCount());
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, segments);
    }
}
