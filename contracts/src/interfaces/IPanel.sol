// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IPanel
/// @notice Jurors who recompute what no contract can: whether an answer pays whom its data says. Anyone takes a seat with a
///         bond. For each case some seats are drawn by two halves of a seed that no side knows together in time: the
///         challenger's secret, fixed when the case is opened, and the randomness of a later block, fixed before the secret
///         is told. Jurors commit to what they computed, then reveal it: who copies, or does not reveal, pays those who did
///         the work.
interface IPanel {
    enum Outcome {
        Open,
        /// No result has more than half of the revealed ones, or too few were revealed.
        Hung,
        /// The panel computed what the receipt says.
        Upheld,
        /// The panel computed something else.
        Overturned,
        /// The challenger did not tell their secret in time.
        Abandoned
    }

    error PanelNotCourt(address caller);
    error PanelSeated(address juror);
    error PanelNotSeated(address juror);
    error PanelFull();
    error PanelWrongSeatBond(uint256 needed, uint256 sent);
    error PanelOnDuty(address juror, uint256 duties);
    error PanelNobodySeated();
    error PanelUnknownCase(uint256 caseId);
    error PanelTooEarly(uint256 caseId, uint256 from);
    error PanelTooLate(uint256 caseId, uint256 until);
    error PanelAlreadySealed(uint256 caseId);
    error PanelWrongSecret(uint256 caseId);
    error PanelNotDrawn(uint256 caseId, address juror);
    error PanelWrongReveal(uint256 caseId, address juror);
    error PanelConcluded(uint256 caseId);
    error PanelNothingOwed(address account);
    error PanelTransferFailed(address to, uint256 amount);

    event Seated(address indexed juror);
    event Left(address indexed juror, uint256 amount);
    event CaseOpened(uint256 indexed caseId, uint64 seatedBefore);
    event CaseSealed(uint256 indexed caseId, uint256 randomness);
    event CaseDrawn(uint256 indexed caseId, address[] jurors, uint64 commitUntil, uint64 revealUntil);
    event VoteCommitted(uint256 indexed caseId, address indexed juror);
    event VoteRevealed(uint256 indexed caseId, address indexed juror, bytes32 result);
    event CaseConcluded(uint256 indexed caseId, Outcome outcome, bytes32 result);
    event JurorSlashed(uint256 indexed caseId, address indexed juror, uint256 amount);

    /// @notice Takes a seat with a bond of {SEAT_WEI}.
    function join() external payable;

    /// @notice Gives the seat up and its bond back; not while on duty.
    function stepDown() external;

    /// @notice Opens a case. Court only.
    /// @param claimed What the receipt says.
    /// @param secretHash keccak256 of the challenger's secret.
    /// @param seatedBefore Jurors who came later are not drawn: nobody takes seats for a batch that they know.
    /// @param parties Never drawn.
    function open(
        uint256 caseId,
        bytes32 claimed,
        bytes32 secretHash,
        uint64 seatedBefore,
        address[2] calldata parties
    ) external;

    /// @notice Fixes the chain's half of the seed, in a block after the one that opened the case. Anyone may call.
    function seal(uint256 caseId) external;

    /// @notice Tells the challenger's half and draws the jurors.
    function draw(uint256 caseId, bytes32 secret) external;

    /// @notice Commits to a result: `keccak256(abi.encode(caseId, juror, result, salt))`.
    function commitVote(uint256 caseId, bytes32 commitment) external;

    /// @notice Reveals it.
    /// @param result The shares root that the juror computed; zero when the answer cannot be reproduced at all.
    function revealVote(uint256 caseId, bytes32 result, bytes32 salt) external;

    /// @notice Counts the votes once the time to reveal is over, or finds that the challenger gave up. Court only.
    function conclude(uint256 caseId) external returns (Outcome outcome, bytes32 result);

    /// @notice Divides what the loser pays among the majority. Court only.
    function reward(uint256 caseId) external payable;

    /// @notice Pays the caller what they earned as a juror.
    function withdraw() external;

    /// @notice Bond of a seat.
    function SEAT_WEI() external view returns (uint256);

    /// @notice What a juror of the minority, or one who did not reveal, loses in a case.
    function VOTE_WEI() external view returns (uint256);

    /// @notice What no juror of the cases so far earned: it goes to those of the next.
    function carriedWei() external view returns (uint256);

    /// @notice Number of seats taken.
    function seatCount() external view returns (uint256);

    /// @notice Bond left in a juror's seat; zero without one.
    function seatOf(address juror) external view returns (uint256);

    /// @notice Earned as a juror and not withdrawn.
    function owedTo(address account) external view returns (uint256);

    /// @notice Jurors of a case and its deadlines; zeros before they are set.
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
        );
}
