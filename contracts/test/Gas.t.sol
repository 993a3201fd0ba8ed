// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { IModels } from "../src/interfaces/IModels.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { SettlementTest } from "./Settlement.t.sol";

/// @notice Gas of the flows that are paid for again and again, written to `contracts/snapshots` and compared on each run.
///         Figures are of the call alone: a transaction adds 21,000 and its call data.
contract Gas_Test is SettlementTest {
    uint256 private _size;

    function test_settle_oneReceiptOneCredit_isMeasured() public {
        settleOne(ann.addr);
        settleOne(ann.addr);
        vm.snapshotGasLastCall("settlement", "settle, 1 receipt, 1 credit");
    }

    /// @dev Batches that differ in one thing only; what they differ by is the price of that thing.
    function test_settle_receiptsAndCredits_areMeasuredApart() public {
        stake(backer, modelId, 1 ether);
        _settleMany(1, 1);
        uint256 base = _settleMany(100, 1);
        uint256 moreReceipts = _settleMany(200, 1);
        uint256 moreCredits = _settleMany(100, 101);
        vm.snapshotValue("settlement", "settle, per receipt", (moreReceipts - base) / 100);
        vm.snapshotValue("settlement", "settle, per credit", (moreCredits - base) / 100);
        vm.snapshotValue("settlement", "settle, 100 receipts, 101 credits, staked model", moreCredits);
    }

    function test_settle_callData_isMeasured() public {
        ISettlement.Receipt[] memory receipts = _receipts(2);
        uint256 two = _callDataGas(abi.encodeCall(settlement.settle, (receipts, hex"", keccak256("root"), 1 ether)));
        uint256 one =
            _callDataGas(abi.encodeCall(settlement.settle, (one(receipts[0]), hex"", keccak256("root"), 1 ether)));
        vm.snapshotValue("settlement", "call data, per receipt", two - one);
        vm.snapshotValue(
            "settlement", "call data, per credit", _callDataGas(abi.encodePacked(ann.addr, uint96(0.0123 ether)))
        );
    }

    function test_claim_depth20_isMeasured() public {
        // a ledger of a million accounts whose left edge is real
        MerkleSum.Node[] memory siblings = new MerkleSum.Node[](20);
        settleOne(ann.addr);
        ISettlement.Receipt[] memory receipts = _receipts(1);
        bytes32 hash = MerkleSum.leaf(ann.addr, 7000).hash;
        uint256 sum = 7000;
        for (uint256 i; i < 20; ++i) {
            siblings[i] = MerkleSum.Node(keccak256(abi.encode(i)), i == 0 ? 7000 : 0);
            hash = keccak256(abi.encode(hash, sum, siblings[i].hash, siblings[i].sum));
            sum += siblings[i].sum;
        }
        vm.prank(operator.addr);
        settlement.settle(receipts, abi.encodePacked(bob.addr, uint96(7000)), hash, 14_000);
        settlement.claim(ann.addr, 7000, 0, siblings);
        vm.snapshotGasLastCall("settlement", "claim, first, depth 20");
    }

    function test_prepaid_flows_areMeasured() public {
        vm.prank(caller.addr);
        settlement.deposit{ value: 1 }(caller.addr);
        vm.snapshotGasLastCall("settlement", "deposit, again");
        vm.prank(caller.addr);
        settlement.requestWithdrawal(1);
        vm.snapshotGasLastCall("settlement", "requestWithdrawal");
        vm.warp(NOON + WITHDRAWAL_DELAY);
        vm.prank(caller.addr);
        settlement.withdraw();
        vm.snapshotGasLastCall("settlement", "withdraw");
    }

    function test_registries_areMeasured() public {
        uint256 datanetId = createDatanet();
        vm.snapshotGasLastCall("registries", "createDatanet");
        IDatanets.ContributionInput memory input = contributionInput(datanetId);
        bytes memory signature = signContribution(contributor, input, contributor.addr, NOON);
        datanets.contribute(input, contributor.addr, NOON, signature);
        vm.snapshotGasLastCall("registries", "contribute");
        vm.prank(builder.addr);
        datanets.publishVersion(datanetId, keccak256("v1"), 8, 0, 0);
        vm.snapshotGasLastCall("registries", "publishVersion");
        IModels.ModelInput memory model = modelInput("solidity-2");
        signature = signPublication(builder, model, builder.addr, NOON);
        models.publishModel(model, builder.addr, NOON, signature);
        vm.snapshotGasLastCall("registries", "publishModel, no Datanets");
    }

    function test_staking_flows_areMeasured() public {
        stake(backer, modelId, 1 ether);
        vm.snapshotGasLastCall("staking", "stake, first");
        settleOne(ann.addr);
        vm.prank(backer.addr);
        staking.claimRewards(modelId);
        vm.snapshotGasLastCall("staking", "claimRewards");
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        vm.snapshotGasLastCall("staking", "requestUnstake");
    }

    function _settleMany(uint256 count, uint256 credits) private returns (uint256) {
        ISettlement.Receipt[] memory receipts = _receipts(count);
        uint256 left = count * contributorsPart(FEE, staking.totalStakeOf(modelId) != 0);
        bytes memory packed = new bytes(0);
        for (uint256 i; i < credits; ++i) {
            uint256 amount = i + 1 == credits ? left : 7;
            left -= amount;
            packed = bytes.concat(packed, abi.encodePacked(vm.addr(1000 + i), uint96(amount)));
        }
        _size += count * contributorsPart(FEE, staking.totalStakeOf(modelId) != 0);
        vm.prank(operator.addr);
        settlement.settle(receipts, packed, keccak256(abi.encode(_size)), _size);
        return vm.lastCallGas().gasTotalUsed;
    }

    function _receipts(uint256 count) private returns (ISettlement.Receipt[] memory receipts) {
        receipts = new ISettlement.Receipt[](count);
        for (uint256 i; i < count; ++i) {
            ISettlement.Receipt memory receipt = blank();
            receipt.answerHash = keccak256(abi.encode(_size, i));
            receipts[i] = book.append(receipt);
        }
    }

    /// @dev EIP-2028: 4 gas for a zero byte, 16 for another.
    function _callDataGas(bytes memory data) private pure returns (uint256 gas) {
        for (uint256 i; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
    }
}
