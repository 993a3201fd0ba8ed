// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { Settlement } from "../src/settlement/Settlement.sol";
import { Staking } from "../src/settlement/Staking.sol";
import { Base } from "./Base.t.sol";
import { Book, World } from "./World.t.sol";

/// @notice Everyone who touches the money, at random: callers prepay, withdraw and are paid back, the operator settles answers of two
///         models, contributors claim, owners withdraw, backers come and go.
contract SettlementHandler is Base {
    Settlement public immutable SETTLEMENT;
    Staking public immutable STAKING;
    Book public immutable BOOK;
    address public immutable OPERATOR;
    address public immutable BUILDER;
    address public immutable TREASURY;

    address[] private _payers;
    Actor[] private _signers;
    uint256 private _refundCount;
    address[] private _contributors;
    uint256 private _unstakings;
    uint64[] private _ledgers;
    mapping(uint64 batch => ISettlement.Ledger) private _posted;
    uint256 public uncredited;
    uint256 public answers;
    uint256 public claims;

    constructor(Settlement settlement, address operator, address builder, address treasury) {
        SETTLEMENT = settlement;
        STAKING = settlement.STAKING();
        BOOK = new Book();
        OPERATOR = operator;
        BUILDER = builder;
        TREASURY = treasury;
        for (uint256 i; i < 3; ++i) {
            _signers.push(actor(string.concat("payer", vm.toString(i))));
            _payers.push(_signers[i].addr);
        }
        for (uint256 i; i < 5; ++i) {
            _contributors.push(actor(string.concat("contributor", vm.toString(i))).addr);
        }
    }

    function deposit(uint256 who, uint256 amount) external {
        amount = bound(amount, 1, 100 ether);
        address payer = _payers[who % 3];
        vm.deal(payer, payer.balance + amount);
        vm.prank(payer);
        SETTLEMENT.deposit{ value: amount }(payer);
    }

    function requestWithdrawal(uint256 who, uint256 amount) external {
        address payer = _payers[who % 3];
        uint256 has = SETTLEMENT.prepaidOf(payer);
        (uint256 pending,) = SETTLEMENT.withdrawalOf(payer);
        if (has == 0 || pending != 0) return;
        amount = bound(amount, 1, has);
        vm.prank(payer);
        SETTLEMENT.requestWithdrawal(amount);
    }

    function cancelWithdrawal(uint256 who) external {
        address payer = _payers[who % 3];
        (uint256 pending,) = SETTLEMENT.withdrawalOf(payer);
        if (pending == 0) return;
        vm.prank(payer);
        SETTLEMENT.cancelWithdrawal();
    }

    function withdraw(uint256 who, uint256 elapsed) external {
        vm.warp(block.timestamp + bound(elapsed, 0, 2 hours));
        address payer = _payers[who % 3];
        (uint256 pending, uint64 readyAt) = SETTLEMENT.withdrawalOf(payer);
        if (pending == 0 || readyAt > block.timestamp) return;
        // sent by anyone, paid to the account
        SETTLEMENT.withdraw(payer);
    }

    /// @dev Through the operator at once, through anyone else set aside.
    function refund(uint256 who, uint256 amount, bool isOperator) external {
        Actor memory payer = _signers[who % 3];
        uint256 has = SETTLEMENT.prepaidOf(payer.addr);
        (uint256 pending,) = SETTLEMENT.withdrawalOf(payer.addr);
        if (has == 0 || (pending != 0 && !isOperator)) return;
        amount = bound(amount, 1, has);
        bytes32 nonce = bytes32(++_refundCount);
        bytes memory signature = signRefund(SETTLEMENT, payer, amount, nonce, block.timestamp);
        if (isOperator) vm.prank(OPERATOR);
        SETTLEMENT.refund(payer.addr, amount, nonce, block.timestamp, signature);
    }

    /// @dev One to three answers in a batch, contributors' parts spread over two accounts, or left for a later batch.
    function settle(uint256 seed, uint256 fee) external {
        uint256 count = 1 + seed % 3;
        uint256[3] memory spent;
        ISettlement.Group[] memory groups = new ISettlement.Group[](2);
        for (uint256 i; i < count; ++i) {
            uint256 who = (seed >> 8 * i) % 3;
            (uint256 pending,) = SETTLEMENT.withdrawalOf(_payers[who]);
            uint256 feeWei = bound(fee, 0, SETTLEMENT.prepaidOf(_payers[who]) + pending - spent[who]);
            spent[who] += feeWei;
            _add(groups[(seed >> 4 * i) % 2], 1 + (seed >> 4 * i) % 2, feeWei);
            ++answers;
        }
        // a group without receipts is none
        if (groups[0].receiptCount == 0) groups = _only(groups[1]);
        else if (groups[1].receiptCount == 0) groups = _only(groups[0]);
        uint256 owed = uncredited;
        for (uint256 i; i < groups.length; ++i) {
            owed += groups[i].feeWei - groups[i].platformWei - groups[i].ownerWei - groups[i].stakersWei;
        }
        uncredited = owed;
        ISettlement.Segment[] memory segments;
        if (seed % 5 != 0) {
            if (owed / 3 != 0) BOOK.credit(_contributors[seed % 5], owed / 3);
            if (owed != owed / 3) BOOK.credit(_contributors[(seed >> 3) % 5], owed - owed / 3);
            segments = BOOK.take();
            if (segments.length != 0) uncredited = 0;
        }
        ISettlement.Batch memory batch;
        batch.lastSequence = uint64(answers);
        batch.lastTimestamp = uint64(block.timestamp);
        batch.accountCount = uint32(BOOK.accountCount());
        uint256 previous = SETTLEMENT.ledgerBatch();
        vm.prank(OPERATOR);
        SETTLEMENT.settle(batch, _debits(spent), groups, segments);
        if (segments.length == 0) return;
        (,, uint64 number,) = SETTLEMENT.head();
        _ledgers.push(number);
        _posted[number] = ISettlement.Ledger({
            root: segments[0].ledgerRoot,
            sum: BOOK.sum(),
            accountCount: BOOK.accountCount(),
            settledAt: block.timestamp,
            previous: previous,
            operator: OPERATOR,
            bodyHash: keccak256(
                abi.encode(
                    batch,
                    keccak256(_debits(spent)),
                    keccak256(abi.encode(groups)),
                    keccak256(abi.encodePacked(keccak256(segments[0].credits), segments[0].ledgerRoot))
                )
            )
        });
    }

    /// @dev Claims of all accounts of a mask together, against the newest ledger.
    function claim(uint256 mask) external {
        if (_ledgers.length == 0) return;
        uint64 number = _ledgers[_ledgers.length - 1];
        ISettlement.Ledger memory posted = _posted[number];
        uint256 finalAt = SETTLEMENT.finalAt(posted.settledAt);
        if (block.timestamp < finalAt) vm.warp(finalAt);
        uint256 count = BOOK.accountCount();
        uint256[] memory lines = new uint256[](count);
        uint256 chosen;
        for (uint256 i; i < count; ++i) {
            address account = BOOK.accounts(i);
            if (mask >> i & 1 == 1 && SETTLEMENT.claimed(account) != BOOK.cumulative(account)) lines[chosen++] = i;
        }
        if (chosen == 0) return;
        assembly ("memory-safe") {
            mstore(lines, chosen)
        }
        (bytes memory packed, bytes memory siblings) = BOOK.prove(lines);
        SETTLEMENT.claim(number, posted, packed, siblings);
        claims += chosen;
    }

    function _add(ISettlement.Group memory group, uint256 modelId, uint256 feeWei) private view {
        group.modelId = modelId;
        group.splitVersion = 1;
        group.stakeVersion = STAKING.versionOf(modelId);
        group.receiptCount += 1;
        group.firstTimestamp = uint64(block.timestamp);
        group.lastTimestamp = uint64(block.timestamp);
        group.feeWei += uint96(feeWei);
        group.platformWei += uint96(feeWei / 10);
        group.ownerWei += uint96(feeWei * 2 / 10);
        if (STAKING.totalStakeOf(modelId) != 0) group.stakersWei += uint96(feeWei * 2 / 10);
    }

    function _only(ISettlement.Group memory group) private pure returns (ISettlement.Group[] memory groups) {
        groups = new ISettlement.Group[](1);
        groups[0] = group;
    }

    function _debits(uint256[3] memory spent) private view returns (bytes memory debits) {
        address last;
        for (uint256 round; round < 3; ++round) {
            uint256 next = 3;
            for (uint256 i; i < 3; ++i) {
                if (_payers[i] > last && (next == 3 || _payers[i] < _payers[next])) next = i;
            }
            last = _payers[next];
            if (spent[next] != 0) {
                debits = bytes.concat(debits, abi.encodePacked(last, uint8(12), uint96(spent[next])));
            }
        }
    }

    function withdrawBalance(bool isTreasury) external {
        address account = isTreasury ? TREASURY : BUILDER;
        if (SETTLEMENT.balanceOf(account) == 0) return;
        vm.prank(account);
        SETTLEMENT.withdrawBalance(account);
    }

    function stake(uint256 model, uint256 amount) external {
        amount = bound(amount, 1 ether, 10 ether);
        vm.deal(address(this), amount);
        STAKING.stake{ value: amount }(1 + model % 2);
    }

    function requestUnstake(uint256 model) external {
        uint256 modelId = 1 + model % 2;
        uint256 has = STAKING.stakeOf(modelId, address(this));
        if (has != 0) STAKING.requestUnstake(modelId, has);
    }

    receive() external payable { }

    function prepaid() external view returns (uint256 sum) {
        for (uint256 i; i < 3; ++i) {
            sum += SETTLEMENT.prepaidOf(_payers[i]);
        }
    }

    function setAside() external view returns (uint256 sum) {
        for (uint256 i; i < 3; ++i) {
            (uint256 pending,) = SETTLEMENT.withdrawalOf(_payers[i]);
            sum += pending;
        }
    }

    function selectors() external pure returns (bytes4[] memory list) {
        list = new bytes4[](11);
        list[0] = this.deposit.selector;
        list[1] = this.requestWithdrawal.selector;
        list[2] = this.cancelWithdrawal.selector;
        list[3] = this.withdraw.selector;
        list[4] = this.settle.selector;
        list[5] = this.settle.selector;
        list[6] = this.claim.selector;
        list[7] = this.withdrawBalance.selector;
        list[8] = this.stake.selector;
        list[9] = this.requestUnstake.selector;
        list[10] = this.refund.selector;
    }
}

