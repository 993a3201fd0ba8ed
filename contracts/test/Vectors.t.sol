// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Datanets } from "../src/datanet/Datanets.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { LedgerSegment } from "../src/libraries/LedgerSegment.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { World } from "./World.t.sol";

/// @notice What TypeScript makes (`vectors.ts`), the contracts accept: the same ledger trees, receipt hashes and
///         signatures. The contracts stand at the addresses that the vectors were signed for.
contract Vectors_Test is World {
    string internal json;

    function setUp() public override {
        json = vm.readFile("contracts/test/fixtures/vectors.json");
        vm.chainId(vm.parseJsonUint(json, ".chainId"));
        super.setUp();
        vm.warp(vm.parseJsonUint(json, ".deadline"));
    }

    function test_claim_ledgersOfTypeScript_areProven() public view {
        uint256[6] memory sizes = [uint256(1), 2, 3, 5, 8, 13];
        for (uint256 i; i < sizes.length; ++i) {
            string memory ledger = string.concat(".ledgers[", vm.toString(i), "]");
            bytes32 rootHash = vm.parseJsonBytes32(json, string.concat(ledger, ".rootHash"));
            uint256 rootSum = vm.parseJsonUint(json, string.concat(ledger, ".rootSum"));
            address[] memory accounts = vm.parseJsonAddressArray(json, string.concat(ledger, ".accounts"));
            uint256[] memory amounts = vm.parseJsonUintArray(json, string.concat(ledger, ".amounts"));
            vm.assertEq(accounts.length, sizes[i]);
            for (uint256 j; j < accounts.length; ++j) {
                bytes memory siblings =
                    vm.parseJsonBytes(json, string.concat(ledger, ".siblings[", vm.toString(j), "]"));
                vm.assertTrue(this.verify(rootHash, rootSum, sizes[i], accounts[j], amounts[j], j, siblings));
                vm.assertFalse(this.verify(rootHash, rootSum, sizes[i], accounts[j], amounts[j] + 1, j, siblings));
                vm.assertFalse(this.verify(rootHash, rootSum + 1, sizes[i], accounts[j], amounts[j], j, siblings));
            }
        }
    }

    function test_rootAfter_creditsOfTypeScript_leadToItsLedger() public view {
        (MerkleSum.Node memory root, uint256 count) = this.rootAfter(
            vm.parseJsonBytes32(json, ".credits.rootBefore"),
            vm.parseJsonUint(json, ".credits.accountCount"),
            vm.parseJsonBytes(json, ".credits.packed"),
            vm.parseJsonBytes(json, ".credits.lines"),
            vm.parseJsonBytes(json, ".credits.siblings")
        );
        vm.assertEq(root.hash, vm.parseJsonBytes32(json, ".credits.rootAfter"));
        vm.assertEq(root.sum, vm.parseJsonUint(json, ".credits.sum"));
        vm.assertEq(count, vm.parseJsonUint(json, ".credits.accountCountAfter"));
    }

    function test_hashReceipt_receiptsOfTypeScript_hashTheSame() public {
        address place = vm.parseJsonAddress(json, ".settlement");
        vm.etch(place, address(settlement).code);
        bytes32 previousHash;
        for (uint256 i; i < 3; ++i) {
            string memory vector = string.concat(".receipts[", vm.toString(i), "]");
            bytes memory call = vm.parseJsonBytes(json, string.concat(vector, ".call"));
            bytes32 hash = vm.parseJsonBytes32(json, string.concat(vector, ".hash"));
            vm.assertEq(_call(address(court.AUDIT()), call), abi.encode(hash));
            ISettlement.Receipt memory receipt = this.decodeReceipt(call);
            vm.assertEq(receipt.previousHash, previousHash);
            vm.assertEq(
                keccak256(abi.encodePacked("\x19\x01", ISettlement(place).DOMAIN_SEPARATOR(), hash)),
                vm.parseJsonBytes32(json, string.concat(vector, ".digest"))
            );
            previousHash = hash;
        }
    }

    function test_contribute_signatureOfTypeScript_isAccepted() public {
        address place = vm.parseJsonAddress(json, ".datanets");
        vm.etch(place, address(datanets).code);
        Datanets(place).createDatanet("solidity", 0, "MIT", builder.addr);
        bytes32 id = vm.parseJsonBytes32(json, ".contribution.id");
        vm.assertEq(_call(place, vm.parseJsonBytes(json, ".contribution.call")), abi.encode(id));
        vm.assertEq(Datanets(place).contributionOf(id).contributor, vm.parseJsonAddress(json, ".signer"));
    }

    function test_publishModel_signatureOfTypeScript_isAccepted() public {
        createDatanet();
        vm.prank(builder.addr);
        datanets.publishVersion(1, keccak256("v1"), 1, 0, 0);
        address place = vm.parseJsonAddress(json, ".models");
        vm.etch(place, address(models).code);
        vm.assertEq(_call(place, vm.parseJsonBytes(json, ".publication.call")), abi.encode(1));
    }

    function test_transferWithAuthorization_signatureOfTypeScript_isAccepted() public {
        address place = vm.parseJsonAddress(json, ".wopen");
        vm.etch(place, address(wopen).code);
        address signer = vm.parseJsonAddress(json, ".signer");
        uint256 value = vm.parseJsonUint(json, ".authorization.value");
        vm.deal(signer, value);
        vm.prank(signer);
        (bool sent,) = place.call{ value: value }("");
        vm.assertTrue(sent);
        _call(place, vm.parseJsonBytes(json, ".authorization.call"));
        vm.assertEq(
            _call(place, abi.encodeWithSignature("balanceOf(address)", vm.parseJsonAddress(json, ".settlement"))),
            abi.encode(value)
        );
    }

    function verify(
        bytes32 rootHash,
        uint256 rootSum,
        uint256 width,
        address account,
        uint256 amount,
        uint256 index,
        bytes calldata siblings
    ) external pure returns (bool) {
        uint256[] memory indexes = new uint256[](1);
        MerkleSum.Node[] memory nodes = new MerkleSum.Node[](1);
        indexes[0] = index;
        nodes[0] = MerkleSum.leaf(account, amount);
        MerkleSum.Node memory root = MerkleSum.rootOf(indexes, nodes, width, siblings);
        return root.hash == rootHash && root.sum == rootSum;
    }

    function rootAfter(
        bytes32 rootBefore,
        uint256 width,
        bytes calldata credits,
        bytes calldata lines,
        bytes calldata siblings
    ) external pure returns (MerkleSum.Node memory root, uint256 count) {
        return LedgerSegment.rootAfter(rootBefore, width, credits, lines, siblings);
    }

    function decodeReceipt(bytes calldata call) external pure returns (ISettlement.Receipt memory) {
        return abi.decode(call[4:], (ISettlement.Receipt));
    }

    function _call(address to, bytes memory data) private returns (bytes memory) {
        (bool succeeded, bytes memory result) = to.call(data);
        vm.assertTrue(succeeded, "call");
        return result;
    }
}
