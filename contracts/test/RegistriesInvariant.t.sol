// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { IModels } from "../src/interfaces/IModels.sol";
import { Intruder } from "./Intruder.t.sol";
import { World } from "./World.t.sol";

/// @notice Owners, contributors and publishers use both registries at random, and a stranger tries what is theirs. It keeps
///         its own books: what was registered, as it was then, and who has it now.
contract RegistriesHandler is World, Intruder {
    bytes32 private constant _WITHDRAWAL_TYPEHASH = keccak256("Withdrawal(bytes32 contributionId,uint256 deadline)");

    Actor[] private _people;
    bytes32[] private _contributionIds;
    mapping(uint256 datanetId => address) private _datanetOwnerOf;
    mapping(uint256 datanetId => bytes32[]) private _versionsOf;
    mapping(bytes32 contributionId => bytes32) private _contributionOf;
    mapping(bytes32 contributionId => address) private _beneficiaryOf;
    mapping(bytes32 contributionId => uint64) private _withdrawnAtOf;
    mapping(uint256 modelId => bytes32) private _modelOf;
    mapping(uint256 modelId => address) private _modelOwnerOf;
    mapping(uint256 modelId => uint64) private _retiredAtOf;

    function setUp() public override {
        super.setUp();
        _people.push(builder);
        _people.push(contributor);
        _people.push(backer);
        createDatanet(0);
    }

    function createDatanet(uint256 seed) public {
        uint256 number = datanets.datanetCount() + 1;
        Actor memory owner = _people[seed % 3];
        vm.startPrank(owner.addr);
        datanets.createDatanet(_datanetName(number), bytes32(seed), "MIT", owner.addr);
        datanets.addValidator(number, validator.addr);
        vm.stopPrank();
        _datanetOwnerOf[number] = owner.addr;
    }

    function register(uint256 seed) external {
        IDatanets.ContributionInput memory input = contributionInput(_anyDatanet(seed));
        input.recordsRoot = keccak256(abi.encode(seed));
        Actor memory author = _people[seed % 3];
        bytes32 id = keccak256(abi.encode(input.datanetId, input.recordsRoot));
        if (_contributionOf[id] != 0) return;
        bytes memory signature = signContribution(author, input, author.addr, block.timestamp);
        datanets.contribute(input, author.addr, block.timestamp, signature);
        _contributionIds.push(id);
        _contributionOf[id] = _hashOf(datanets.contributionOf(id));
        _beneficiaryOf[id] = author.addr;
    }

    function judge(uint256 seed, uint32 accepted) external {
        bytes32 id = _anyContribution(seed);
        if (id == 0 || _withdrawnAtOf[id] != 0) return;
        accepted %= 11;
        vm.prank(validator.addr);
        datanets.recordVerdict(id, accepted == 0 ? bytes32(0) : bytes32(seed | 1), accepted, 0);
    }

    function handOn(uint256 seed, uint256 who) external {
        bytes32 id = _anyContribution(seed);
        if (id == 0) return;
        vm.prank(_beneficiaryOf[id]);
        datanets.setBeneficiary(id, _people[who % 3].addr);
        _beneficiaryOf[id] = _people[who % 3].addr;
    }

    function withdraw(uint256 seed) external {
        bytes32 id = _anyContribution(seed);
        if (id == 0 || seed % 4 != 0 || _withdrawnAtOf[id] != 0) return;
        bytes32 structHash = keccak256(abi.encode(_WITHDRAWAL_TYPEHASH, id, block.timestamp));
        address author = datanets.contributionOf(id).contributor;
        for (uint256 i; i < 3; ++i) {
            if (_people[i].addr != author) continue;
            datanets.withdrawContribution(
                id, block.timestamp, signTyped(_people[i], datanets.DOMAIN_SEPARATOR(), structHash)
            );
        }
        _withdrawnAtOf[id] = uint64(block.timestamp);
    }

    function publishVersion(uint256 seed) external {
        uint256 datanetId = _anyDatanet(seed);
        uint32 parent = uint32(seed % (_versionsOf[datanetId].length + 1));
        vm.prank(seed % 2 == 0 ? _datanetOwnerOf[datanetId] : validator.addr);
        uint32 version = datanets.publishVersion(datanetId, bytes32(seed | 1), uint32(seed % 99 + 1), parent, 0);
        _versionsOf[datanetId].push(keccak256(abi.encode(datanets.versionOf(datanetId, version))));
    }

    function transferDatanet(uint256 seed, uint256 who) external {
        uint256 datanetId = _anyDatanet(seed);
        vm.prank(_datanetOwnerOf[datanetId]);
        datanets.transferDatanet(datanetId, _people[who % 3].addr);
        _datanetOwnerOf[datanetId] = _people[who % 3].addr;
    }

    function publishModel(uint256 seed) external {
        uint256 datanetId = _anyDatanet(seed);
        uint256 number = models.modelCount() + 1;
        IModels.ModelInput memory input = modelInput(_modelName(number));
        if (_versionsOf[datanetId].length != 0) {
            (input.datanetIds, input.datanetVersions) = (new uint256[](1), new uint32[](1));
            input.datanetIds[0] = datanetId;
            input.datanetVersions[0] = uint32(seed % _versionsOf[datanetId].length + 1);
        }
        Actor memory owner = _people[seed % 3];
        models.publishModel(
            input, owner.addr, block.timestamp, signPublication(owner, input, owner.addr, block.timestamp)
        );
        _modelOf[number] = _hashOf(models.get(number));
        _modelOwnerOf[number] = owner.addr;
    }

    function manageModel(uint256 seed, uint256 who) external {
        if (models.modelCount() == 0) return;
        uint256 modelId = seed % models.modelCount() + 1;
        vm.startPrank(_modelOwnerOf[modelId]);
        if (seed % 3 == 0) {
            models.transferModel(modelId, _people[who % 3].addr);
            _modelOwnerOf[modelId] = _people[who % 3].addr;
        } else if (_retiredAtOf[modelId] == 0) {
            if (seed % 3 == 1) {
                models.setPrices(modelId, uint128(seed), uint128(who));
            } else {
                models.retire(modelId);
                _retiredAtOf[modelId] = uint64(block.timestamp);
            }
        }
        vm.stopPrank();
    }

    /// @dev Whatever belongs to somebody else, with a name that is taken and a root that is registered.
    function intrude(uint256 seed) external {
        uint256 datanetId = _anyDatanet(seed);
        bytes32 id = _anyContribution(seed);
        address me = stranger.addr;
        attempt(me, address(datanets), abi.encodeCall(IDatanets.createDatanet, (_datanetName(datanetId), 0, "MIT", me)));
        attempt(me, address(datanets), abi.encodeCall(IDatanets.transferDatanet, (datanetId, me)));
        attempt(me, address(datanets), abi.encodeCall(IDatanets.setCommons, (datanetId, me)));
        attempt(me, address(datanets), abi.encodeCall(IDatanets.addValidator, (datanetId, me)));
        attempt(me, address(datanets), abi.encodeCall(IDatanets.setPanel, (datanetId, me, false)));
        attempt(me, address(datanets), abi.encodeCall(IDatanets.publishVersion, (datanetId, bytes32(seed), 1, 0, 0)));
        if (id != 0) {
            attempt(me, address(datanets), abi.encodeCall(IDatanets.recordVerdict, (id, bytes32(seed | 1), 1, 0)));
            attempt(me, address(datanets), abi.encodeCall(IDatanets.setBeneficiary, (id, me)));
            attempt(me, address(datanets), abi.encodeCall(IDatanets.referToPanel, (id)));
            IDatanets.ContributionInput memory input = contributionInput(datanets.contributionOf(id).datanetId);
            input.recordsRoot = datanets.contributionOf(id).recordsRoot;
            bytes memory signature = signContribution(stranger, input, me, block.timestamp);
            attempt(
                me, address(datanets), abi.encodeCall(IDatanets.contribute, (input, me, block.timestamp, signature))
            );
        }
        if (models.modelCount() == 0) return;
        uint256 modelId = seed % models.modelCount() + 1;
        attempt(me, address(models), abi.encodeCall(IModels.setPrices, (modelId, 0, 0)));
        attempt(me, address(models), abi.encodeCall(IModels.transferModel, (modelId, me)));
        attempt(me, address(models), abi.encodeCall(IModels.retire, (modelId)));
        IModels.ModelInput memory copy = modelInput(_modelName(modelId));
        bytes memory consent = signPublication(stranger, copy, me, block.timestamp);
        attempt(me, address(models), abi.encodeCall(IModels.publishModel, (copy, me, block.timestamp, consent)));
    }

    /// @dev How much of what was registered is not what it was, or not whose it is by the books.
    function changedDatanets() external view returns (uint256 changed) {
        for (uint256 id = 1; id <= datanets.datanetCount(); ++id) {
            IDatanets.Datanet memory datanet = datanets.get(id);
            if (datanet.owner != _datanetOwnerOf[id] || datanets.idOf(_datanetName(id)) != id) ++changed;
            if (datanet.versionCount != _versionsOf[id].length) ++changed;
            for (uint32 version = 1; version <= datanet.versionCount; ++version) {
                bytes32 now_ = keccak256(abi.encode(datanets.versionOf(id, version)));
                if (now_ != _versionsOf[id][version - 1]) ++changed;
            }
        }
    }

    function changedContributions() external view returns (uint256 changed) {
        for (uint256 i; i < _contributionIds.length; ++i) {
            bytes32 id = _contributionIds[i];
            IDatanets.Contribution memory contribution = datanets.contributionOf(id);
            if (contribution.beneficiary != _beneficiaryOf[id] || contribution.withdrawnAt != _withdrawnAtOf[id]) {
                ++changed;
            }
            if (contribution.acceptedCount > contribution.recordCount) ++changed;
            if (_hashOf(contribution) != _contributionOf[id]) ++changed;
        }
    }

    function changedModels() external view returns (uint256 changed) {
        for (uint256 id = 1; id <= models.modelCount(); ++id) {
            IModels.Model memory model = models.get(id);
            if (model.owner != _modelOwnerOf[id] || models.idOf(_modelName(id)) != id) ++changed;
            if (model.retiredAt != _retiredAtOf[id] || _hashOf(model) != _modelOf[id]) ++changed;
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](10);
        (list[0], list[1], list[2]) = (this.createDatanet.selector, this.register.selector, this.judge.selector);
        (list[3], list[4]) = (this.handOn.selector, this.withdraw.selector);
        (list[5], list[6]) = (this.publishVersion.selector, this.transferDatanet.selector);
        (list[7], list[8], list[9]) = (this.publishModel.selector, this.manageModel.selector, this.intrude.selector);
    }

    /// @dev Of all that stays as it was registered.
    function _hashOf(IDatanets.Contribution memory contribution) private pure returns (bytes32) {
        (contribution.beneficiary, contribution.acceptedCount, contribution.verdictCount) = (address(0), 0, 0);
        (contribution.acceptedRoot, contribution.withdrawnAt) = (0, 0);
        return keccak256(abi.encode(contribution));
    }

    function _hashOf(IModels.Model memory model) private pure returns (bytes32) {
        (model.owner, model.inputPriceWei, model.outputPriceWei, model.retiredAt) = (address(0), 0, 0, 0);
        return keccak256(abi.encode(model));
    }

    function _anyDatanet(uint256 seed) private view returns (uint256) {
        return seed / 7 % datanets.datanetCount() + 1;
    }

    function _anyContribution(uint256 seed) private view returns (bytes32) {
        return _contributionIds.length == 0 ? bytes32(0) : _contributionIds[seed / 7 % _contributionIds.length];
    }

    function _datanetName(uint256 number) private pure returns (string memory) {
        return string.concat("datanet-", vm.toString(number));
    }

    function _modelName(uint256 number) private pure returns (string memory) {
        return string.concat("model-", vm.toString(number));
    }
}

contract Registries_Invariant_Test is World {
    RegistriesHandler internal handler;

    function setUp() public override {
        handler = new RegistriesHandler();
        vm.deal(address(handler), BOND);
        handler.setUp();
        target(address(handler), handler.selectors());
    }

    function invariant_datanetsAndVersions_stayWhatTheyWere() public view {
        vm.assertEq(handler.changedDatanets(), 0);
    }

    /// @dev Who registered a root first has it, whatever is judged; who is paid is who the beneficiary named.
    function invariant_contributions_stayWhatTheyWere() public view {
        vm.assertEq(handler.changedContributions(), 0);
    }

    function invariant_models_stayWhatTheyWereMadeFrom() public view {
        vm.assertEq(handler.changedModels(), 0);
    }

    function invariant_strangers_getNothingThrough() public view {
        vm.assertEq(handler.intrusions(), 0);
    }
}
