// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { ContractAccount } from "./Base.t.sol";
import { World } from "./World.t.sol";

contract Datanets_createDatanet_Test is World {
    function test_createDatanet_validName_numbersFromOne() public {
        vm.expectEmit(address(datanets));
        emit IDatanets.DatanetCreated(1, builder.addr, "solidity", keccak256("metadata"), "MIT", builder.addr);
        vm.assertEq(createDatanet(), 1);
        vm.assertEq(createDatanet(), 2);
        vm.assertEq(datanets.datanetCount(), 2);

        IDatanets.Datanet memory datanet = datanets.get(1);
        vm.assertEq(datanet.owner, builder.addr);
        vm.assertEq(datanet.commons, builder.addr);
        vm.assertEq(datanet.name, "solidity");
        vm.assertEq(datanet.licence, "MIT");
        vm.assertEq(datanet.metadataHash, keccak256("metadata"));
        vm.assertEq(datanet.createdAt, NOON);
        vm.assertEq(datanets.commonsOf(1), builder.addr);
    }

    function test_createDatanet_nameTaken_reverts() public {
        uint256 datanetId = createDatanet();
        vm.assertEq(datanets.idOf("solidity"), datanetId);
        vm.assertEq(datanets.idOf("other"), 0);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNameTaken.selector, "solidity", datanetId));
        datanets.createDatanet("solidity", 0, "MIT", builder.addr);
    }

    function test_createDatanet_invalidNames_revert() public {
        string[9] memory names =
            ["", "a", "Solidity", "-solidity", ".x", "sol idity", "sol_idity", unicode"ßß", "a/b"];
        for (uint256 i; i < names.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidName.selector, names[i]));
            datanets.createDatanet(names[i], 0, "MIT", builder.addr);
        }
    }

    function test_createDatanet_longestName_isAccepted() public {
        string memory longest = "0123456789abcdef.0123456789abcdef-0123456789abcdef.0123456789ab";
        vm.assertEq(bytes(longest).length, 63);
        datanets.createDatanet(longest, 0, "MIT", builder.addr);
        string memory tooLong = string.concat(longest, "c");
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidName.selector, tooLong));
        datanets.createDatanet(tooLong, 0, "MIT", builder.addr);
    }

    /// @dev Oracle: the alphabet written out.
    function testFuzz_createDatanet_anyByte_isInTheAlphabetOrReverts(bytes1 character) public {
        bool allowed;
        bytes memory alphabet = "abcdefghijklmnopqrstuvwxyz0123456789.-";
        for (uint256 i; i < alphabet.length; ++i) {
            allowed = allowed || alphabet[i] == character;
        }
        string memory name = string(bytes.concat("a", character));
        if (!allowed) vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidName.selector, name));
        datanets.createDatanet(name, 0, "MIT", builder.addr);
    }

    function test_createDatanet_withoutCommons_reverts() public {
        vm.expectRevert(IDatanets.DatanetsZeroAddress.selector);
        datanets.createDatanet("solidity", 0, "MIT", address(0));
    }

    function test_get_unknownDatanet_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsUnknownDatanet.selector, 7));
        datanets.get(7);
    }
}

