// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { IModels } from "../src/interfaces/IModels.sol";
import { Models } from "../src/datanet/Models.sol";
import { ContractAccount } from "./Base.t.sol";
import { World } from "./World.t.sol";

contract Models_publishModel_Test is World {
    IModels.ModelInput internal input;

    function setUp() public override {
        super.setUp();
        uint256 datanetId = createDatanet();
        vm.startPrank(builder.addr);
        datanets.publishVersion(datanetId, keccak256("v1"), 8, 0, 0);
        datanets.publishVersion(datanetId, keccak256("v2"), 9, 1, 0);
        vm.stopPrank();
        input = modelInput("solidity-1");
        input.datanetIds.push(datanetId);
        input.datanetVersions.push(2);
    }

    function test_publishModel_relayed_belongsToTheSigner() public {
        bytes memory signature = signPublication(builder, input, builder.addr, NOON);
        vm.expectEmit(address(models));
        emit IModels.ModelPublished(1, builder.addr, input);
        vm.prank(stranger.addr);
        vm.assertEq(models.publishModel(input, builder.addr, NOON, signature), 1);

        IModels.Model memory model = models.get(1);
        vm.assertEq(model.name, "solidity-1");
        vm.assertEq(model.owner, builder.addr);
        vm.assertEq(model.baseHash, input.baseHash);
        vm.assertEq(model.adapterHash, input.adapterHash);
        vm.assertEq(model.configHash, input.configHash);
        vm.assertEq(model.metricsHash, input.metricsHash);
        vm.assertEq(model.attributionRoot, input.attributionRoot);
        vm.assertEq(model.datanetIds[0], 1);
        vm.assertEq(model.datanetVersions[0], 2);
        vm.assertEq(model.inputPriceWei, 2 gwei);
        vm.assertEq(model.outputPriceWei, 6 gwei);
        vm.assertEq(model.influenceBps, 7000);
        vm.assertEq(model.spansBps, 3000);
        vm.assertEq(model.agreementPpm, 640_000);
        vm.assertEq(model.publishedAt, NOON);
        vm.assertEq(model.retiredAt, 0);
        vm.assertEq(models.idOf("solidity-1"), 1);
        vm.assertEq(models.idOf("solidity-2"), 0);
        vm.assertEq(models.modelCount(), 1);
    }

    function test_publishModel_nameTaken_revertsNamingTheFirst() public {
        _publish();
        bytes memory signature = signPublication(stranger, input, stranger.addr, NOON);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsNameTaken.selector, "solidity-1", 1));
        models.publishModel(input, stranger.addr, NOON, signature);
    }

    function test_publishModel_nameOfRetired_staysTaken() public {
        _publish();
        vm.prank(builder.addr);
        models.retire(1);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsNameTaken.selector, "solidity-1", 1));
        models.publishModel(input, builder.addr, NOON, "");
    }

    function test_publishModel_anotherSigner_reverts() public {
        bytes memory signature = signPublication(stranger, input, builder.addr, NOON);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsInvalidSignature.selector, builder.addr));
        models.publishModel(input, builder.addr, NOON, signature);
    }

    function test_publishModel_alteredInput_reverts() public {
        bytes memory signature = signPublication(builder, input, builder.addr, NOON);
        input.outputPriceWei = 1;
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsInvalidSignature.selector, builder.addr));
        models.publishModel(input, builder.addr, NOON, signature);
    }

    function test_publishModel_afterTheDeadline_reverts() public {
        bytes memory signature = signPublication(builder, input, builder.addr, NOON);
        vm.warp(NOON + 1);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsSignatureExpired.selector, NOON));
        models.publishModel(input, builder.addr, NOON, signature);
    }

    function test_publishModel_walletContract_signsByErc1271() public {
        address wallet = address(new ContractAccount(builder.addr));
        models.publishModel(input, wallet, NOON, signPublication(builder, input, wallet, NOON));
        vm.assertEq(models.get(1).owner, wallet);
    }

    function test_publishModel_weightsNotWhole_reverts() public {
        input.spansBps = 2999;
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsInvalidWeights.selector, 7000, 2999));
        models.publishModel(input, builder.addr, NOON, "");
    }

    function test_publishModel_agreementAboveOne_reverts() public {
        input.agreementPpm = 1_000_001;
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsInvalidAgreement.selector, 1_000_001));
        models.publishModel(input, builder.addr, NOON, "");
    }

    function test_publishModel_unknownVersion_reverts() public {
        input.datanetVersions[0] = 3;
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsUnknownVersion.selector, 1, 3));
        models.publishModel(input, builder.addr, NOON, "");
        input.datanetVersions[0] = 0;
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsUnknownVersion.selector, 1, 0));
        models.publishModel(input, builder.addr, NOON, "");
    }

    function test_publishModel_listsOfDifferentLength_revert() public {
        input.datanetIds.push(1);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsDatanetMismatch.selector, 2, 1));
        models.publishModel(input, builder.addr, NOON, "");
    }

    function test_publishModel_invalidName_reverts() public {
        input.name = "Solidity One";
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsInvalidName.selector, "Solidity One"));
        models.publishModel(input, builder.addr, NOON, "");
    }

    function test_constructor_withoutDatanets_reverts() public {
        vm.expectRevert(IModels.ModelsZeroAddress.selector);
        new Models(IDatanets(address(0)));
    }

    function _publish() private {
        models.publishModel(input, builder.addr, NOON, signPublication(builder, input, builder.addr, NOON));
    }
}

contract Models_ownership_Test is World {
    uint256 internal modelId;

    function setUp() public override {
        super.setUp();
        modelId = publishModel("solidity-1");
    }

    function test_setPrices_owner_changesThem() public {
        vm.expectEmit(address(models));
        emit IModels.PricesChanged(modelId, 1, 3);
        vm.prank(builder.addr);
        models.setPrices(modelId, 1, 3);
        vm.assertEq(models.get(modelId).inputPriceWei, 1);
        vm.assertEq(models.get(modelId).outputPriceWei, 3);
    }

    function test_ownerFunctions_stranger_revert() public {
        bytes memory refusal = abi.encodeWithSelector(IModels.ModelsNotOwner.selector, modelId, stranger.addr);
        vm.startPrank(stranger.addr);
        vm.expectRevert(refusal);
        models.setPrices(modelId, 1, 3);
        vm.expectRevert(refusal);
        models.retire(modelId);
        vm.expectRevert(refusal);
        models.transferModel(modelId, stranger.addr);
        vm.stopPrank();
    }

    function test_transferModel_owner_handsItOver() public {
        vm.prank(builder.addr);
        models.transferModel(modelId, stranger.addr);
        (address owner,) = models.ownerOf(modelId);
        vm.assertEq(owner, stranger.addr);
        vm.expectRevert(IModels.ModelsZeroAddress.selector);
        vm.prank(stranger.addr);
        models.transferModel(modelId, address(0));
    }

    function test_retire_owner_isForGood() public {
        vm.startPrank(builder.addr);
        models.retire(modelId);
        (, uint64 retiredAt) = models.ownerOf(modelId);
        vm.assertEq(retiredAt, NOON);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsRetired.selector, modelId));
        models.retire(modelId);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsRetired.selector, modelId));
        models.setPrices(modelId, 1, 1);
        vm.stopPrank();
    }

    function test_reads_unknownModel_revert() public {
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 9));
        models.get(9);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 9));
        models.ownerOf(9);
        vm.expectRevert(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 0));
        models.retire(0);
    }
}
