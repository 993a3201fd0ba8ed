// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { SumPath } from "../libraries/SumPath.sol";
import { IAudit } from "./IAudit.sol";
import { IPanel } from "./IPanel.sol";
import { ISettlement } from "./ISettlement.sol";

/// @title ICourt
/// @notice Where batches of {ISettlement} are challenged, and the operator's bond that answers for them. What follows from
///         posted data is decided by one proof in one transaction; what needs a model is decided by the {IPanel}. The loser
///         pays the winner. docs/settlement.md explains each ground with its proof.
///
interface ICourt {
    /// @notice Everything that a batch posted but its debits and credits, as {ISettlement.BatchSettled} and its call say.
    struct Posted {
        uint64 number;
        ISettlement.Ledger ledger;
        ISettlement.Batch batch;
        bytes32 debitsHash;
        ISettlement.Group[] groups;
        bytes32 segmentsHash;
    }

    /// @notice A receipt with its place in a batch.
    struct Filed {
        ISettlement.Receipt receipt;
        bytes signature;
        /// The sum that its leaf carries: the fee, if the batch is right.
        uint256 leafSum;
        SumPath.Path path;
        /// `(account 20 ‖ amount 12)*` behind its shares root, or nothing where they do not matter.
        bytes shares;
    }

    /// @notice What was wrong with a batch.
    enum Fault {
        /// A receipt without the operator's signature.
        Unsigned,
        /// A receipt at another place than its sequence says: replayed, reordered or doubled.
        Misplaced,
        /// A receipt whose leaf carries another sum than its fee, or leaves that do not sum to the fees.
        Sum,
        /// A receipt of a model, split, stake or time that no group of the batch has.
        Ungrouped,
        /// Shares that do not sum to the contributors' part of the fee, or are not in order.
        Shares,
        /// Lines that do not sum to what was posted, are not in order, are doubled or belong to no receipt of the batch.
        Lines,
        /// A line that is not what its receipt says.
        Line,
        /// An account that was charged or credited something else than its lines sum to.
        Total,
        /// A ledger whose root does not follow from the ledger before and the credits.
        Root,
        /// An account with two lines in the ledger.
        Doubled,
        /// A receipt that the operator did not show when asked.
        Withheld,
        /// An attribution that the panel computes otherwise.
        Attribution
    }

    /// @notice What can be demanded of a batch.
    enum Item {
        Receipt,
        DebitLine,
        CreditLine
    }

    /// @notice What a fault costs besides the penalty.
    enum Remedy {
        /// Payers of the batch get back what they were charged in it.
        Free,
        /// The batch's credits are taken back, to be made anew.
        Strike,
        /// The same, and its ledger proves nothing.
        Void
    }

    error CourtNotAudit(address caller);
    error CourtNotPosted(uint64 batch);
    error CourtWindowOver(uint64 batch, uint256 until);
    error CourtAlreadyConvicted(uint64 batch, Fault fault);
    error CourtInvalidProof();
    error CourtWrongBond(uint256 needed, uint256 sent);
    error CourtInvalidTerms(uint256 penaltyWei, uint256 challengeBondWei);
    error CourtInsufficientBond(address operator, uint256 needed, uint256 available);
    error CourtBondLiable(address operator, uint256 until);
    error CourtUnknownDemand(uint64 batch, Item item, uint256 index);
    error CourtDemanded(uint64 batch, Item item, uint256 index);
    error CourtTooEarly(uint256 from);
    error CourtTooLate(uint256 until);
    error CourtUnknownCase(uint256 caseId);
    error CourtNotFree(uint64 batch);
    error CourtNothingOwed(address account);
    error CourtTransferFailed(address to, uint256 amount);

    event TermsChanged(uint256 penaltyWei, uint256 challengeBondWei);
    event Bonded(address indexed operator, uint256 amount, uint256 coveredWei);
    event UnbondRequested(address indexed operator, uint256 amount, uint64 readyAt);
    event Unbonded(address indexed operator, uint256 amount);
    event Convicted(
        uint64 indexed batch, Fault fault, address indexed operator, address indexed challenger, uint256 penaltyWei
    );
    event BatchFreed(uint64 indexed batch, uint256 refundWei);
    event Refunded(uint64 indexed batch, address indexed payer, uint256 amount);
    event Demanded(uint64 indexed batch, Item item, uint256 index, address indexed challenger, uint64 until);
    event Produced(uint64 indexed batch, Item item, uint256 index);
    event CaseFiled(
        uint256 indexed caseId, uint64 indexed batch, uint64 sequence, address indexed challenger, bytes32 sharesRoot
    );
    event CaseDecided(uint256 indexed caseId, IPanel.Outcome outcome, bytes32 result);

