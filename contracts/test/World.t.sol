// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Datanets } from "../src/datanet/Datanets.sol";
import { Models } from "../src/datanet/Models.sol";
import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { IModels } from "../src/interfaces/IModels.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { Court } from "../src/settlement/Court.sol";
import { FeePolicy } from "../src/settlement/FeePolicy.sol";
import { Settlement } from "../src/settlement/Settlement.sol";
import { Staking } from "../src/settlement/Staking.sol";
import { WOPEN } from "../src/token/WOPEN.sol";
import { Base } from "./Base.t.sol";

/// @notice All contracts of the loop, deployed as on a fresh chain, with the people who use them.
abstract contract World is Base {
    uint64 internal constant WITHDRAWAL_DELAY = 1 hours;
    uint64 internal constant UNBONDING = 7 days;
    uint64 internal constant CHALLENGE = 30 minutes;
    uint64 internal constant STEP = 10 minutes;
    uint96 internal constant PENALTY = 100 ether;
    uint96 internal constant STAKE = 10 ether;
    /// @dev Covers whatever fees a test thinks of.
    uint256 internal constant BOND = 4e9 ether;
    bytes32 internal constant CONTRIBUTION_TYPEHASH = keccak256(
        "Contribution(uint256 datanetId,bytes32 recordsRoot,uint32 recordCount,bytes32 contentHash,string licence,address contributor,uint256 deadline)"
    );
    bytes32 internal constant PUBLICATION_TYPEHASH =
        keccak256("Publication(bytes32 modelHash,address owner,uint256 deadline)");

    Actor internal governance;
    Actor internal operator;
    Actor internal treasury;
    Actor internal builder;
    Actor internal validator;
    Actor internal contributor;
    Actor internal caller;
    Actor internal backer;
    Actor internal stranger;

    Datanets internal datanets;
    Models internal models;
    FeePolicy internal feePolicy;
    WOPEN internal wopen;
    Settlement internal settlement;
    Staking internal staking;
    Court internal court;

    function setUp() public virtual {
        vm.warp(NOON);
        governance = actor("governance");
        operator = actor("operator");
        treasury = actor("treasury");
        builder = actor("builder");
        validator = actor("validator");
        contributor = actor("contributor");
        caller = richActor("caller");
        backer = richActor("backer");
        stranger = richActor("stranger");

        datanets = new Datanets();
        models = new Models(datanets);
        feePolicy = new FeePolicy(governance.addr, treasury.addr, defaultSplit());
        wopen = new WOPEN();
        settlement = new Settlement(
            governance.addr,
            operator.addr,
            feePolicy,
            models,
            wopen,
            WITHDRAWAL_DELAY,
            CHALLENGE,
            UNBONDING,
            vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1)
        );
        court = new Court(governance.addr, settlement, STEP, PENALTY, STAKE);
        court.bondFor{ value: BOND }(operator.addr);
        staking = settlement.STAKING();
    }

    function defaultSplit() internal pure returns (IFeePolicy.Split memory) {
        return IFeePolicy.Split({ platformBps: 1000, ownerBps: 2000, stakersBps: 2000, contributorsBps: 5000 });
    }

    function createDatanet() internal returns (uint256 datanetId) {
        bytes1 number = bytes1(uint8(bytes1("1")) + uint8(datanets.datanetCount()));
        string memory name = number == "1" ? "solidity" : string(bytes.concat("solidity-", number));
        vm.prank(builder.addr);
        return datanets.createDatanet(name, keccak256("metadata"), "MIT", builder.addr);
    }

    function contributionInput(uint256 datanetId) internal pure returns (IDatanets.ContributionInput memory) {
        return IDatanets.ContributionInput({
            datanetId: datanetId,
            recordsRoot: keccak256("records"),
            recordCount: 10,
            contentHash: keccak256("content"),
            licence: "MIT"
        });
    }

    function signContribution(
        Actor memory signer,
        IDatanets.ContributionInput memory input,
        address contributor_,
        uint256 deadline
    ) internal view returns (bytes memory) {
        return signTyped(
            signer,
            datanets.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    CONTRIBUTION_TYPEHASH,
                    input.datanetId,
                    input.recordsRoot,
                    input.recordCount,
                    input.contentHash,
                    keccak256(bytes(input.licence)),
                    contributor_,
                    deadline
                )
            )
        );
    }

    function contribute(uint256 datanetId) internal returns (bytes32 contributionId) {
        IDatanets.ContributionInput memory input = contributionInput(datanetId);
        bytes memory signature = signContribution(contributor, input, contributor.addr, NOON);
        return datanets.contribute(input, contributor.addr, NOON, signature);
    }

    function modelInput(string memory name) internal pure returns (IModels.ModelInput memory input) {
        input.name = name;
        input.baseHash = keccak256("base");
        input.adapterHash = keccak256("adapter");
        input.configHash = keccak256("config");
        input.metricsHash = keccak256("metrics");
        input.attributionRoot = keccak256("attribution");
        input.inputPriceWei = 2 gwei;
        input.outputPriceWei = 6 gwei;
        input.influenceBps = 7000;
        input.spansBps = 3000;
        input.agreementPpm = 640_000;
    }

    function signPublication(
        Actor memory signer,
        IModels.ModelInput memory input,
        address owner,
        uint256 deadline
    ) internal view returns (bytes memory) {
        return signTyped(
            signer,
            models.DOMAIN_SEPARATOR(),
            keccak256(abi.encode(PUBLICATION_TYPEHASH, keccak256(abi.encode(input)), owner, deadline))
        );
    }

    function publishModel(string memory name) internal returns (uint256 modelId) {
        IModels.ModelInput memory input = modelInput(name);
        uint256 deadline = block.timestamp;
        return
            models.publishModel(input, builder.addr, deadline, signPublication(builder, input, builder.addr, deadline));
    }

    function deposit(Actor memory account, uint256 amount) internal {
        vm.deal(account.addr, account.addr.balance + amount);
        vm.prank(account.addr);
        settlement.deposit{ value: amount }(account.addr);
    }

    function stake(Actor memory account, uint256 modelId, uint256 amount) internal {
        vm.deal(account.addr, account.addr.balance + amount);
        vm.prank(account.addr);
        staking.stake{ value: amount }(modelId);
    }
}

