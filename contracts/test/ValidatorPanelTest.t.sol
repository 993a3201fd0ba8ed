// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import { AgentIdentity } from "../src/agent/AgentIdentity.sol";
import { Datanets } from "../src/datanet/Datanets.sol";
import { ValidatorPanel } from "../src/datanet/ValidatorPanel.sol";
import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { IValidatorPanel } from "../src/interfaces/IValidatorPanel.sol";
import { SecurityStake } from "../src/settlement/SecurityStake.sol";
import { Base } from "./Base.t.sol";

/// @notice A Datanet under a panel of three, nine validators with stake, and a contribution of five records of which the
///         rules accepted the first two.
abstract contract ValidatorPanelTest is Base {
    ISecurityStake.Role internal constant VALIDATOR = ISecurityStake.Role.Validator;
    uint64 internal constant UNBONDING = 7 days;
    uint64 internal constant STEP = 12 hours;
    uint96 internal constant FEE = 0.1 ether;
    uint8 internal constant JUDGES = 3;
    uint256 internal constant CAP_BPS = 2000;
    uint256 internal constant RECORD_COUNT = 5;
    uint256 internal constant STANDING = 3;
    /// @dev The third record and the fourth, which the rules rejected.
    uint256 internal constant DISPUTED = 12;

    Datanets internal datanets;
    SecurityStake internal pools;
    ValidatorPanel internal panel;
    Actor internal governance;
    Actor internal builder;
    Actor internal rules;
    Actor internal contributor;
    Actor internal requester;
    Actor internal appellant;
    Actor[] internal validators;
    uint256 internal datanetId;
    bytes32 internal contributionId;

    function setUp() public virtual {
        vm.warp(NOON);
        vm.roll(1000);
        governance = actor("governance");
        builder = actor("builder");
        rules = actor("rules");
        contributor = richActor("contributor");
        requester = richActor("requester");
        appellant = richActor("appellant");
        datanets = new Datanets();
        address panelAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        AgentIdentity identity = new AgentIdentity();
        pools = new SecurityStake(governance.addr, IERC721(address(identity)), UNBONDING, entitled(panelAt, CAP_BPS));
        panel = new ValidatorPanel(datanets, pools, STEP);
        vm.startPrank(builder.addr);
        datanetId = datanets.createDatanet("canals", 0, "MIT", builder.addr);
        datanets.addValidator(datanetId, rules.addr);
        datanets.setPanel(datanetId, address(panel), false);
        panel.setTerms(datanetId, JUDGES, FEE);
        vm.stopPrank();
        contributionId = contribute(RECORD_COUNT);
        verdict(STANDING);
        for (uint256 i; i < 9; ++i) {
            validators.push(enlisted(string.concat("validator", vm.toString(i)), 100 ether));
        }
        vm.roll(block.number + 1);
    }

    function enlisted(string memory name, uint256 amount) internal returns (Actor memory validator) {
        validator = richActor(name);
        (address[] memory holders,) = panel.places();
        vm.startPrank(validator.addr);
        pools.stake{ value: amount }(VALIDATOR, uint160(validator.addr));
        panel.enlist(holders.length);
        vm.stopPrank();
    }

    function recordIds(uint256 count) internal pure returns (bytes32[] memory ids) {
        ids = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            ids[i] = keccak256(abi.encode("record", i));
        }
    }

    /// @dev The tree by its definition, recursively: the independent reading of {RecordTree}.
    function rootOf(uint256 count, uint256 named) internal pure returns (bytes32) {
        bytes32[] memory ids = recordIds(count);
        bytes32[] memory leaves = new bytes32[](count);
        uint256 size;
        for (uint256 i; i < count; ++i) {
            if (named == type(uint256).max || named >> i & 1 == 1) {
                leaves[size++] = keccak256(abi.encodePacked(ids[i]));
            }
        }
        return size == 0 ? bytes32(0) : _subtree(leaves, 0, size);
    }

    function _subtree(bytes32[] memory leaves, uint256 from, uint256 size) private pure returns (bytes32) {
        if (size == 1) return leaves[from];
        uint256 half = 1;
        while (half * 2 < size) {
            half *= 2;
        }
        bytes32 left = _subtree(leaves, from, half);
        bytes32 right = _subtree(leaves, from + half, size - half);
        return left <= right ? keccak256(abi.encodePacked(left, right)) : keccak256(abi.encodePacked(right, left));
    }

    function contribute(uint256 count) internal returns (bytes32) {
        IDatanets.ContributionInput memory input = IDatanets.ContributionInput({
            datanetId: datanetId,
            recordsRoot: rootOf(count, type(uint256).max),
            recordCount: uint32(count),
            contentHash: keccak256("content"),
            licence: "MIT"
        });
        bytes32 typehash = keccak256(
            "Contribution(uint256 datanetId,bytes32 recordsRoot,uint32 recordCount,bytes32 contentHash,string licence,address contributor,uint256 deadline)"
        );
        bytes32 structHash = keccak256(
            abi.encode(
                typehash,
                input.datanetId,
                input.recordsRoot,
                input.recordCount,
                input.contentHash,
                keccak256("MIT"),
                contributor.addr,
                type(uint256).max
            )
        );
        bytes memory signature = signTyped(contributor, datanets.DOMAIN_SEPARATOR(), structHash);
        return datanets.contribute(input, contributor.addr, type(uint256).max, signature);
    }

    function verdict(uint256 accepted) internal {
        bytes32 root = rootOf(RECORD_COUNT, accepted);
        vm.prank(rules.addr);
        datanets.recordVerdict(contributionId, root, _bits(accepted), keccak256("reasons"));
    }

    function _bits(uint256 word) internal pure returns (uint32 count) {
        for (uint256 i; i < 256; ++i) {
            if (word >> i & 1 == 1) ++count;
        }
    }

    function dispute() internal returns (uint256 caseId) {
        vm.prank(requester.addr);
        caseId = panel.dispute{ value: uint256(JUDGES) * FEE }(contributionId, 0, DISPUTED);
    }

    function drawn(uint256 caseId, uint256 which) internal returns (address[] memory) {
        vm.roll(block.number + 2);
        vm.assertTrue(panel.draw(caseId));
        return panel.roundOf(caseId, which).judges;
    }

    function commit(uint256 caseId, address judge, uint256 accepted) internal {
        bytes32 commitment = panel.commitmentOf(caseId, judge, accepted, saltOf(judge));
        vm.prank(judge);
        panel.commitVote(caseId, commitment, 0);
    }

    function reveal(uint256 caseId, address judge, uint256 accepted) internal {
        vm.prank(judge);
        panel.revealVote(caseId, accepted, saltOf(judge), "it is about canals");
    }

    function saltOf(address judge) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", judge));
    }

    /// @dev All of a round vote; the last of them, `dissenting` many, something else.
    function vote(
        uint256 caseId,
        address[] memory judges,
        uint256 accepted,
        uint256 dissenting,
        uint256 other
    ) internal {
        for (uint256 i; i < judges.length; ++i) {
            commit(caseId, judges[i], i + dissenting < judges.length ? accepted : other);
        }
        vm.warp(block.timestamp + STEP + 1);
        for (uint256 i; i < judges.length; ++i) {
            reveal(caseId, judges[i], i + dissenting < judges.length ? accepted : other);
        }
        vm.warp(block.timestamp + STEP);
    }

    function carryOut(uint256 caseId, uint256 standing) internal {
        uint256[] memory words = new uint256[](1);
        words[0] = standing;
        panel.carryOut(caseId, recordIds(RECORD_COUNT), words);
    }

    function bonded(address validator) internal view returns (uint256) {
        return pools.bondedOf(VALIDATOR, uint160(validator));
    }
}