contract Datanets_ownership_Test is World {
    uint256 internal datanetId;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
    }

    function test_ownerFunctions_stranger_revert() public {
        bytes memory refusal = abi.encodeWithSelector(IDatanets.DatanetsNotOwner.selector, datanetId, stranger.addr);
        vm.startPrank(stranger.addr);
        vm.expectRevert(refusal);
        datanets.transferDatanet(datanetId, stranger.addr);
        vm.expectRevert(refusal);
        datanets.setCommons(datanetId, stranger.addr);
        vm.expectRevert(refusal);
        datanets.setMetadata(datanetId, 0);
        vm.expectRevert(refusal);
        datanets.addValidator(datanetId, stranger.addr);
        vm.expectRevert(refusal);
        datanets.removeValidator(datanetId, validator.addr);
        vm.stopPrank();
    }

    function test_ownerFunctions_zeroAddress_revert() public {
        vm.startPrank(builder.addr);
        vm.expectRevert(IDatanets.DatanetsZeroAddress.selector);
        datanets.transferDatanet(datanetId, address(0));
        vm.expectRevert(IDatanets.DatanetsZeroAddress.selector);
        datanets.setCommons(datanetId, address(0));
        vm.expectRevert(IDatanets.DatanetsZeroAddress.selector);
        datanets.addValidator(datanetId, address(0));
        vm.stopPrank();
    }

    function test_transferDatanet_owner_handsItOver() public {
        vm.prank(builder.addr);
        datanets.transferDatanet(datanetId, stranger.addr);
        vm.prank(stranger.addr);
        datanets.setCommons(datanetId, contributor.addr);
        vm.assertEq(datanets.commonsOf(datanetId), contributor.addr);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotOwner.selector, datanetId, builder.addr));
        vm.prank(builder.addr);
        datanets.setCommons(datanetId, builder.addr);
    }

    function test_setMetadata_owner_pointsToIt() public {
        vm.prank(builder.addr);
        datanets.setMetadata(datanetId, keccak256("new"));
        vm.assertEq(datanets.get(datanetId).metadataHash, keccak256("new"));
    }

    function test_removeValidator_owner_takesTheRightBack() public {
        vm.startPrank(builder.addr);
        datanets.addValidator(datanetId, validator.addr);
        vm.assertTrue(datanets.isValidator(datanetId, validator.addr));
        datanets.removeValidator(datanetId, validator.addr);
        vm.assertFalse(datanets.isValidator(datanetId, validator.addr));
        vm.stopPrank();
    }
}

contract Datanets_contribute_Test is World {
    uint256 internal datanetId;
    IDatanets.ContributionInput internal input;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
        input = contributionInput(datanetId);
    }

    function test_contribute_relayed_belongsToTheSigner() public {
        bytes32 id = keccak256(abi.encode(datanetId, input.recordsRoot));
        bytes memory signature = signContribution(contributor, input, contributor.addr, NOON);
        vm.expectEmit(address(datanets));
        emit IDatanets.Contributed(datanetId, id, contributor.addr, input.recordsRoot, 10, input.contentHash, "MIT");
        vm.prank(stranger.addr);
        vm.assertEq(datanets.contribute(input, contributor.addr, NOON, signature), id);

        IDatanets.Contribution memory contribution = datanets.contributionOf(id);
        vm.assertEq(contribution.contributor, contributor.addr);
        vm.assertEq(contribution.beneficiary, contributor.addr);
        vm.assertEq(contribution.recordsRoot, input.recordsRoot);
        vm.assertEq(contribution.contentHash, input.contentHash);
        vm.assertEq(contribution.recordCount, 10);
        vm.assertEq(contribution.contributedAt, NOON);
        vm.assertEq(contribution.acceptedRoot, 0);
        vm.assertEq(datanets.beneficiaryOf(id), contributor.addr);
    }

    function test_beneficiariesOf_many_inTheirOrderAndOnlyKnown() public {
        bytes32 id = contribute(datanetId);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (id, id);
        address[] memory accounts = datanets.beneficiariesOf(ids);
        vm.assertEq(accounts.length, 2);
        vm.assertEq(accounts[0], contributor.addr);
        vm.assertEq(accounts[1], contributor.addr);

        ids[1] = "x";
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsUnknownContribution.selector, bytes32("x")));
        datanets.beneficiariesOf(ids);
    }

    function test_contribute_sameRootAgain_revertsNamingTheFirst() public {
        bytes32 id = contribute(datanetId);
        bytes memory signature = signContribution(stranger, input, stranger.addr, NOON);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsAlreadyContributed.selector, id, contributor.addr));
        datanets.contribute(input, stranger.addr, NOON, signature);
    }

    function test_contribute_sameRootElsewhere_isAnotherContribution() public {
        bytes32 id = contribute(datanetId);
        vm.assertNotEq(id, contribute(createDatanet()));
    }

    function test_contribute_afterTheDeadline_reverts() public {
        bytes memory signature = signContribution(contributor, input, contributor.addr, NOON);
        vm.warp(NOON + 1);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsSignatureExpired.selector, NOON));
        datanets.contribute(input, contributor.addr, NOON, signature);
    }

    function test_contribute_anotherSigner_reverts() public {
        bytes memory signature = signContribution(stranger, input, contributor.addr, NOON);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidSignature.selector, contributor.addr));
        datanets.contribute(input, contributor.addr, NOON, signature);
    }

    /// @dev Each field is signed: changing any one of them voids the signature.
    function testFuzz_contribute_alteredField_reverts(uint256 which) public {
        bytes memory signature = signContribution(contributor, input, contributor.addr, NOON);
        uint256 deadline = NOON;
        which = which % 6;
        if (which == 0) input.datanetId = createDatanet();
        if (which == 1) input.recordsRoot = keccak256("others");
        if (which == 2) input.recordCount += 1;
        if (which == 3) input.contentHash = keccak256("others");
        if (which == 4) input.licence = "CC0-1.0";
        if (which == 5) deadline += 1;
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidSignature.selector, contributor.addr));
        datanets.contribute(input, contributor.addr, deadline, signature);
    }

    function test_contribute_walletContract_signsByErc1271() public {
        address wallet = address(new ContractAccount(contributor.addr));
        bytes memory signature = signContribution(contributor, input, wallet, NOON);
        bytes32 id = datanets.contribute(input, wallet, NOON, signature);
        vm.assertEq(datanets.beneficiaryOf(id), wallet);
    }

    function test_contribute_nothing_reverts() public {
        input.recordCount = 0;
        vm.expectRevert(IDatanets.DatanetsEmptyContribution.selector);
        datanets.contribute(input, contributor.addr, NOON, "");
        input.recordCount = 1;
        input.recordsRoot = 0;
        vm.expectRevert(IDatanets.DatanetsEmptyContribution.selector);
        datanets.contribute(input, contributor.addr, NOON, "");
    }

    function test_contribute_unknownDatanet_reverts() public {
        input.datanetId = 9;
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsUnknownDatanet.selector, 9));
        datanets.contribute(input, contributor.addr, NOON, "");
    }

    function test_contribute_zeroContributor_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidSignature.selector, address(0)));
        datanets.contribute(input, address(0), NOON, new bytes(65));
    }
}