/// @notice The serving node as the chain sees it: chains receipts, credits accounts, keeps the ledger and its tree. Written
///         another way than the contract: the tree is built whole, from the leaves up.
contract Book {
    struct Credit {
        address account;
        uint256 amount;
    }

    Credit[] private _pending;
    address[] public accounts;
    mapping(address account => uint256) public cumulative;
    mapping(address account => uint256) public indexOf;
    uint256 public sum;
    uint64 public sequence;
    bytes32 public receiptHash;

    /// @dev Fills in the receipt's place in the chain and remembers it as the last.
    function append(ISettlement.Receipt memory receipt) external returns (ISettlement.Receipt memory) {
        receipt.sequence = ++sequence;
        receipt.previousHash = receiptHash;
        receiptHash = hash(receipt);
        return receipt;
    }

    /// @dev EIP-712 field by field, in two halves because the stack is short.
    function hash(ISettlement.Receipt memory receipt) public pure returns (bytes32) {
        bytes memory first = abi.encode(
            keccak256(
                "Receipt(uint64 sequence,bytes32 previousHash,address payer,uint256 modelId,bytes32 promptHash,bytes32 answerHash,uint32 inputTokens,uint32 outputTokens,uint256 feeWei,uint32 splitVersion,uint32 stakeVersion,bytes32 sharesRoot,bytes32 attributionHash,bytes32 inferenceCommitment,uint64 timestamp)"
            ),
            receipt.sequence,
            receipt.previousHash,
            receipt.payer,
            receipt.modelId,
            receipt.promptHash,
            receipt.answerHash,
            receipt.inputTokens
        );
        bytes memory second = abi.encode(
            receipt.outputTokens,
            receipt.feeWei,
            receipt.splitVersion,
            receipt.stakeVersion,
            receipt.sharesRoot,
            receipt.attributionHash,
            receipt.inferenceCommitment,
            receipt.timestamp
        );
        return keccak256(bytes.concat(first, second));
    }

    /// @dev Enters a credit, to be packed with the others of its batch.
    function credit(address account, uint256 amount) external {
        for (uint256 i; i < _pending.length; ++i) {
            if (_pending[i].account == account) {
                _pending[i].amount += amount;
                return;
            }
        }
        _pending.push(Credit(account, amount));
    }

    /// @dev Carries the credits out and packs them: known accounts by line, then new ones.
    function take() external returns (ISettlement.Segment[] memory segments) {
        if (_pending.length == 0) return segments;
        bytes memory packed;
        uint256 next;
        uint256 known = accounts.length;
        for (uint256 line; line < known; ++line) {
            uint256 amount = _pendingOf(accounts[line]);
            if (amount == 0) continue;
            uint256 gap = line - next;
            bytes memory place = gap < 14
                ? abi.encodePacked(uint8(gap << 4 | _size(amount)))
                : abi.encodePacked(uint8(14 << 4 | _size(amount)), uint32(gap));
            packed = bytes.concat(packed, place, _trim(amount));
            next = line + 1;
            cumulative[accounts[line]] += amount;
        }
        for (uint256 i; i < _pending.length; ++i) {
            Credit memory entry = _pending[i];
            sum += entry.amount;
            if (cumulative[entry.account] != 0) continue;
            packed = bytes.concat(
                packed, abi.encodePacked(uint8(15 << 4 | _size(entry.amount)), entry.account), _trim(entry.amount)
            );
            indexOf[entry.account] = accounts.length;
            accounts.push(entry.account);
            cumulative[entry.account] = entry.amount;
        }
        delete _pending;
        segments = new ISettlement.Segment[](1);
        segments[0] = ISettlement.Segment(packed, this.root());
    }

    function _pendingOf(address account) private view returns (uint256) {
        for (uint256 i; i < _pending.length; ++i) {
            if (_pending[i].account == account) return _pending[i].amount;
        }
        return 0;
    }

    function _size(uint256 amount) private pure returns (uint256 size) {
        for (; amount != 0; amount >>= 8) {
            ++size;
        }
    }

    function _trim(uint256 amount) private pure returns (bytes memory trimmed) {
        trimmed = new bytes(_size(amount));
        for (uint256 i = trimmed.length; i != 0; amount >>= 8) {
            trimmed[--i] = bytes1(uint8(amount));
        }
    }

    function accountCount() external view returns (uint256) {
        return accounts.length;
    }

    function root() external view returns (bytes32) {
        return _rootOf(_leaves());
    }

    /// @dev Root over the receipts of a batch.
    function receiptsRoot(bytes32[] memory leaves, uint256[] memory fees) external pure returns (bytes32) {
        MerkleSum.Node[] memory level = new MerkleSum.Node[](leaves.length);
        for (uint256 i; i < leaves.length; ++i) {
            level[i] = MerkleSum.Node(leaves[i], fees[i]);
        }
        return _rootOf(level);
    }

    /// @dev Claims of accounts in the order of their lines, and what proves them together.
    function prove(uint256[] memory lines) external view returns (bytes memory claims, bytes memory siblings) {
        for (uint256 i; i < lines.length; ++i) {
            address account = accounts[lines[i]];
            claims = bytes.concat(claims, abi.encodePacked(uint32(lines[i]), account, uint96(cumulative[account])));
        }
        MerkleSum.Node[] memory level = _leaves();
        bool[] memory isKnown = new bool[](level.length);
        for (uint256 i; i < lines.length; ++i) {
            isKnown[lines[i]] = true;
        }
        while (level.length > 1) {
            bool[] memory above = new bool[]((level.length + 1) / 2);
            for (uint256 i; i < level.length; i += 2) {
                bool hasRight = i + 1 < level.length;
                if (!isKnown[i] && !(hasRight && isKnown[i + 1])) continue;
                above[i / 2] = true;
                if (!isKnown[i]) siblings = bytes.concat(siblings, level[i].hash, bytes12(uint96(level[i].sum)));
                if (hasRight && !isKnown[i + 1]) {
                    siblings = bytes.concat(siblings, level[i + 1].hash, bytes12(uint96(level[i + 1].sum)));
                }
            }
            isKnown = above;
            level = _above(level);
        }
    }

    function _rootOf(MerkleSum.Node[] memory level) private pure returns (bytes32) {
        if (level.length == 0) return 0;
        while (level.length > 1) {
            level = _above(level);
        }
        return level[0].hash;
    }

    function _leaves() private view returns (MerkleSum.Node[] memory leaves) {
        leaves = new MerkleSum.Node[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            uint256 amount = cumulative[accounts[i]];
            leaves[i] = MerkleSum.Node(keccak256(abi.encode(keccak256(abi.encodePacked(accounts[i], amount)))), amount);
        }
    }

    function _above(MerkleSum.Node[] memory level) private pure returns (MerkleSum.Node[] memory above) {
        above = new MerkleSum.Node[]((level.length + 1) / 2);
        for (uint256 i; i < above.length; ++i) {
            MerkleSum.Node memory left = level[2 * i];
            MerkleSum.Node memory right;
            if (2 * i + 1 < level.length) right = level[2 * i + 1];
            above[i] =
                MerkleSum.Node(keccak256(abi.encode(left.hash, left.sum, right.hash, right.sum)), left.sum + right.sum);
        }
    }
}