contract Settlement_Invariant_Test is World {
    SettlementHandler internal handler;

    function setUp() public override {
        super.setUp();
        publishModel("solidity-1");
        publishModel("solidity-2");
        handler = new SettlementHandler(settlement, operator.addr, builder.addr, treasury.addr);
        target(address(handler), handler.selectors());
    }

    function invariant_balance_isAllThatIsOwed() public view {
        (uint256 ledgerSum, uint256 claimedTotal, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(uncreditedWei, handler.uncredited());
        vm.assertEq(
            address(settlement).balance,
            uncreditedWei + handler.prepaid() + handler.setAside() + settlement.balanceOf(builder.addr)
                + settlement.balanceOf(treasury.addr) + ledgerSum - claimedTotal
        );
    }

    function invariant_ledger_isTheBooks() public view {
        (uint256 sum, uint256 claimedTotal,) = settlement.ledger();
        Book book = handler.BOOK();
        (,,, uint64 accountCount) = settlement.head();
        vm.assertEq(accountCount, book.accountCount());
        vm.assertEq(sum, book.sum());
        uint256 claimed;
        for (uint256 i; i < book.accountCount(); ++i) {
            claimed += settlement.claimed(book.accounts(i));
        }
        vm.assertEq(claimed, claimedTotal);
        vm.assertLe(claimedTotal, sum, "claimed");
    }

    function invariant_head_isTheLastReceipt() public view {
        (uint64 sequence,,,) = settlement.head();
        vm.assertEq(sequence, handler.answers());
    }
}
