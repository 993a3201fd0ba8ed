// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IValidatorPanel
/// @notice Validators with stake behind them judge records whose verdict is disputed. A Datanet's owner puts it under the
///         panel ({IDatanets-setPanel}) and says how many judge and for what fee. Whoever disputes pays that fee; judges are
///         drawn by stake with the hash of a block that did not exist when they asked. Judges commit, then reveal; each
///         record goes as the greater part of the revealed stake says, which is the stake-weighted median of two answers. One appeal
///         before twice as many others is possible, for its fee and a bond; what they say is final. Who does not reveal, or is
///         clearly outvoted, is slashed in {ISecurityStake}; who judged with the majority shares fees and slashes.
interface IValidatorPanel {
    enum Outcome {
        Open,
        /// Nobody was drawn in time; the fee is given back and the records can be disputed again.
        Lapsed,
        /// Half of the drawn stake or less was revealed; likewise.
        Hung,
        /// The verdict on each disputed record stands for good.
        Decided
    }

    struct Terms {
        /// Judges of a first round; an appeal draws twice as many others.
        uint8 judges;
        /// What each of them is paid for a case.
        uint96 feeWei;
    }

    struct Case {
        bytes32 contributionId;
        /// The records judged are 256 × part + the bits of `disputed`.
        uint32 part;
        uint8 judges;
        Outcome outcome;
        bool isCarriedOut;
        address requester;
        address appellant;
        uint256 feeWei;
        /// Half of it the second round's fee, half the bond.
        uint256 appealWei;
        uint256 disputed;
        /// Disputed records that the panel accepts, and that it rejects; of a tie the verdict stays what it was.
        uint256 accepted;
        uint256 rejected;
    }

    struct Round {
        /// Its hash draws the judges.
        uint64 drawBlock;
        uint64 drawUntil;
        uint64 commitUntil;
        uint64 revealUntil;
        address[] judges;
    }

    struct Vote {
        bool isDrawn;
        bool isRevealed;
        uint8 round;
        /// Stake that stays behind the judge, as it was when the case was drawn.
        uint128 weight;
        bytes32 commitment;
        uint256 accepted;
    }

    error ValidatorPanelBelowSeat(uint256 bondedWei, uint256 neededWei);
    error ValidatorPanelEnlisted(address validator);
    error ValidatorPanelNotEnlisted(address validator);
    error ValidatorPanelPlaceTaken(uint256 place);
    error ValidatorPanelNotOwner(uint256 datanetId, address caller);
    error ValidatorPanelInvalidTerms(uint8 judges, uint96 feeWei);
    error ValidatorPanelNoTerms(uint256 datanetId);
    error ValidatorPanelInvalidRecords(uint32 part, uint256 disputed, uint32 recordCount);
    error ValidatorPanelAlreadyDisputed(uint32 part, uint256 records);
    error ValidatorPanelWrongFee(uint256 needed, uint256 sent);
    error ValidatorPanelUnbondingTooShort(uint256 unbondingSeconds, uint256 caseSeconds);
    error ValidatorPanelUnknownCase(uint256 caseId);
    error ValidatorPanelConcluded(uint256 caseId);
    error ValidatorPanelNotDecided(uint256 caseId);
    error ValidatorPanelTooEarly(uint256 caseId, uint256 from);
    error ValidatorPanelTooLate(uint256 caseId, uint256 until);
    error ValidatorPanelTooFew(uint256 caseId, uint256 eligible, uint256 needed);
    error ValidatorPanelDrawn(uint256 caseId);
    error ValidatorPanelNotDrawn(uint256 caseId, address judge);
    error ValidatorPanelWrongReveal(uint256 caseId, address judge);
    error ValidatorPanelAppealed(uint256 caseId);
    error ValidatorPanelWrongRecords(bytes32 expected, bytes32 found);
    error ValidatorPanelNothingOwed(address account);
    error ValidatorPanelNotStake(address sender);
    error ValidatorPanelTransferFailed(address to, uint256 amount);

    event Enlisted(address indexed validator, uint256 place);
    event WeightChanged(address indexed validator, uint256 weight);
    event TermsSet(uint256 indexed datanetId, uint8 judges, uint96 feeWei);
    event CaseOpened(
        uint256 indexed caseId,
        bytes32 indexed contributionId,
        address indexed requester,
        uint32 part,
        uint256 disputed,
        uint64 drawBlock,
        uint64 drawUntil
    );
    event CaseAppealed(uint256 indexed caseId, address indexed appellant, uint64 drawBlock, uint64 drawUntil);
    event DrawMoved(uint256 indexed caseId, uint64 drawBlock);
    event JudgeDrawn(uint256 indexed caseId, address indexed judge, uint256 weight);
    event CaseDrawn(uint256 indexed caseId, uint64 commitUntil, uint64 revealUntil);
    /// @param sealedVote Whatever the judge needs to find their vote again; it means nothing to the contract.
    event VoteCommitted(uint256 indexed caseId, address indexed judge, bytes32 commitment, bytes32 sealedVote);
    event VoteRevealed(uint256 indexed caseId, address indexed judge, uint256 accepted, string reason);
    event JudgeSlashed(uint256 indexed caseId, address indexed judge, uint256 amount, bool isSilent);
    event JudgePaid(uint256 indexed caseId, address indexed judge, uint256 amount);
    event CaseConcluded(
        uint256 indexed caseId, bytes32 indexed contributionId, Outcome outcome, uint256 accepted, uint256 rejected
    );
    /// @param accepted Every record of the contribution that stands accepted now, 256 to a word, lowest bit first.
    event CaseCarriedOut(uint256 indexed caseId, bytes32 indexed contributionId, uint256[] accepted);

