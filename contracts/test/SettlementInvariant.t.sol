// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { Settlement } from "../src/settlement/Settlement.sol";
import { Staking } from "../src/settlement/Staking.sol";
import { Base } from "./Base.t.sol";
import { Book, World } from "./World.t.sol";

/// @notice Everyone who touches the money, at random: callers prepay and withdraw, the operator settles answers of two
///         models, contributors claim, owners withdraw, backers come and go.
contract SettlementHandler is Base {
    Settlement public immutable SETTLEMENT;
    Staking public immutable STAKING;
    Book public immutable BOOK;
    address public immutable OPERATOR;
    address public immutable BUILDER;
    address public immutable TREASURY;

    address[] private _payers;
    address[] private _contributors;
    uint256 private _unstakings;
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
            _payers.push(actor(string.concat("payer", vm.toString(i))).addr);
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
        vm.prank(payer);
        SETTLEMENT.withdraw();
    }

    /// @dev One to three answers in a batch, contributors' parts spread over two accounts.
    function settle(uint256 seed, uint256 fee) external {
        uint256 count = 1 + seed % 3;
        ISettlement.Receipt[] memory receipts = new ISettlement.Receipt[](count);
        uint256 parts;
        uint256[3] memory spent;
        for (uint256 i; i < count; ++i) {
            uint256 who = (seed >> 8 * i) % 3;
            (uint256 pending,) = SETTLEMENT.withdrawalOf(_payers[who]);
            uint256 available = SETTLEMENT.prepaidOf(_payers[who]) + pending - spent[who];
            uint256 feeWei = bound(fee, 0, available);
            spent[who] += feeWei;
            uint256 modelId = 1 + (seed >> 4 * i) % 2;
            receipts[i] = BOOK.append(_receipt(_payers[who], modelId, feeWei));
            parts += feeWei - feeWei / 10 - feeWei * 2 / 10 - (STAKING.totalStakeOf(modelId) == 0 ? 0 : feeWei * 2 / 10);
            ++answers;
        }
        bytes memory credits;
        uint256 first = parts / 3;
        if (first != 0) credits = BOOK.credit(_contributors[seed % 5], first);
        if (parts != first) {
            credits = bytes.concat(credits, BOOK.credit(_contributors[(seed >> 3) % 5], parts - first));
        }
        bytes32 root = BOOK.root();
        uint256 sum = BOOK.sum();
        vm.prank(OPERATOR);
        SETTLEMENT.settle(receipts, credits, root, sum);
    }

    function claim(uint256 which) external {
        uint256 count = BOOK.accountCount();
        if (count == 0) return;
        address account = BOOK.accounts(which % count);
        uint256 cumulative = BOOK.cumulative(account);
        if (SETTLEMENT.claimed(account) == cumulative) return;
        SETTLEMENT.claim(account, cumulative, BOOK.indexOf(account), BOOK.prove(BOOK.indexOf(account)));
        ++claims;
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
        list = new bytes4[](10);
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
    }

    function _receipt(
        address payer,
        uint256 modelId,
        uint256 feeWei
    ) private view returns (ISettlement.Receipt memory receipt) {
        receipt.payer = payer;
        receipt.modelId = modelId;
        receipt.feeWei = feeWei;
        receipt.splitVersion = 1;
        receipt.timestamp = uint64(block.timestamp);
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
        (, uint256 ledgerSum, uint256 claimedTotal) = settlement.ledger();
        vm.assertEq(
            address(settlement).balance,
            handler.prepaid() + handler.setAside() + settlement.balanceOf(builder.addr)
                + settlement.balanceOf(treasury.addr) + ledgerSum - claimedTotal
        );
    }

    function invariant_ledger_isTheBooks() public view {
        (bytes32 root, uint256 sum, uint256 claimedTotal) = settlement.ledger();
        Book book = handler.BOOK();
        vm.assertEq(root, book.root());
        vm.assertEq(sum, book.sum());
        uint256 claimed;
        for (uint256 i; i < book.accountCount(); ++i) {
            claimed += settlement.claimed(book.accounts(i));
        }
        vm.assertEq(claimed, claimedTotal);
        vm.assertLe(claimedTotal, sum, "claimed");
    }

    function invariant_head_isTheLastReceipt() public view {
        (uint64 sequence, bytes32 receiptHash,,) = settlement.head();
        vm.assertEq(sequence, handler.answers());
        vm.assertEq(receiptHash, handler.BOOK().receiptHash());
    }
}