    /// @notice Sets what a convicted operator pays and what a challenger stakes. Owner (governance) only, within bounds.
    function setTerms(uint96 penaltyWei, uint96 challengeBondWei) external;

    /// @notice Adds to an operator's bond, and says to {ISettlement} what it covers: a quarter of it in a challenge window.
    ///         Anyone may; with nothing it only says so again.
    function bondFor(address operator) external payable;

    /// @notice Takes part of the caller's bond out of what it covers. It stays liable for what it covered.
    function requestUnbond(uint96 amount) external;

    /// @notice Pays it, once no batch can be challenged that it answers for.
    function unbond() external;

    /// @notice Carries out what {AUDIT} found: gives debits back or takes credits back, and convicts the operator. {AUDIT} only.
    function sentence(
        Posted calldata posted,
        ISettlement.Ledger calldata previous,
        Fault fault,
        Remedy remedy,
        address challenger
    ) external;

    /// @notice Asks the operator to show a receipt of a batch with its shares, or one of its lines, for a stake that it gets
    ///         when it does. So nothing that proofs need can be kept back.
    /// @param index Of the receipt or the line, from zero.
    function demand(Posted calldata posted, Item item, uint256 index) external payable;

    /// @notice Shows a receipt that was demanded; anyone may.
    function produceReceipt(Posted calldata posted, Filed calldata filed) external;

    /// @notice Shows a line that was demanded, or the last one when there are not so many; anyone may.
    function produceLine(Posted calldata posted, bool isCredit, uint256 index, IAudit.Line calldata line) external;

    /// @notice Convicts the operator of a batch that did not answer a demand in time.
    /// @param previous What the batch's ledger was built on; only looked at for a line of its credits.
    function foreclose(Posted calldata posted, Item item, uint256 index, ISettlement.Ledger calldata previous) external;

    /// @notice Has a receipt's attribution recomputed by the panel, for a stake that the loser pays. Announced to {AUDIT}
    ///         before, like a proof.
    /// @param filed With the hash of the signature in place of the signature.
    /// @param secretHash `keccak256(abi.encode(secret))`: the challenger's half of the seed by which jurors are drawn.
    function contest(
        Posted calldata posted,
        Filed calldata filed,
        bytes32 secretHash
    ) external payable returns (uint256 caseId);

    /// @notice Ends a case as the panel decided.
    function decide(uint256 caseId) external;

    /// @notice Takes the credits of an overturned receipt back: the ledger stands as before them.
    /// @param credited The batch that credited it, and `previous` the one that was built on; not looked at when none did.
    function strike(uint256 caseId, Posted calldata credited, Posted calldata previous) external;

    /// @notice Gives payers of a free batch back what they were charged in it, as prepaid money.
    /// @param first First of the debits to look at, `count` how many.
    function refund(Posted calldata posted, bytes calldata debits, uint256 first, uint256 count) external;

    /// @notice Pays the caller what they won.
    function withdraw() external;

    /// @notice Recomputes what no proof can.
    function PANEL() external view returns (IPanel);

    /// @notice Decides what one proof shows.
    function AUDIT() external view returns (IAudit);

    /// @notice What a convicted operator pays, and what a challenger stakes.
    function terms() external view returns (uint96 penaltyWei, uint96 challengeBondWei);

    /// @notice An operator's bond, what of it is kept for payers until it may settle again, and what it has asked back.
    function bondOf(address operator)
        external
        view
        returns (uint256 amount, uint256 reserve, uint64 suspendedUntil, uint256 leaving, uint64 readyAt);

    /// @notice Won and not withdrawn.
    function owedTo(address account) external view returns (uint256);

    /// @notice Whether an operator was convicted for a batch, and what is left for refunds of a free one.
    function verdictOn(uint64 batch) external view returns (bool isConvicted, bool isFree, uint256 refundWei);

    /// @notice When a demand runs out; zero for none.
    function demandOf(uint64 batch, Item item, uint256 index) external view returns (address challenger, uint64 until);

    /// @notice The shares root that the panel found for a receipt; zero when it stands.
    function correctedRoot(uint64 sequence) external view returns (bytes32);

    /// @notice Number of cases filed.
    function caseCount() external view returns (uint256);

    /// @notice A case before the panel.
    function caseOf(uint256 caseId)
        external
        view
        returns (uint64 batch, uint64 sequence, address operator, address challenger, IPanel.Outcome outcome);
}