    /// @notice Offers the caller as a judge, with the stake that stays behind them as the weight of their lot.
    /// @param place The number of places, for a new one, or one whose holder has had no weight for {PLACE_BLOCKS}.
    function enlist(uint256 place) external;

    /// @notice Ends that: no later draw takes the caller.
    function retire() external;

    /// @notice Brings lots up to date with the stake behind them; anyone may. Counts in draws by later blocks.
    function refresh(address[] calldata validators) external;

    /// @notice Says how many judge a case of a Datanet and for how much each, from the next case on. Its owner only.
    /// @param judges An odd number, at most {JUDGES_MAX}.
    function setTerms(uint256 datanetId, uint8 judges, uint96 feeWei) external;

    /// @notice Puts the verdict on some records of a contribution before the panel, for the fee sent along. Anyone may,
    ///         once for each record that a case decides.
    /// @param part Which 256 records of the contribution.
    /// @param disputed Which of these, lowest bit first.
    /// @return caseId 1, 2, 3, ...
    function dispute(bytes32 contributionId, uint32 part, uint256 disputed) external payable returns (uint256 caseId);

    /// @notice Draws the judges of a case, or of its appeal, by stake; anyone may, from the block after the draw's block.
    /// @return isDrawn False when that block is too old for its hash to be known: a new one is named.
    function draw(uint256 caseId) external returns (bool isDrawn);

    /// @notice Commits to a vote; until the time is over a later one replaces it.
    /// @param commitment {commitmentOf} the caller's vote: worthless to whoever copies it.
    /// @param sealedVote Goes to the log for the judge alone.
    function commitVote(uint256 caseId, bytes32 commitment, bytes32 sealedVote) external;

    /// @notice Reveals a vote.
    /// @param accepted Of the disputed records those that the judge accepts.
    /// @param reason In a sentence, for those whom it concerns; at most {REASON_BYTES_MAX}.
    function revealVote(uint256 caseId, uint256 accepted, bytes32 salt, string calldata reason) external;

    /// @notice Takes a case before twice as many others, once, within a step after the first round's end, for
    ///         {appealCostOf}: their fee, and as much again as a bond that is lost when the verdict stays what it was.
    function appeal(uint256 caseId) external payable;

    /// @notice Counts the votes when a case can go no further, slashes, and divides what is to be divided.
    function conclude(uint256 caseId) external returns (Outcome outcome);

    /// @notice Records a decided case in {IDatanets}; anyone who knows the contribution may.
    /// @param recordIds Ids of all records of the contribution, in order.
    /// @param standing Which of them the contribution's present verdict accepts, 256 to a word.
    function carryOut(uint256 caseId, bytes32[] calldata recordIds, uint256[] calldata standing) external;

    /// @notice Pays out what the caller is owed.
    function withdraw() external;

    /// @notice What a judge commits to.
    function commitmentOf(uint256 caseId, address judge, uint256 accepted, bytes32 salt) external view returns (bytes32);

    /// @notice Number of cases; the highest id.
    function caseCount() external view returns (uint256);

    /// @notice Reads a case. Reverts when there is none.
    function caseOf(uint256 caseId) external view returns (Case memory);

    /// @notice Reads a round of a case: 0, or 1 for its appeal.
    function roundOf(uint256 caseId, uint256 round) external view returns (Round memory);

    /// @notice Reads a judge's vote in a case.
    function voteOf(uint256 caseId, address judge) external view returns (Vote memory);

    /// @notice Wei to send with an appeal.
    function appealCostOf(uint256 caseId) external view returns (uint256);

    /// @notice Terms of a Datanet; zero judges when its owner has set none.
    function termsOf(uint256 datanetId) external view returns (Terms memory);

    /// @notice Who holds each place, and the weight of their lot for a draw by the next block.
    function places() external view returns (address[] memory validators, uint256[] memory weights);

    /// @notice Until when a judge who was drawn has to read a Datanet's records.
    function readingUntil(uint256 datanetId, address judge) external view returns (uint64);

    /// @notice What an account can withdraw.
    function owedTo(address account) external view returns (uint256);

    /// @notice What nobody earned, rounding too: it is divided with the next case.
    function carriedWei() external view returns (uint256);

    /// @notice Seconds to draw, to commit, to reveal and to appeal, each.
    function STEP_SECONDS() external view returns (uint64);

    /// @notice Least stake of a lot.
    function SEAT_WEI() external view returns (uint256);

    /// @notice Most judges of a first round.
    function JUDGES_MAX() external view returns (uint256);

    /// @notice Of the weight of their vote, in hundredths of a per cent, what a judge loses who does not reveal.
    function SILENT_BPS() external view returns (uint256);

    /// @notice The same of one who is outvoted by two thirds of the revealed stake on more than half of the records.
    function OUTVOTED_BPS() external view returns (uint256);

    /// @notice Blocks without weight after which a place is free.
    function PLACE_BLOCKS() external view returns (uint256);

    /// @notice Longest reason.
    function REASON_BYTES_MAX() external view returns (uint256);
}
