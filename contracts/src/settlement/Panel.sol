// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import { IPanel } from "../interfaces/IPanel.sol";

/// @title Panel
/// @notice See {IPanel}. Deployed by {Court}, the only account that opens and ends cases. Owned by nobody.
///
///         Invariant: native OPEN held == bonds in seats + what jurors are owed + what is carried to the next case.
contract Panel is IPanel, ReentrancyGuardTransient {
    struct Case {
        bytes32 claimed;
        bytes32 secretHash;
        uint256 randomness;
        address[2] parties;
        uint64 openedBlock;
        uint64 seatedBefore;
        uint64 drawUntil;
        uint64 commitUntil;
        uint64 revealUntil;
        bool isSealed;
        Outcome outcome;
        bytes32 result;
        address[] jurors;
    }

    struct Vote {
        bool isDrawn;
        bool isRevealed;
        bytes32 commitment;
        bytes32 result;
    }

    struct Seat {
        uint96 bond;
        uint64 since;
        uint32 place;
        uint32 duties;
    }

    uint256 private constant PANEL_SIZE = 5;
    uint256 private constant SEAT_COUNT_MAX = 256;
    /// @inheritdoc IPanel
    uint256 public constant SEAT_WEI = 10 ether;
    /// @inheritdoc IPanel
    uint256 public constant VOTE_WEI = 1 ether;

    /// @notice Opens and ends cases.
    address public immutable COURT;
    /// @notice Seconds to draw, to commit and to reveal, each.
    uint64 public immutable STEP_SECONDS;

    /// @inheritdoc IPanel
    uint256 public carriedWei;
    address[] private _seated;
    mapping(address juror => Seat) private _seats;
    mapping(uint256 caseId => Case) private _cases;
    mapping(uint256 caseId => mapping(address juror => Vote)) private _votes;
    mapping(address account => uint256) private _owed;

    modifier onlyCourt() {
        if (msg.sender != COURT) revert PanelNotCourt(msg.sender);
        _;
    }

    constructor(address court, uint64 stepSeconds) {
        COURT = court;
        STEP_SECONDS = stepSeconds;
    }

    /// @inheritdoc IPanel
    function join() external payable {
        if (msg.value != SEAT_WEI) revert PanelWrongSeatBond(SEAT_WEI, msg.value);
        if (_seats[msg.sender].since != 0) revert PanelSeated(msg.sender);
        if (_seated.length == SEAT_COUNT_MAX) revert PanelFull();
        _seats[msg.sender] =
            Seat({ bond: uint96(SEAT_WEI), since: uint64(block.timestamp), place: uint32(_seated.length), duties: 0 });
        _seated.push(msg.sender);
        emit Seated(msg.sender);
    }

    /// @inheritdoc IPanel
    function stepDown() external nonReentrant {
        Seat memory seat = _seats[msg.sender];
        if (seat.since == 0) revert PanelNotSeated(msg.sender);
        if (seat.duties != 0) revert PanelOnDuty(msg.sender, seat.duties);
        _unseat(msg.sender, seat.place);
        emit Left(msg.sender, seat.bond);
        _pay(msg.sender, seat.bond);
    }

    /// @inheritdoc IPanel
    function open(
        uint256 caseId,
        bytes32 claimed,
        bytes32 secretHash,
        uint64 seatedBefore,
        address[2] calldata parties
    ) external onlyCourt {
        if (_eligible(seatedBefore, parties).length == 0) revert PanelNobodySeated();
        Case storage case_ = _cases[caseId];
        case_.claimed = claimed;
        case_.secretHash = secretHash;
        case_.parties = parties;
        case_.openedBlock = uint64(block.number);
        case_.seatedBefore = seatedBefore;
        case_.drawUntil = uint64(block.timestamp) + STEP_SECONDS;
        emit CaseOpened(caseId, seatedBefore);
    }

    /// @inheritdoc IPanel
    function seal(uint256 caseId) external {
        Case storage case_ = _requireCase(caseId);
        if (case_.isSealed) revert PanelAlreadySealed(caseId);
        if (block.number <= case_.openedBlock) revert PanelTooEarly(caseId, case_.openedBlock + 1);
        case_.isSealed = true;
        case_.randomness = block.prevrandao;
        emit CaseSealed(caseId, block.prevrandao);
    }

    /// @inheritdoc IPanel
    function draw(uint256 caseId, bytes32 secret) external {
        Case storage case_ = _requireCase(caseId);
        if (!case_.isSealed) revert PanelTooEarly(caseId, case_.openedBlock + 1);
        if (block.timestamp > case_.drawUntil || case_.jurors.length != 0) {
            revert PanelTooLate(caseId, case_.drawUntil);
        }
        if (keccak256(abi.encode(secret)) != case_.secretHash) revert PanelWrongSecret(caseId);
        address[] memory eligible = _eligible(case_.seatedBefore, case_.parties);
        uint256 size = eligible.length < PANEL_SIZE ? eligible.length : PANEL_SIZE;
        uint256 seed = uint256(keccak256(abi.encode(secret, case_.randomness, caseId)));
        address[] memory jurors = new address[](size);
        for (uint256 i; i < size; ++i) {
            uint256 chosen = i + uint256(keccak256(abi.encode(seed, i))) % (eligible.length - i);
            (eligible[i], eligible[chosen]) = (eligible[chosen], eligible[i]);
            jurors[i] = eligible[i];
            _votes[caseId][jurors[i]].isDrawn = true;
            ++_seats[jurors[i]].duties;
        }
        case_.jurors = jurors;
        case_.commitUntil = uint64(block.timestamp) + STEP_SECONDS;
        case_.revealUntil = case_.commitUntil + STEP_SECONDS;
        emit CaseDrawn(caseId, jurors, case_.commitUntil, case_.revealUntil);
    }

    /// @inheritdoc IPanel
    function commitVote(uint256 caseId, bytes32 commitment) external {
        Case storage case_ = _requireCase(caseId);
        Vote storage vote = _voteOf(caseId, msg.sender);
        if (block.timestamp > case_.commitUntil) revert PanelTooLate(caseId, case_.commitUntil);
        vote.commitment = commitment;
        emit VoteCommitted(caseId, msg.sender);
    }

    /// @inheritdoc IPanel
    function revealVote(uint256 caseId, bytes32 result, bytes32 salt) external {
        Case storage case_ = _requireCase(caseId);
        Vote storage vote = _voteOf(caseId, msg.sender);
        if (block.timestamp <= case_.commitUntil) revert PanelTooEarly(caseId, case_.commitUntil + 1);
        if (block.timestamp > case_.revealUntil) revert PanelTooLate(caseId, case_.revealUntil);
        if (vote.isRevealed || keccak256(abi.encode(caseId, msg.sender, result, salt)) != vote.commitment) {
            revert PanelWrongReveal(caseId, msg.sender);
        }
        vote.isRevealed = true;
        vote.result = result;
        emit VoteRevealed(caseId, msg.sender, result);
    }

    /// @inheritdoc IPanel
    function conclude(uint256 caseId) external onlyCourt returns (Outcome outcome, bytes32 result) {
        Case storage case_ = _requireCase(caseId);
        uint64 until = case_.jurors.length == 0 ? case_.drawUntil : case_.revealUntil;
        if (block.timestamp <= until) revert PanelTooEarly(caseId, until + 1);
        if (case_.jurors.length == 0) outcome = Outcome.Abandoned;
        else (outcome, result) = _count(caseId, case_);
        case_.outcome = outcome;
        case_.result = result;
        emit CaseConcluded(caseId, outcome, result);
    }

    /// @inheritdoc IPanel
    function reward(uint256 caseId) external payable onlyCourt {
        _divide(caseId, _cases[caseId], msg.value);
    }

    /// @inheritdoc IPanel
    function withdraw() external nonReentrant {
        uint256 amount = _owed[msg.sender];
        if (amount == 0) revert PanelNothingOwed(msg.sender);
        _owed[msg.sender] = 0;
        _pay(msg.sender, amount);
    }

    /// @inheritdoc IPanel
    function seatCount() external view returns (uint256) {
        return _seated.length;
    }

    /// @inheritdoc IPanel
    function seatOf(address juror) external view returns (uint256) {
        return _seats[juror].bond;
    }

    /// @inheritdoc IPanel
    function owedTo(address account) external view returns (uint256) {
        return _owed[account];
    }

    /// @inheritdoc IPanel
    function caseOf(uint256 caseId)
        external
        view
        returns (
            Outcome outcome,
            address[] memory jurors,
            uint64 drawUntil,
            uint64 commitUntil,
            uint64 revealUntil,
            bytes32 claimed
        )
    {
        Case storage case_ = _cases[caseId];
        return (case_.outcome, case_.jurors, case_.drawUntil, case_.commitUntil, case_.revealUntil, case_.claimed);
    }

    /// @dev Who is not in the majority pays the majority; in a hung panel who did not reveal pays those who did.
    function _count(uint256 caseId, Case storage case_) private returns (Outcome outcome, bytes32 result) {
        uint256 drawn = case_.jurors.length;
        uint256 revealed;
        uint256 most;
        for (uint256 i; i < drawn; ++i) {
            Vote storage vote = _votes[caseId][case_.jurors[i]];
            if (!vote.isRevealed) continue;
            ++revealed;
            uint256 same;
            for (uint256 j; j < drawn; ++j) {
                Vote storage other = _votes[caseId][case_.jurors[j]];
                if (other.isRevealed && other.result == vote.result) ++same;
            }
            if (same > most) (most, result) = (same, vote.result);
        }
        bool isHung = 2 * revealed <= drawn || 2 * most <= revealed;
        outcome = isHung ? Outcome.Hung : result == case_.claimed ? Outcome.Upheld : Outcome.Overturned;
        case_.result = result;
        case_.outcome = outcome;
        uint256 pot;
        for (uint256 i; i < drawn; ++i) {
            address juror = case_.jurors[i];
            Vote storage vote = _votes[caseId][juror];
            --_seats[juror].duties;
            if (vote.isRevealed && (isHung || vote.result == result)) continue;
            pot += _slash(caseId, juror);
        }
        _divide(caseId, case_, pot);
    }

    /// @dev A seat whose bond is used up is given up.
    function _slash(uint256 caseId, address juror) private returns (uint256 amount) {
        Seat storage seat = _seats[juror];
        amount = seat.bond < VOTE_WEI ? seat.bond : VOTE_WEI;
        seat.bond -= uint96(amount);
        emit JurorSlashed(caseId, juror, amount);
        if (seat.bond < VOTE_WEI && seat.duties == 0) {
            _owed[juror] += seat.bond;
            _unseat(juror, seat.place);
        }
    }

    function _divide(uint256 caseId, Case storage case_, uint256 amount) private {
        uint256 count;
        for (uint256 i; i < case_.jurors.length; ++i) {
            if (_earns(caseId, case_, case_.jurors[i])) ++count;
        }
        // what nobody earns, rounding too, goes with the next case: silence together wins nothing back
        amount += carriedWei;
        carriedWei = count == 0 ? amount : amount % count;
        if (count == 0) return;
        for (uint256 i; i < case_.jurors.length; ++i) {
            if (_earns(caseId, case_, case_.jurors[i])) _owed[case_.jurors[i]] += amount / count;
        }
    }

    function _earns(uint256 caseId, Case storage case_, address juror) private view returns (bool) {
        Vote storage vote = _votes[caseId][juror];
        return vote.isRevealed && (case_.outcome == Outcome.Hung || vote.result == case_.result);
    }

    function _eligible(uint64 seatedBefore, address[2] memory parties) private view returns (address[] memory jurors) {
        uint256 count;
        jurors = new address[](_seated.length);
        for (uint256 i; i < jurors.length; ++i) {
            address juror = _seated[i];
            if (_seats[juror].since >= seatedBefore || juror == parties[0] || juror == parties[1]) continue;
            jurors[count++] = juror;
        }
        assembly ("memory-safe") {
            mstore(jurors, count)
        }
    }

    function _requireCase(uint256 caseId) private view returns (Case storage case_) {
        case_ = _cases[caseId];
        if (case_.drawUntil == 0) revert PanelUnknownCase(caseId);
        if (case_.outcome != Outcome.Open) revert PanelConcluded(caseId);
    }

    function _voteOf(uint256 caseId, address juror) private view returns (Vote storage vote) {
        vote = _votes[caseId][juror];
        if (!vote.isDrawn) revert PanelNotDrawn(caseId, juror);
    }

    function _unseat(address juror, uint256 place) private {
        address last = _seated[_seated.length - 1];
        _seated[place] = last;
        _seats[last].place = uint32(place);
        _seated.pop();
        delete _seats[juror];
    }

    function _pay(address to, uint256 amount) private {
        (bool sent,) = to.call{ value: amount }("");
        if (!sent) revert PanelTransferFailed(to, amount);
    }
}
