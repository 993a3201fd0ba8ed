// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";
import { Checkpoints } from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import { IDatanets } from "../interfaces/IDatanets.sol";
import { ISecurityStake } from "../interfaces/ISecurityStake.sol";
import { IValidatorPanel } from "../interfaces/IValidatorPanel.sol";
import { RecordTree } from "../libraries/RecordTree.sol";

/// @title ValidatorPanel
/// @notice See {IValidatorPanel}. Owned by nobody; what it may slash is governance's to say.
///
///         Invariants: native OPEN held == fees and bonds of open cases + what accounts are owed + what is carried to the
///         next case; nobody votes twice in a case, its appeal included; a record is decided at most once.
contract ValidatorPanel is IValidatorPanel, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;

    /// @dev What the revealed votes of a round say.
    struct Tally {
        bool isQuorate;
        uint256 accepted;
        uint256 rejected;
        /// Records on which two thirds of the revealed stake agree.
        uint256 clear;
    }

    struct Lots {
        address[] holders;
        uint256[] weights;
        uint256 total;
    }

    uint256 private constant BPS = 10_000;
    uint256 private constant PLACE_COUNT_MAX = 256;
    /// @dev Draw, commit and reveal of two rounds, and the time to appeal between them.
    uint256 private constant STEP_COUNT = 7;
    ISecurityStake.Role private constant VALIDATOR = ISecurityStake.Role.Validator;

    /// @inheritdoc IValidatorPanel
    uint256 public constant SEAT_WEI = 10 ether;
    /// @inheritdoc IValidatorPanel
    uint256 public constant JUDGES_MAX = 9;
    /// @inheritdoc IValidatorPanel
    uint256 public constant SILENT_BPS = 500;
    /// @inheritdoc IValidatorPanel
    uint256 public constant OUTVOTED_BPS = 200;
    /// @inheritdoc IValidatorPanel
    uint256 public constant PLACE_BLOCKS = 300;
    /// @inheritdoc IValidatorPanel
    uint256 public constant REASON_BYTES_MAX = 500;
    /// @inheritdoc IValidatorPanel
    uint64 public immutable STEP_SECONDS;
    /// @notice Holds the verdicts.
    IDatanets public immutable DATANETS;
    /// @notice Holds the stakes.
    ISecurityStake public immutable SECURITY_STAKE;

    /// @inheritdoc IValidatorPanel
    uint256 public carriedWei;
    /// @inheritdoc IValidatorPanel
    uint256 public caseCount;
    address[] private _places;
    mapping(address validator => bool) private _isEnlisted;
    mapping(address validator => Checkpoints.Trace208) private _weights;
    mapping(uint256 datanetId => Terms) private _terms;
    mapping(uint256 caseId => Case) private _cases;
    mapping(uint256 caseId => Round[2]) private _rounds;
    mapping(uint256 caseId => mapping(address judge => Vote)) private _votes;
    /// @dev Records that a case is about or has decided.
    mapping(bytes32 contributionId => mapping(uint32 part => uint256)) private _disputed;
    mapping(uint256 datanetId => mapping(address judge => uint64)) private _readingUntil;
    mapping(address account => uint256) private _owed;

    constructor(IDatanets datanets, ISecurityStake securityStake, uint64 stepSeconds) {
        DATANETS = datanets;
        SECURITY_STAKE = securityStake;
        STEP_SECONDS = stepSeconds;
    }

    /// @dev Takes what is slashed; fees come with calls that say what for.
    receive() external payable {
        if (msg.sender != address(SECURITY_STAKE)) revert ValidatorPanelNotStake(msg.sender);
    }

    /// @inheritdoc IValidatorPanel
    function enlist(uint256 place) external {
        if (_isEnlisted[msg.sender]) revert ValidatorPanelEnlisted(msg.sender);
        uint256 weight = _bondedOf(msg.sender);
        if (weight < SEAT_WEI) revert ValidatorPanelBelowSeat(weight, SEAT_WEI);
        if (place == _places.length && place < PLACE_COUNT_MAX) {
            _places.push(msg.sender);
        } else {
            if (place >= _places.length) revert ValidatorPanelPlaceTaken(place);
            address holder = _places[place];
            (, uint48 since, uint208 held) = _weights[holder].latestCheckpoint();
            // no draw that can still happen looks back to when it had weight
            if (held != 0 || block.number <= since + PLACE_BLOCKS) revert ValidatorPanelPlaceTaken(place);
            _isEnlisted[holder] = false;
            _places[place] = msg.sender;
        }
        _isEnlisted[msg.sender] = true;
        emit Enlisted(msg.sender, place);
        _setWeight(msg.sender, weight);
    }

    /// @inheritdoc IValidatorPanel
    function retire() external {
        if (!_isEnlisted[msg.sender]) revert ValidatorPanelNotEnlisted(msg.sender);
        _setWeight(msg.sender, 0);
    }

    /// @inheritdoc IValidatorPanel
    function refresh(address[] calldata validators) external {
        for (uint256 i; i < validators.length; ++i) {
            address validator = validators[i];
            if (!_isEnlisted[validator]) revert ValidatorPanelNotEnlisted(validator);
            // who retired comes back by their own word only
            if (_weights[validator].latest() == 0 && validator != msg.sender) continue;
            uint256 weight = _bondedOf(validator);
            _setWeight(validator, weight < SEAT_WEI ? 0 : weight);
        }
    }

    /// @inheritdoc IValidatorPanel
    function setTerms(uint256 datanetId, uint8 judges, uint96 feeWei) external {
        if (DATANETS.get(datanetId).owner != msg.sender) revert ValidatorPanelNotOwner(datanetId, msg.sender);
        if (judges % 2 == 0 || judges > JUDGES_MAX || feeWei == 0) revert ValidatorPanelInvalidTerms(judges, feeWei);
        _terms[datanetId] = Terms({ judges: judges, feeWei: feeWei });
        emit TermsSet(datanetId, judges, feeWei);
    }

    /// @inheritdoc IValidatorPanel
    function dispute(bytes32 contributionId, uint32 part, uint256 disputed) external payable returns (uint256 caseId) {
        IDatanets.Contribution memory contribution = DATANETS.contributionOf(contributionId);
        Terms memory terms = _terms[contribution.datanetId];
        if (terms.judges == 0) revert ValidatorPanelNoTerms(contribution.datanetId);
        uint256 fee = uint256(terms.judges) * terms.feeWei;
        if (msg.value != fee) revert ValidatorPanelWrongFee(fee, msg.value);
        uint256 first = uint256(part) << 8;
        if (
            disputed == 0 || first >= contribution.recordCount
                || (contribution.recordCount - first < 256 && disputed >> (contribution.recordCount - first) != 0)
        ) {
            revert ValidatorPanelInvalidRecords(part, disputed, contribution.recordCount);
        }
        uint256 known = _disputed[contributionId][part];
        if (known & disputed != 0) revert ValidatorPanelAlreadyDisputed(part, known & disputed);
        // so that the stake of whoever is drawn stays until the case is over
        uint64 unbonding = SECURITY_STAKE.unbondingSeconds();
        if (unbonding < STEP_COUNT * STEP_SECONDS) {
            revert ValidatorPanelUnbondingTooShort(unbonding, STEP_COUNT * STEP_SECONDS);
        }

        _disputed[contributionId][part] = known | disputed;
        caseId = ++caseCount;
        Case storage case_ = _cases[caseId];
        case_.contributionId = contributionId;
        case_.part = part;
        case_.judges = terms.judges;
        case_.requester = msg.sender;
        case_.feeWei = fee;
        case_.disputed = disputed;
        Round storage round = _openRound(caseId, 0);
        emit CaseOpened(caseId, contributionId, msg.sender, part, disputed, round.drawBlock, round.drawUntil);
        DATANETS.referToPanel(contributionId);
    }

    /// @inheritdoc IValidatorPanel
    function draw(uint256 caseId) external returns (bool isDrawn) {
        Case storage case_ = _requireOpen(caseId);
        uint256 which = case_.appellant == address(0) ? 0 : 1;
        Round storage round = _rounds[caseId][which];
        if (round.judges.length != 0) revert ValidatorPanelDrawn(caseId);
        if (block.timestamp > round.drawUntil) revert ValidatorPanelTooLate(caseId, round.drawUntil);
        if (block.number <= round.drawBlock) revert ValidatorPanelTooEarly(caseId, round.drawBlock + 1);
        bytes32 blockHash = blockhash(round.drawBlock);
        if (blockHash == 0) {
            round.drawBlock = uint64(block.number) + 1;
            emit DrawMoved(caseId, round.drawBlock);
            return false;
        }

        uint256 size = uint256(case_.judges) << which;
        uint256 datanetId = DATANETS.contributionOf(case_.contributionId).datanetId;
        Lots memory lots = _eligible(caseId, case_, round.drawBlock - 1);
        if (lots.holders.length < size) revert ValidatorPanelTooFew(caseId, lots.holders.length, size);
        address[] memory judges = _pick(lots, size, keccak256(abi.encode(blockHash, caseId, which)));
        round.commitUntil = uint64(block.timestamp) + STEP_SECONDS;
        round.revealUntil = round.commitUntil + STEP_SECONDS;
        round.judges = judges;
        for (uint256 i; i < size; ++i) {
            Vote storage vote = _votes[caseId][judges[i]];
            uint256 lot = _weights[judges[i]].upperLookupRecent(uint48(round.drawBlock - 1));
            vote.isDrawn = true;
            vote.round = uint8(which);
            vote.weight = uint128(Math.min(_bondedOf(judges[i]), lot));
            emit JudgeDrawn(caseId, judges[i], vote.weight);
            if (_readingUntil[datanetId][judges[i]] < round.revealUntil) {
                _readingUntil[datanetId][judges[i]] = round.revealUntil;
            }
        }
        emit CaseDrawn(caseId, round.commitUntil, round.revealUntil);
        return true;
    }

    /// @inheritdoc IValidatorPanel
    function commitVote(uint256 caseId, bytes32 commitment, bytes32 sealedVote) external {
        (Vote storage vote, Round storage round) = _dutyOf(caseId, msg.sender);
        if (block.timestamp > round.commitUntil) revert ValidatorPanelTooLate(caseId, round.commitUntil);
        vote.commitment = commitment;
        emit VoteCommitted(caseId, msg.sender, commitment, sealedVote);
    }

    /// @inheritdoc IValidatorPanel
    function revealVote(uint256 caseId, uint256 accepted, bytes32 salt, string calldata reason) external {
        (Vote storage vote, Round storage round) = _dutyOf(caseId, msg.sender);
        if (block.timestamp <= round.commitUntil) revert ValidatorPanelTooEarly(caseId, round.commitUntil + 1);
        if (block.timestamp > round.revealUntil) revert ValidatorPanelTooLate(caseId, round.revealUntil);
        if (
            vote.isRevealed || accepted & ~_cases[caseId].disputed != 0 || bytes(reason).length > REASON_BYTES_MAX
                || commitmentOf(caseId, msg.sender, accepted, salt) != vote.commitment
        ) {
            revert ValidatorPanelWrongReveal(caseId, msg.sender);
        }
        vote.isRevealed = true;
        vote.accepted = accepted;
        emit VoteRevealed(caseId, msg.sender, accepted, reason);
    }

    /// @inheritdoc IValidatorPanel
    function appeal(uint256 caseId) external payable {
        Case storage case_ = _requireOpen(caseId);
        if (case_.appellant != address(0)) revert ValidatorPanelAppealed(caseId);
        Round storage first = _rounds[caseId][0];
        if (first.judges.length == 0 || block.timestamp <= first.revealUntil) {
            revert ValidatorPanelTooEarly(caseId, first.revealUntil + 1);
        }
        uint256 until = first.revealUntil + STEP_SECONDS;
        if (block.timestamp > until) revert ValidatorPanelTooLate(caseId, until);
        uint256 cost = appealCostOf(caseId);
        if (msg.value != cost) revert ValidatorPanelWrongFee(cost, msg.value);
        case_.appellant = msg.sender;
        case_.appealWei = cost;
        Round storage round = _openRound(caseId, 1);
        emit CaseAppealed(caseId, msg.sender, round.drawBlock, round.drawUntil);
    }

    /// @inheritdoc IValidatorPanel
    function conclude(uint256 caseId) external nonReentrant returns (Outcome outcome) {
        Case storage case_ = _requireOpen(caseId);
        uint256 until = _endOf(caseId, case_);
        if (block.timestamp <= until) revert ValidatorPanelTooEarly(caseId, until + 1);
        address[] memory first = _rounds[caseId][0].judges;
        address[] memory second = _rounds[caseId][1].judges;
        Tally memory before = _count(caseId, case_.disputed, first);
        Tally memory last = _count(caseId, case_.disputed, second);
        bool isSecond = last.isQuorate;
        if (!isSecond) last = before;

        outcome = last.isQuorate ? Outcome.Decided : first.length == 0 ? Outcome.Lapsed : Outcome.Hung;
        case_.outcome = outcome;
        case_.accepted = last.accepted;
        case_.rejected = last.rejected;
        uint256 pot = carriedWei;
        if (outcome == Outcome.Decided) {
            pot += case_.feeWei;
        } else {
            _disputed[case_.contributionId][case_.part] &= ~case_.disputed;
            _owed[case_.requester] += case_.feeWei;
        }
        if (isSecond) {
            uint256 bond = case_.appealWei / 2;
            pot += case_.appealWei - bond;
            bool isChanged = !before.isQuorate || last.accepted != before.accepted || last.rejected != before.rejected;
            if (isChanged) _owed[case_.appellant] += bond;
            else pot += bond;
        } else if (case_.appellant != address(0)) {
            _owed[case_.appellant] += case_.appealWei;
        }
        emit CaseConcluded(caseId, case_.contributionId, outcome, last.accepted, last.rejected);

        pot += _slashAll(caseId, case_.disputed, first, last) + _slashAll(caseId, case_.disputed, second, last);
        _divide(caseId, pot, first, second, last);
    }

    /// @inheritdoc IValidatorPanel
    function carryOut(uint256 caseId, bytes32[] calldata recordIds, uint256[] calldata standing) external {
        Case storage case_ = _existing(caseId);
        if (case_.outcome != Outcome.Decided || case_.isCarriedOut) revert ValidatorPanelNotDecided(caseId);
        uint256[] memory accepted = _standing(case_.contributionId, recordIds, standing);
        accepted[case_.part] = (accepted[case_.part] | case_.accepted) & ~case_.rejected;
        (bytes32 root, uint32 count) = RecordTree.rootOf(recordIds, accepted);
        case_.isCarriedOut = true;
        emit CaseCarriedOut(caseId, case_.contributionId, accepted);
        bytes32 reasonsHash = keccak256(abi.encode(address(this), caseId, accepted));
        DATANETS.recordVerdict(case_.contributionId, root, count, reasonsHash);
    }

    /// @inheritdoc IValidatorPanel
    function withdraw() external nonReentrant {
        uint256 amount = _owed[msg.sender];
        if (amount == 0) revert ValidatorPanelNothingOwed(msg.sender);
        _owed[msg.sender] = 0;
        (bool sent,) = msg.sender.call{ value: amount }("");
        if (!sent) revert ValidatorPanelTransferFailed(msg.sender, amount);
    }

    /// @inheritdoc IValidatorPanel
    function caseOf(uint256 caseId) external view returns (Case memory) {
        return _existing(caseId);
    }

    /// @inheritdoc IValidatorPanel
    function roundOf(uint256 caseId, uint256 round) external view returns (Round memory) {
        return _rounds[caseId][round];
    }

    /// @inheritdoc IValidatorPanel
    function voteOf(uint256 caseId, address judge) external view returns (Vote memory) {
        return _votes[caseId][judge];
    }

    /// @inheritdoc IValidatorPanel
    function termsOf(uint256 datanetId) external view returns (Terms memory) {
        return _terms[datanetId];
    }

    /// @inheritdoc IValidatorPanel
    function places() external view returns (address[] memory validators, uint256[] memory weights) {
        validators = _places;
        weights = new uint256[](validators.length);
        for (uint256 i; i < validators.length; ++i) {
            weights[i] = _weights[validators[i]].latest();
        }
    }

    /// @inheritdoc IValidatorPanel
    function readingUntil(uint256 datanetId, address judge) external view returns (uint64) {
        return _readingUntil[datanetId][judge];
    }

    /// @inheritdoc IValidatorPanel
    function owedTo(address account) external view returns (uint256) {
        return _owed[account];
    }

    /// @inheritdoc IValidatorPanel
    function commitmentOf(uint256 caseId, address judge, uint256 accepted, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), caseId, judge, accepted, salt));
    }

    /// @inheritdoc IValidatorPanel
    function appealCostOf(uint256 caseId) public view returns (uint256) {
        // twice as many judges, and the same again as a bond
        return 4 * _existing(caseId).feeWei;
    }

    function _openRound(uint256 caseId, uint256 which) private returns (Round storage round) {
        round = _rounds[caseId][which];
        round.drawBlock = uint64(block.number) + 1;
        round.drawUntil = uint64(block.timestamp) + STEP_SECONDS;
    }

    /// @dev Last second at which something can still happen in a case.
    function _endOf(uint256 caseId, Case storage case_) private view returns (uint256) {
        bool isAppealed = case_.appellant != address(0);
        Round storage round = _rounds[caseId][isAppealed ? 1 : 0];
        if (round.judges.length == 0) return round.drawUntil;
        return isAppealed ? round.revealUntil : round.revealUntil + STEP_SECONDS;
    }

    function _bondedOf(address validator) private view returns (uint256) {
        return SECURITY_STAKE.bondedOf(VALIDATOR, uint160(validator));
    }

    function _setWeight(address validator, uint256 weight) private {
        _weights[validator].push(uint48(block.number), uint208(weight));
        emit WeightChanged(validator, weight);
    }

    /// @dev Lots as they stood at the end of a block, without those of parties and of who has judged the case already. What
    ///      anyone does once the draw's block is known changes none of them.
    function _eligible(uint256 caseId, Case storage case_, uint256 atBlock) private view returns (Lots memory lots) {
        IDatanets.Contribution memory contribution = DATANETS.contributionOf(case_.contributionId);
        address owner = DATANETS.get(contribution.datanetId).owner;
        uint256 length = _places.length;
        lots.holders = new address[](length);
        lots.weights = new uint256[](length);
        uint256 count;
        for (uint256 i; i < length; ++i) {
            address holder = _places[i];
            uint256 weight = _weights[holder].upperLookupRecent(uint48(atBlock));
            bool isParty = holder == case_.requester || holder == case_.appellant || holder == owner
                || holder == contribution.contributor || holder == contribution.beneficiary;
            if (weight == 0 || isParty || _votes[caseId][holder].isDrawn) continue;
            lots.holders[count] = holder;
            lots.weights[count++] = weight;
            lots.total += weight;
        }
        address[] memory holders = lots.holders;
        assembly ("memory-safe") {
            mstore(holders, count)
        }
    }

    /// @dev Draws without putting back: each time a lot comes out in proportion to its weight among those left.
    function _pick(Lots memory lots, uint256 size, bytes32 seed) private pure returns (address[] memory judges) {
        judges = new address[](size);
        for (uint256 i; i < size; ++i) {
            uint256 rest = uint256(keccak256(abi.encode(seed, i))) % lots.total;
            uint256 lot;
            while (rest >= lots.weights[lot]) {
                rest -= lots.weights[lot++];
            }
            judges[i] = lots.holders[lot];
            lots.total -= lots.weights[lot];
            lots.weights[lot] = 0;
        }
    }

    function _count(
        uint256 caseId,
        uint256 disputed,
        address[] memory judges
    ) private view returns (Tally memory tally) {
        uint256[] memory weights = new uint256[](judges.length);
        uint256[] memory votes = new uint256[](judges.length);
        uint256 drawn;
        uint256 revealed;
        for (uint256 i; i < judges.length; ++i) {
            Vote storage vote = _votes[caseId][judges[i]];
            drawn += vote.weight;
            if (!vote.isRevealed) continue;
            revealed += vote.weight;
            weights[i] = vote.weight;
            votes[i] = vote.accepted;
        }
        tally.isQuorate = 2 * revealed > drawn;
        if (!tally.isQuorate) return tally;
        for (uint256 record; record < 256; ++record) {
            uint256 bit = 1 << record;
            if (disputed & bit == 0) continue;
            uint256 accepting;
            for (uint256 i; i < judges.length; ++i) {
                if (votes[i] & bit != 0) accepting += weights[i];
            }
            uint256 rejecting = revealed - accepting;
            if (accepting > rejecting) tally.accepted |= bit;
            else if (rejecting > accepting) tally.rejected |= bit;
            if (3 * Math.max(accepting, rejecting) >= 2 * revealed) tally.clear |= bit;
        }
    }

    /// @dev Never stops a case: what may not be slashed any more is left.
    function _slashAll(
        uint256 caseId,
        uint256 disputed,
        address[] memory judges,
        Tally memory last
    ) private returns (uint256 sum) {
        for (uint256 i; i < judges.length; ++i) {
            Vote storage vote = _votes[caseId][judges[i]];
            bool isOutvoted =
                last.isQuorate && 2 * _bitsOf((vote.accepted ^ last.accepted) & last.clear) > _bitsOf(disputed);
            if (vote.isRevealed && !isOutvoted) continue;
            uint256 amount = Math.min(
                uint256(vote.weight) * (vote.isRevealed ? OUTVOTED_BPS : SILENT_BPS) / BPS,
                SECURITY_STAKE.slashableBy(address(this), VALIDATOR, uint160(judges[i]))
            );
            if (amount == 0) continue;
            sum += amount;
            emit JudgeSlashed(caseId, judges[i], amount, !vote.isRevealed);
            SECURITY_STAKE.slash(
                VALIDATOR, uint160(judges[i]), amount, address(this), keccak256(abi.encode(address(this), caseId))
            );
        }
    }

    function _divide(
        uint256 caseId,
        uint256 pot,
        address[] memory first,
        address[] memory second,
        Tally memory last
    ) private {
        uint256 count = _earning(caseId, first, last) + _earning(caseId, second, last);
        carriedWei = count == 0 ? pot : pot % count;
        if (count == 0) return;
        uint256 share = pot / count;
        // what is left in the lists earns
        for (uint256 i; i < first.length + second.length; ++i) {
            address judge = i < first.length ? first[i] : second[i - first.length];
            if (judge == address(0)) continue;
            _owed[judge] += share;
            emit JudgePaid(caseId, judge, share);
        }
    }

    /// @dev Gives back which records stand accepted once it is proved that these are the records, and that they do.
    function _standing(
        bytes32 contributionId,
        bytes32[] calldata recordIds,
        uint256[] calldata standing
    ) private view returns (uint256[] memory) {
        IDatanets.Contribution memory contribution = DATANETS.contributionOf(contributionId);
        uint256[] memory all = new uint256[]((uint256(contribution.recordCount) + 255) / 256);
        if (recordIds.length != contribution.recordCount || standing.length != all.length) {
            revert ValidatorPanelWrongRecords(contribution.recordsRoot, 0);
        }
        for (uint256 i; i < all.length; ++i) {
            all[i] = type(uint256).max;
        }
        (bytes32 root,) = RecordTree.rootOf(recordIds, all);
        if (root != contribution.recordsRoot) revert ValidatorPanelWrongRecords(contribution.recordsRoot, root);
        (root,) = RecordTree.rootOf(recordIds, standing);
        if (root != contribution.acceptedRoot) revert ValidatorPanelWrongRecords(contribution.acceptedRoot, root);
        return standing;
    }

    /// @dev Strikes those off who did not judge with the majority, and counts the others.
    function _earning(uint256 caseId, address[] memory judges, Tally memory last) private view returns (uint256 count) {
        uint256 decided = last.accepted | last.rejected;
        for (uint256 i; i < judges.length; ++i) {
            Vote storage vote = _votes[caseId][judges[i]];
            if (vote.isRevealed && 2 * _bitsOf((vote.accepted ^ last.accepted) & decided) <= _bitsOf(decided)) ++count;
            else judges[i] = address(0);
        }
    }

    function _bitsOf(uint256 word) private pure returns (uint256 count) {
        for (; word != 0; word &= word - 1) {
            ++count;
        }
    }

    function _dutyOf(uint256 caseId, address judge) private view returns (Vote storage vote, Round storage round) {
        Case storage case_ = _requireOpen(caseId);
        vote = _votes[caseId][judge];
        uint256 which = case_.appellant == address(0) ? 0 : 1;
        round = _rounds[caseId][which];
        if (!vote.isDrawn || vote.round != which) revert ValidatorPanelNotDrawn(caseId, judge);
    }

    function _existing(uint256 caseId) private view returns (Case storage case_) {
        case_ = _cases[caseId];
        if (case_.requester == address(0)) revert ValidatorPanelUnknownCase(caseId);
    }

    function _requireOpen(uint256 caseId) private view returns (Case storage case_) {
        case_ = _existing(caseId);
        if (case_.outcome != Outcome.Open) revert ValidatorPanelConcluded(caseId);
    }
}