contract Datanets_setBeneficiary_Test is World {
    bytes32 internal constant CHANGE_TYPEHASH =
        keccak256("BeneficiaryChange(bytes32 contributionId,address to,uint256 nonce,uint256 deadline)");
    bytes32 internal id;

    function setUp() public override {
        super.setUp();
        id = contribute(createDatanet());
    }

    function test_setBeneficiary_beneficiary_movesFutureRewards() public {
        vm.expectEmit(address(datanets));
        emit IDatanets.BeneficiaryChanged(id, contributor.addr, stranger.addr);
        vm.prank(contributor.addr);
        datanets.setBeneficiary(id, stranger.addr);
        vm.assertEq(datanets.beneficiaryOf(id), stranger.addr);
        vm.assertEq(datanets.contributionOf(id).contributor, contributor.addr);

        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotBeneficiary.selector, id, contributor.addr));
        vm.prank(contributor.addr);
        datanets.setBeneficiary(id, contributor.addr);
    }

    function test_setBeneficiary_zero_reverts() public {
        vm.expectRevert(IDatanets.DatanetsZeroAddress.selector);
        vm.prank(contributor.addr);
        datanets.setBeneficiary(id, address(0));
    }

    function test_setBeneficiary_unknownContribution_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsUnknownContribution.selector, bytes32("x")));
        datanets.setBeneficiary("x", stranger.addr);
    }

    function test_setBeneficiaryWithSignature_relayed_movesOnce() public {
        bytes memory signature = _signChange(stranger.addr, 0);
        datanets.setBeneficiaryWithSignature(id, stranger.addr, NOON, signature);
        vm.assertEq(datanets.beneficiaryOf(id), stranger.addr);
        vm.assertEq(datanets.beneficiaryNonceOf(id), 1);

        vm.prank(stranger.addr);
        datanets.setBeneficiary(id, contributor.addr);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidSignature.selector, contributor.addr));
        datanets.setBeneficiaryWithSignature(id, stranger.addr, NOON, signature);
    }

    function test_setBeneficiaryWithSignature_expired_reverts() public {
        bytes memory signature = _signChange(stranger.addr, 0);
        vm.warp(NOON + 1);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsSignatureExpired.selector, NOON));
        datanets.setBeneficiaryWithSignature(id, stranger.addr, NOON, signature);
    }

    function _signChange(address to, uint256 nonce) private view returns (bytes memory) {
        return signTyped(
            contributor, datanets.DOMAIN_SEPARATOR(), keccak256(abi.encode(CHANGE_TYPEHASH, id, to, nonce, NOON))
        );
    }
}

contract Datanets_verdictsAndVersions_Test is World {
    uint256 internal datanetId;
    bytes32 internal id;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
        id = contribute(datanetId);
        vm.prank(builder.addr);
        datanets.addValidator(datanetId, validator.addr);
    }

    function test_recordVerdict_validator_recordsAndNumbers() public {
        vm.startPrank(validator.addr);
        datanets.recordVerdict(id, keccak256("accepted"), 8, keccak256("reasons"));
        vm.expectEmit(address(datanets));
        emit IDatanets.VerdictRecorded(id, validator.addr, 2, keccak256("appealed"), 9, keccak256("reasons"));
        datanets.recordVerdict(id, keccak256("appealed"), 9, keccak256("reasons"));
        vm.stopPrank();
        IDatanets.Contribution memory contribution = datanets.contributionOf(id);
        vm.assertEq(contribution.acceptedRoot, keccak256("appealed"));
        vm.assertEq(contribution.acceptedCount, 9);
        vm.assertEq(contribution.verdictCount, 2);
    }

    function test_recordVerdict_rejectAll_hasNoRoot() public {
        vm.prank(validator.addr);
        datanets.recordVerdict(id, 0, 0, keccak256("reasons"));
        vm.assertEq(datanets.contributionOf(id).verdictCount, 1);
    }

    function test_recordVerdict_inconsistent_reverts() public {
        vm.startPrank(validator.addr);
        vm.expectPartialRevert(IDatanets.DatanetsInvalidVerdict.selector);
        datanets.recordVerdict(id, keccak256("accepted"), 11, 0);
        vm.expectPartialRevert(IDatanets.DatanetsInvalidVerdict.selector);
        datanets.recordVerdict(id, keccak256("accepted"), 0, 0);
        vm.expectPartialRevert(IDatanets.DatanetsInvalidVerdict.selector);
        datanets.recordVerdict(id, 0, 3, 0);
        vm.stopPrank();
    }

    function test_recordVerdict_notValidator_reverts() public {
        // not even the owner judges, unless they name themselves
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotValidator.selector, datanetId, builder.addr));
        vm.prank(builder.addr);
        datanets.recordVerdict(id, keccak256("accepted"), 8, 0);
    }

    function test_publishVersion_ownerOrValidator_numbersFromOne() public {
        vm.prank(builder.addr);
        vm.assertEq(datanets.publishVersion(datanetId, keccak256("v1"), 8, 0, keccak256("m1")), 1);
        vm.prank(validator.addr);
        vm.assertEq(datanets.publishVersion(datanetId, keccak256("v2"), 9, 1, keccak256("m2")), 2);
        vm.assertEq(datanets.versionCountOf(datanetId), 2);
        IDatanets.Version memory version = datanets.versionOf(datanetId, 2);
        vm.assertEq(version.recordsRoot, keccak256("v2"));
        vm.assertEq(version.manifestHash, keccak256("m2"));
        vm.assertEq(version.recordCount, 9);
        vm.assertEq(version.parentVersion, 1);
        vm.assertEq(version.publisher, validator.addr);
        vm.assertEq(version.publishedAt, NOON);
    }

    function test_publishVersion_stranger_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotValidator.selector, datanetId, stranger.addr));
        vm.prank(stranger.addr);
        datanets.publishVersion(datanetId, keccak256("v1"), 8, 0, 0);
    }

    function test_publishVersion_unknownParentOrEmpty_reverts() public {
        vm.startPrank(builder.addr);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsUnknownVersion.selector, datanetId, 1));
        datanets.publishVersion(datanetId, keccak256("v1"), 8, 1, 0);
        vm.expectRevert(IDatanets.DatanetsEmptyVersion.selector);
        datanets.publishVersion(datanetId, keccak256("v1"), 0, 0, 0);
        vm.expectRevert(IDatanets.DatanetsEmptyVersion.selector);
        datanets.publishVersion(datanetId, 0, 1, 0, 0);
        vm.stopPrank();
    }

    function test_versionOf_unknown_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsUnknownVersion.selector, datanetId, 0));
        datanets.versionOf(datanetId, 0);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsUnknownVersion.selector, datanetId, 1));
        datanets.versionOf(datanetId, 1);
    }
}
