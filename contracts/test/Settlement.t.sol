// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { IERC20Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import { ERC3009 } from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { IModels } from "../src/interfaces/IModels.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { IStaking } from "../src/interfaces/IStaking.sol";
import { Credits } from "../src/libraries/Credits.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { ContractAccount, Refuser } from "./Base.t.sol";
import { Book, World } from "./World.t.sol";

abstract contract SettlementTest is World {
    uint256 internal constant FEE = 10_000;

    Book internal book;
    uint256 internal modelId;
    Actor internal ann;
    Actor internal bob;
    uint64 internal lastLedgerBatch;
    ISettlement.Ledger internal lastLedger;

    function setUp() public virtual override {
        super.setUp();
        book = new Book();
        modelId = publishModel("solidity-1");
        ann = actor("ann");
        bob = actor("bob");
        deposit(caller, 1 ether);
    }

    function blank() internal view returns (ISettlement.Receipt memory receipt) {
        receipt.payer = caller.addr;
        receipt.modelId = modelId;
        receipt.promptHash = keccak256("prompt");
        receipt.answerHash = keccak256("answer");
        receipt.inputTokens = 12;
        receipt.outputTokens = 34;
        receipt.feeWei = FEE;
        receipt.splitVersion = 1;
        receipt.sharesRoot = keccak256("shares");
        receipt.attributionHash = keccak256("attribution");
        receipt.inferenceCommitment = keccak256("inference");
        receipt.timestamp = uint64(block.timestamp);
    }

    function one(ISettlement.Receipt memory receipt) internal pure returns (ISettlement.Receipt[] memory receipts) {
        receipts = new ISettlement.Receipt[](1);
        receipts[0] = receipt;
    }

    /// @dev The receipts' parts as the split says; what is left belongs to contributors.
    function contributorsPart(uint256 feeWei, bool hasStakers) internal pure returns (uint256) {
        return feeWei - feeWei * 1000 / 10_000 - feeWei * 2000 / 10_000 - (hasStakers ? feeWei * 2000 / 10_000 : 0);
    }

    /// @dev What the node posts for receipts of which all are of one payer, model, split and stake.
    function pack(ISettlement
                .Receipt[] memory receipts)
        internal
        view
        returns (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups)
    {
        bytes32[] memory leaves = new bytes32[](receipts.length);
        uint256[] memory fees = new uint256[](receipts.length);
        groups = new ISettlement.Group[](1);
        ISettlement.Group memory group = groups[0];
        group.modelId = receipts[0].modelId;
        group.splitVersion = receipts[0].splitVersion;
        group.stakeVersion = receipts[0].stakeVersion;
        group.firstTimestamp = receipts[0].timestamp;
        for (uint256 i; i < receipts.length; ++i) {
            fees[i] = receipts[i].feeWei;
            leaves[i] = leafOf(receipts[i]);
            add(group, receipts[i]);
        }
        batch = ISettlement.Batch({
            lastSequence: receipts[receipts.length - 1].sequence,
            lastTimestamp: group.lastTimestamp,
            receiptsRoot: book.receiptsRoot(leaves, fees),
            lastReceiptHash: book.hash(receipts[receipts.length - 1]),
            debitLinesRoot: keccak256("debit lines"),
            creditLinesRoot: keccak256("credit lines")
        });
        if (group.feeWei != 0) debits = abi.encodePacked(receipts[0].payer, uint8(12), group.feeWei);
    }

    function leafOf(ISettlement.Receipt memory receipt) internal view returns (bytes32) {
        return keccak256(
            bytes.concat(
                book.hash(receipt),
                keccak256(
                    sign(
                        operator,
                        keccak256(abi.encodePacked("\x19\x01", settlement.DOMAIN_SEPARATOR(), book.hash(receipt)))
                    )
                )
            )
        );
    }

    /// @dev Adds a receipt to its group, part by part as the split says, each rounded down.
    function add(ISettlement.Group memory group, ISettlement.Receipt memory receipt) internal view {
        group.receiptCount += 1;
        group.lastTimestamp = receipt.timestamp;
        group.feeWei += uint96(receipt.feeWei);
        if (receipt.splitVersion == 0 || receipt.splitVersion > feePolicy.currentVersion()) return;
        IFeePolicy.Split memory split = feePolicy.splitOf(receipt.splitVersion);
        group.platformWei += uint96(receipt.feeWei * split.platformBps / 10_000);
        group.ownerWei += uint96(receipt.feeWei * split.ownerBps / 10_000);
        (uint256 staked,,) = staking.stakeAt(receipt.modelId, receipt.stakeVersion);
        if (staked != 0) group.stakersWei += uint96(receipt.feeWei * split.stakersBps / 10_000);
    }

    /// @dev Settles receipts with the credits that the book has taken in.
    function settle(ISettlement.Receipt[] memory receipts) internal {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(receipts);
        settle(batch, debits, groups, book.take());
    }

    function settle(
        ISettlement.Batch memory batch,
        bytes memory debits,
        ISettlement.Group[] memory groups,
        ISettlement.Segment[] memory segments
    ) internal {
        postAs(operator, batch, debits, groups, segments);
        (,, uint64 number,) = settlement.head();
        (uint256 sum,,) = settlement.ledger();
        if (segments.length == 0) return;
        lastLedgerBatch = number;
        lastLedger = ISettlement.Ledger({
            root: segments[segments.length - 1].ledgerRoot,
            sum: sum,
            accountCount: book.accountCount(),
            settledAt: block.timestamp,
            bodyHash: bodyHash(batch, debits, groups, segments)
        });
    }

    function postAs(
        Actor memory sender,
        ISettlement.Batch memory batch,
        bytes memory debits,
        ISettlement.Group[] memory groups,
        ISettlement.Segment[] memory segments
    ) internal {
        vm.prank(sender.addr);
        settlement.settle(batch, debits, groups, segments);
    }

    function bodyHash(
        ISettlement.Batch memory batch,
        bytes memory debits,
        ISettlement.Group[] memory groups,
        ISettlement.Segment[] memory segments
    ) internal pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i; i < segments.length; ++i) {
            hashes = bytes.concat(hashes, keccak256(segments[i].credits), segments[i].ledgerRoot);
        }
        return keccak256(
            abi.encode(
                batch,
                keccak256(debits),
                keccak256(abi.encode(groups)),
                segments.length == 0 ? bytes32(0) : keccak256(hashes)
            )
        );
    }

    function nextReceipt() internal returns (ISettlement.Receipt memory) {
        ISettlement.Receipt memory receipt = blank();
        receipt.stakeVersion = staking.versionOf(modelId);
        return book.append(receipt);
    }

    /// @dev Settles one answer and credits all contributors' part to one account.
    function settleOne(address account) internal {
        ISettlement.Receipt memory receipt = nextReceipt();
        book.credit(account, contributorsPart(FEE, staking.totalStakeOf(modelId) != 0));
        settle(one(receipt));
    }

    /// @dev Claims for one account against the last ledger, past its window.
    function claim(address account) internal {
        vm.warp(lastLedger.settledAt + CHALLENGE);
        uint256[] memory lines = new uint256[](1);
        lines[0] = book.indexOf(account);
        claimLines(lines);
    }

    function claimLines(uint256[] memory lines) internal {
        (bytes memory claims, bytes memory siblings) = book.prove(lines);
        settlement.claim(lastLedgerBatch, lastLedger, claims, siblings);
    }

    function two(
        ISettlement.Receipt memory first,
        ISettlement.Receipt memory second
    ) internal pure returns (ISettlement.Receipt[] memory receipts) {
        receipts = new ISettlement.Receipt[](2);
        receipts[0] = first;
        receipts[1] = second;
    }
}

contract Settlement_prepaid_Test is SettlementTest {
    function test_deposit_forAnother_creditsThem() public {
        vm.expectEmit(address(settlement));
        emit ISettlement.Deposited(ann.addr, 3 ether);
        vm.prank(caller.addr);
        settlement.deposit{ value: 3 ether }(ann.addr);
        vm.assertEq(settlement.prepaidOf(ann.addr), 3 ether);
        vm.expectRevert(ISettlement.SettlementZeroAddress.selector);
        settlement.deposit{ value: 1 }(address(0));
    }

    function test_receive_plainTransfer_reverts() public {
        vm.prank(caller.addr);
        (bool sent, bytes memory reason) = address(settlement).call{ value: 1 }("");
        vm.assertFalse(sent);
        vm.assertEq(reason, abi.encodeWithSelector(ISettlement.SettlementNotWOPEN.selector, caller.addr));
    }

    function test_withdraw_afterTheDelay_pays() public {
        vm.prank(caller.addr);
        settlement.requestWithdrawal(0.4 ether);
        vm.assertEq(settlement.prepaidOf(caller.addr), 0.6 ether);
        (uint256 amount, uint64 readyAt) = settlement.withdrawalOf(caller.addr);
        vm.assertEq(amount, 0.4 ether);
        vm.assertEq(readyAt, NOON + WITHDRAWAL_DELAY);

        vm.warp(NOON + WITHDRAWAL_DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementWithdrawalNotReady.selector, caller.addr, readyAt));
        vm.prank(caller.addr);
        settlement.withdraw();

        vm.warp(NOON + WITHDRAWAL_DELAY);
        uint256 before = caller.addr.balance;
        vm.startPrank(caller.addr);
        settlement.withdraw();
        vm.assertEq(caller.addr.balance, before + 0.4 ether);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToWithdraw.selector, caller.addr));
        settlement.withdraw();
        vm.stopPrank();
    }

    function test_requestWithdrawal_whilePending_reverts() public {
        vm.startPrank(caller.addr);
        settlement.requestWithdrawal(0.4 ether);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.SettlementWithdrawalPending.selector,
                caller.addr,
                0.4 ether,
                uint64(NOON) + WITHDRAWAL_DELAY
            )
        );
        settlement.requestWithdrawal(0.1 ether);
        settlement.cancelWithdrawal();
        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether);
        settlement.requestWithdrawal(0.5 ether);
        vm.stopPrank();
    }

    function test_requestWithdrawal_tooMuchOrNothing_reverts() public {
        vm.startPrank(caller.addr);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.SettlementInsufficientBalance.selector, caller.addr, 1 ether + 1, 1 ether
            )
        );
        settlement.requestWithdrawal(1 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToWithdraw.selector, caller.addr));
        settlement.requestWithdrawal(0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToWithdraw.selector, caller.addr));
        settlement.cancelWithdrawal();
        vm.stopPrank();
    }

    function test_settle_setAsideMoney_stillPaysReceipts() public {
        vm.prank(caller.addr);
        settlement.requestWithdrawal(1 ether);
        settleOne(ann.addr);
        (uint256 amount,) = settlement.withdrawalOf(caller.addr);
        vm.assertEq(amount, 1 ether - FEE);
    }

    function test_withdraw_accountThatTakesNoMoney_reverts() public {
        address refuser = address(new Refuser());
        settlement.deposit{ value: 5 }(refuser);
        vm.prank(refuser);
        settlement.requestWithdrawal(5);
        vm.warp(NOON + WITHDRAWAL_DELAY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementTransferFailed.selector, refuser, 5));
        vm.prank(refuser);
        settlement.withdraw();
    }
}

contract Settlement_depositWithAuthorization_Test is SettlementTest {
    bytes32 internal constant TRANSFER_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 internal constant NONCE = keccak256("nonce");

    function setUp() public override {
        super.setUp();
        vm.prank(stranger.addr);
        wopen.deposit{ value: 10 ether }();
    }

    function test_depositWithAuthorization_key_unwrapsAndCredits() public {
        bytes memory signature = _authorize(stranger, stranger.addr, address(settlement), 3 ether);
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(settlement.prepaidOf(stranger.addr), 3 ether);
        vm.assertEq(wopen.balanceOf(stranger.addr), 7 ether);
        vm.assertEq(wopen.balanceOf(address(settlement)), 0);
        vm.assertEq(address(settlement).balance, 4 ether);
    }

    function test_depositWithAuthorization_twice_reverts() public {
        bytes memory signature = _authorize(stranger, stranger.addr, address(settlement), 3 ether);
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.SettlementAuthorizationCredited.selector, stranger.addr, NONCE)
        );
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    /// @dev Anyone who sees the authorization can hand it to WOPEN first; the money must not be lost.
    function test_depositWithAuthorization_frontRunAtWopen_creditsAllTheSame() public {
        bytes memory signature = _authorize(stranger, stranger.addr, address(settlement), 3 ether);
        wopen.transferWithAuthorization(
            stranger.addr, address(settlement), 3 ether, NOON - 1, NOON + 60, NONCE, signature
        );
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, "");
        vm.assertEq(settlement.prepaidOf(stranger.addr), 3 ether);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.SettlementAuthorizationCredited.selector, stranger.addr, NONCE)
        );
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, "");
    }

    function test_depositWithAuthorization_paidElsewhereOrCancelled_reverts() public {
        bytes memory signature = _authorize(stranger, stranger.addr, ann.addr, 3 ether);
        wopen.transferWithAuthorization(stranger.addr, ann.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        bytes memory refusal =
            abi.encodeWithSelector(ISettlement.SettlementAuthorizationUnpaid.selector, stranger.addr, NONCE);
        vm.expectRevert(refusal);
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        // another amount than was paid
        vm.expectRevert(refusal);
        settlement.depositWithAuthorization(stranger.addr, 4 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function test_depositWithAuthorization_badSignature_reverts() public {
        bytes memory signature = _authorize(ann, stranger.addr, address(settlement), 3 ether);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
    }

    function test_depositWithAuthorization_erc1271Account_paysFromItsWopen() public {
        address account = address(new ContractAccount(stranger.addr));
        vm.prank(stranger.addr);
        wopen.transfer(account, 5 ether);
        bytes memory signature = _authorize(stranger, account, address(settlement), 3 ether);
        settlement.depositWithAuthorization(account, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(settlement.prepaidOf(account), 3 ether);
    }

    /// @dev A contract that claims to be an agent's wallet but pays nothing gains nothing.
    function test_depositWithAuthorization_lyingWallet_reverts() public {
        address liar = address(new LyingWallet());
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientAllowance.selector);
        settlement.depositWithAuthorization(liar, 3 ether, NOON - 1, NOON + 60, NONCE, "");
    }

    /// @dev Nor by handing a victim's authorization to WOPEN in the middle, so that money arrives all the same.
    function test_depositWithAuthorization_walletThatSpendsAnothersMoney_reverts() public {
        ThievingWallet thief = new ThievingWallet();
        bytes memory signature = _authorize(stranger, stranger.addr, address(settlement), 3 ether);
        thief.arm(
            address(wopen),
            abi.encodeWithSignature(
                "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
                stranger.addr,
                address(settlement),
                3 ether,
                NOON - 1,
                NOON + 60,
                NONCE,
                signature
            )
        );
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientAllowance.selector);
        settlement.depositWithAuthorization(address(thief), 3 ether, NOON - 1, NOON + 60, NONCE, "");
        settlement.depositWithAuthorization(stranger.addr, 3 ether, NOON - 1, NOON + 60, NONCE, signature);
        vm.assertEq(settlement.prepaidOf(stranger.addr), 3 ether);
    }

    function _authorize(
        Actor memory signer,
        address from,
        address to,
        uint256 value
    ) private view returns (bytes memory) {
        return signTyped(
            signer,
            wopen.DOMAIN_SEPARATOR(),
            keccak256(abi.encode(TRANSFER_TYPEHASH, from, to, value, NOON - 1, NOON + 60, NONCE))
        );
    }
}

/// @notice Says yes to every interface and every transfer, and does nothing.
contract LyingWallet {
    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id != 0xffffffff;
    }

    fallback() external virtual { }
}

/// @notice Says yes as well, and makes another call when it is asked to pay.
contract ThievingWallet is LyingWallet {
    address private _target;
    bytes private _data;

    function arm(address target, bytes calldata data) external {
        _target = target;
        _data = data;
    }

    fallback() external override {
        (bool succeeded,) = _target.call(_data);
        require(succeeded, "the theft itself failed");
    }
}

contract Settlement_settle_Test is SettlementTest {
    function test_settle_oneReceipt_dividesTheFee() public {
        stake(backer, modelId, 1 ether);
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = 10_003;
        receipt.stakeVersion = 1;
        receipt = book.append(receipt);
        book.credit(ann.addr, 5003);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(one(receipt));
        ISettlement.Segment[] memory segments = book.take();
        vm.expectEmit(address(settlement));
        emit ISettlement.BatchSettled(
            1, 1, 1, leafOf(receipt), book.root(), 5003, 1, bodyHash(batch, debits, groups, segments)
        );
        settle(batch, debits, groups, segments);

        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether - 10_003);
        vm.assertEq(settlement.balanceOf(treasury.addr), 1000);
        vm.assertEq(settlement.balanceOf(builder.addr), 2000);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 2000);
        (uint256 sum, uint256 claimedTotal, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(sum, 5003);
        vm.assertEq(claimedTotal, 0);
        vm.assertEq(uncreditedWei, 0);
        (uint64 sequence, uint64 timestamp, uint64 batches, uint64 accounts) = settlement.head();
        vm.assertEq(sequence, 1);
        vm.assertEq(timestamp, NOON);
        vm.assertEq(batches, 1);
        vm.assertEq(accounts, 1);
        vm.assertEq(settlement.ledgerHash(1), keccak256(abi.encode(lastLedger)));
        vm.assertEq(settlement.ledgerHash(2), 0);
    }

    function test_settle_nobodyStakes_stakersPartJoinsContributors() public {
        settleOne(ann.addr);
        vm.assertEq(settlement.balanceOf(treasury.addr), 1000);
        vm.assertEq(settlement.balanceOf(builder.addr), 2000);
        (uint256 sum,,) = settlement.ledger();
        vm.assertEq(sum, 7000);
    }

    /// @dev Parts always sum to the fee, whatever the fee and the split.
    function testFuzz_settle_anyFeeAndSplit_sumsExactly(uint256 fee, uint16 a, uint16 b, uint16 c, bool staked) public {
        IFeePolicy.Split memory split;
        split.platformBps = uint16(bound(a, 0, 2000));
        split.ownerBps = uint16(bound(b, 0, 3000));
        split.stakersBps = uint16(bound(c, 0, 2000));
        split.contributorsBps = 10_000 - split.platformBps - split.ownerBps - split.stakersBps;
        vm.prank(governance.addr);
        feePolicy.setSplit(split);
        if (staked) stake(backer, modelId, 1 ether);
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = bound(fee, 0, 1 ether);
        receipt.splitVersion = 2;
        receipt.stakeVersion = staking.versionOf(modelId);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(receipt)));
        settle(batch, debits, groups, book.take());

        ISettlement.Group memory group = groups[0];
        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether - group.feeWei);
        (,, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(
            settlement.balanceOf(treasury.addr) + settlement.balanceOf(builder.addr) + uncreditedWei + group.stakersWei,
            group.feeWei
        );
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), group.stakersWei);
    }

    /// @dev Many receipts, each part rounded down: the groups sum to the fees, and no part may be a wei above its share.
    function test_settle_manyReceipts_partsAreWithinAWeiEach() public {
        ISettlement.Receipt[] memory receipts = new ISettlement.Receipt[](7);
        for (uint256 i; i < 7; ++i) {
            ISettlement.Receipt memory receipt = blank();
            receipt.feeWei = 10_009;
            receipts[i] = book.append(receipt);
        }
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(receipts);
        vm.assertEq(groups[0].platformWei, 7000);
        groups[0].platformWei = 7007;
        _expect(abi.encodeWithSelector(ISettlement.SettlementPartMismatch.selector, 0, 70_063_000, 7007));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        groups[0].platformWei = 6999;
        _expect(abi.encodeWithSelector(ISettlement.SettlementPartMismatch.selector, 0, 70_063_000, 6999));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        // seven receipts may round 70063 x 10 % = 7006.3 down by less than seven
        groups[0].platformWei = 7000;
        settle(batch, debits, groups, new ISettlement.Segment[](0));
        (,, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(uncreditedWei, 70_063 - 7000 - 14_007);
    }

    function test_settle_stakersPartWithoutStake_reverts() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        groups[0].stakersWei = 1;
        _expect(abi.encodeWithSelector(ISettlement.SettlementPartMismatch.selector, 0, 0, 1));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    /// @dev Attack: stake right before settlement, to earn from answers that were made before.
    function test_settle_stakeThatCameAfterTheAnswer_earnsNothing() public {
        stake(backer, modelId, 1 ether);
        ISettlement.Receipt memory receipt = nextReceipt();
        vm.warp(NOON + 2);
        stake(stranger, modelId, 1000 ether);
        book.credit(ann.addr, 5000);
        settle(one(receipt));
        vm.assertEq(staking.pendingRewards(modelId, stranger.addr), 0);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 2000);
    }

    /// @dev Attack: leave, so that stakers who stay are paid less, or so that settlement fails.
    function test_settle_stakeThatLeftAfterTheAnswer_isPaidStill() public {
        stake(backer, modelId, 1 ether);
        ISettlement.Receipt memory receipt = nextReceipt();
        vm.warp(NOON + 2);
        vm.prank(backer.addr);
        staking.requestUnstake(modelId, 1 ether);
        book.credit(ann.addr, 5000);
        settle(one(receipt));
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 2000);
        uint256 before = backer.addr.balance;
        vm.prank(backer.addr);
        staking.claimRewards(modelId);
        vm.assertEq(backer.addr.balance, before + 2000);
    }

    function test_settle_stakeOfAnotherTime_reverts() public {
        stake(backer, modelId, 1 ether);
        vm.warp(NOON + 2);
        ISettlement.Receipt memory receipt = blank();
        // of the time before anyone staked
        receipt.stakeVersion = 0;
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(receipt)));
        _expect(abi.encodeWithSelector(ISettlement.SettlementStakeOutOfDate.selector, modelId, 0));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        // of a time before the stake came
        groups[0].stakeVersion = 1;
        groups[0].firstTimestamp = uint64(NOON - 1);
        vm.expectPartialRevert(ISettlement.SettlementStakeOutOfDate.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_stranger_reverts() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNotOperator.selector, stranger.addr));
        vm.prank(stranger.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_noReceipts_reverts() public {
        ISettlement.Batch memory batch;
        batch.lastTimestamp = uint64(NOON);
        _expect(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 0, 0, 0));
        settlement.settle(batch, "", new ISettlement.Group[](0), new ISettlement.Segment[](0));
    }

    /// @dev Attack: the same batch again, and batches in another order.
    function test_settle_replayedOrReordered_reverts() public {
        ISettlement.Receipt memory receipt = nextReceipt();
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(one(receipt));
        (ISettlement.Batch memory later, bytes memory laterDebits, ISettlement.Group[] memory laterGroups) =
            pack(one(nextReceipt()));
        _expect(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 0, 1, 2));
        settlement.settle(later, laterDebits, laterGroups, new ISettlement.Segment[](0));
        settle(batch, debits, groups, new ISettlement.Segment[](0));
        _expect(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 1, 1, 1));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        settle(later, laterDebits, laterGroups, new ISettlement.Segment[](0));
    }

    function test_settle_poorPayer_revertsNamingThem() public {
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = 1 ether + 1;
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(receipt)));
        _expect(
            abi.encodeWithSelector(
                ISettlement.SettlementInsufficientBalance.selector, caller.addr, 1 ether + 1, 1 ether
            )
        );
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_debitsNotTheFees_revert() public {
        (ISettlement.Batch memory batch,, ISettlement.Group[] memory groups) = pack(one(nextReceipt()));
        _expect(abi.encodeWithSelector(ISettlement.SettlementDebitsMismatch.selector, FEE, FEE - 1));
        settlement.settle(
            batch, abi.encodePacked(caller.addr, uint8(2), uint16(FEE - 1)), groups, new ISettlement.Segment[](0)
        );
        _expect(abi.encodeWithSelector(ISettlement.SettlementDebitsMismatch.selector, FEE, 0));
        settlement.settle(batch, "", groups, new ISettlement.Segment[](0));
    }

    function test_settle_malformedDebits_revert() public {
        (ISettlement.Batch memory batch,, ISettlement.Group[] memory groups) = pack(one(nextReceipt()));
        bytes memory good = abi.encodePacked(caller.addr, uint8(2), uint16(1));
        bytes[4] memory bad = [
            abi.encodePacked(caller.addr, uint8(0)),
            abi.encodePacked(caller.addr, uint8(13), uint104(1)),
            abi.encodePacked(caller.addr, uint8(2), uint8(1)),
            abi.encodePacked(address(0), uint8(1), uint8(1))
        ];
        for (uint256 i; i < bad.length; ++i) {
            _expect(abi.encodeWithSelector(ISettlement.SettlementInvalidDebit.selector, 0));
            settlement.settle(batch, bad[i], groups, new ISettlement.Segment[](0));
        }
        // the same payer twice
        _expect(abi.encodeWithSelector(ISettlement.SettlementInvalidDebit.selector, 23));
        settlement.settle(batch, bytes.concat(good, good), groups, new ISettlement.Segment[](0));
    }

    function test_settle_unknownModelSplitOrStake_reverts() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        groups[0].modelId = 77;
        _expect(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 77));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        groups[0].modelId = 0;
        _expect(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 0));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        groups[0].modelId = modelId;
        groups[0].splitVersion = 0;
        _expect(abi.encodeWithSelector(IFeePolicy.FeePolicyUnknownVersion.selector, 0));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        groups[0].splitVersion = 1;
        groups[0].stakeVersion = 5;
        _expect(abi.encodeWithSelector(IStaking.StakingUnknownVersion.selector, modelId, 5));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_answerAfterRetirement_reverts() public {
        vm.prank(builder.addr);
        models.retire(modelId);
        // what was answered before can still be settled, later
        ISettlement.Receipt memory before = nextReceipt();
        vm.warp(NOON + 2 days);
        book.credit(ann.addr, 7000);
        settle(one(before));

        ISettlement.Receipt memory late = blank();
        late.timestamp = uint64(NOON + 1);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(late)));
        _expect(
            abi.encodeWithSelector(ISettlement.SettlementModelRetired.selector, modelId, uint64(NOON + 1), uint64(NOON))
        );
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_supersededSplit_standsForOneHour() public {
        vm.prank(governance.addr);
        feePolicy.setSplit(IFeePolicy.Split(0, 2000, 2000, 6000));
        vm.warp(NOON + 2 hours);
        ISettlement.Receipt memory intime = blank();
        intime.timestamp = uint64(NOON + 1 hours);
        book.credit(ann.addr, 7000);
        settle(one(book.append(intime)));

        ISettlement.Receipt memory late = blank();
        late.timestamp = uint64(NOON + 1 hours + 1);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(late)));
        _expect(
            abi.encodeWithSelector(
                ISettlement.SettlementSplitSuperseded.selector, 1, uint64(NOON + 1 hours + 1), uint64(NOON)
            )
        );
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_timeBackwardsOrFarAhead_reverts() public {
        settleOne(ann.addr);
        ISettlement.Receipt memory receipt = blank();
        receipt.timestamp = uint64(NOON - 1);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(book.append(receipt)));
        _expect(
            abi.encodeWithSelector(
                ISettlement.SettlementTimestampOutOfRange.selector, NOON - 1, NOON, NOON + 10 minutes
            )
        );
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        batch.lastTimestamp = uint64(NOON + 10 minutes + 1);
        vm.expectPartialRevert(ISettlement.SettlementTimestampOutOfRange.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        // a group's times lie between the last batch and this one's last
        batch.lastTimestamp = uint64(NOON);
        vm.expectPartialRevert(ISettlement.SettlementTimestampOutOfRange.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
    }

    function test_settle_creditsNotTheParts_reverts() public {
        ISettlement.Receipt memory receipt = nextReceipt();
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(one(receipt));
        book.credit(ann.addr, 7001);
        ISettlement.Segment[] memory segments = book.take();
        _expect(abi.encodeWithSelector(ISettlement.SettlementCreditsMismatch.selector, 7000, 7001));
        settlement.settle(batch, debits, groups, segments);
    }

    function test_settle_malformedCredits_revert() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        ISettlement.Segment[] memory segments = new ISettlement.Segment[](1);
        bytes memory fresh = abi.encodePacked(uint8(0xf2), ann.addr, uint16(3000));
        bytes[8] memory bad = [
            // no amount, an empty amount, an amount of zero, an amount cut short
            bytes(hex"01"),
            hex"00",
            hex"0100",
            hex"f3",
            // a line that is not there, near and far
            hex"1101",
            hex"e10000000501",
            // a new account without an address
            abi.encodePacked(uint8(0xf1), address(0), uint8(1)),
            // an old line after a new account
            bytes.concat(fresh, hex"0101")
        ];
        for (uint256 i; i < bad.length; ++i) {
            segments[0].credits = bad[i];
            vm.expectPartialRevert(Credits.CreditsInvalid.selector);
            vm.prank(operator.addr);
            settlement.settle(batch, debits, groups, segments);
        }
        // the same line in two segments
        segments = new ISettlement.Segment[](2);
        segments[0].credits = fresh;
        segments[1].credits = hex"020fa0";
        vm.expectPartialRevert(Credits.CreditsInvalid.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, segments);
    }

    /// @dev Credits may come with a later batch, then all of them, and within a day.
    function test_settle_creditsLater_allAtOnceAndInTime() public {
        settle(one(nextReceipt()));
        (uint256 sum,, uint256 uncreditedWei) = settlement.ledger();
        vm.assertEq(sum, 0);
        vm.assertEq(uncreditedWei, 7000);
        ISettlement.Receipt memory receipt = nextReceipt();
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) = pack(one(receipt));
        vm.warp(NOON + 1 days + 1);
        _expect(abi.encodeWithSelector(ISettlement.SettlementLedgerLate.selector, 14_000, NOON + 1 days));
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        book.credit(bob.addr, 7000);
        ISettlement.Segment[] memory segments = book.take();
        _expect(abi.encodeWithSelector(ISettlement.SettlementCreditsMismatch.selector, 14_000, 7000));
        settlement.settle(batch, debits, groups, segments);
        book.credit(bob.addr, 7000);
        segments = book.take();
        segments[0].credits = abi.encodePacked(uint8(0xf2), bob.addr, uint16(14_000));
        settle(batch, debits, groups, segments);
        (sum,, uncreditedWei) = settlement.ledger();
        vm.assertEq(sum, 14_000);
        vm.assertEq(uncreditedWei, 0);
    }

    function test_settle_oneBadGroup_settlesNothing() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory good) =
            pack(two(nextReceipt(), nextReceipt()));
        ISettlement.Group[] memory groups = new ISettlement.Group[](2);
        groups[0] = good[0];
        groups[0].receiptCount = 1;
        groups[1] = good[0];
        groups[1].modelId = 9;
        vm.expectPartialRevert(IModels.ModelsUnknownModel.selector);
        vm.prank(operator.addr);
        settlement.settle(batch, debits, groups, new ISettlement.Segment[](0));
        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether);
        vm.assertEq(settlement.balanceOf(builder.addr), 0);
    }

    function _expect(bytes memory refusal) private {
        vm.expectRevert(refusal);
        vm.prank(operator.addr);
    }
}

contract Settlement_claim_Test is SettlementTest {
    function test_claim_byAnyone_paysTheAccountOnce() public {
        settleOne(ann.addr);
        vm.warp(NOON + CHALLENGE);
        (bytes memory claims, bytes memory siblings) = book.prove(_line(0));
        vm.expectEmit(address(settlement));
        emit ISettlement.Claimed(ann.addr, 7000);
        vm.prank(stranger.addr);
        settlement.claim(1, lastLedger, claims, siblings);
        vm.assertEq(ann.addr.balance, 7000);
        vm.assertEq(settlement.claimed(ann.addr), 7000);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToClaim.selector, ann.addr, 7000, 7000));
        settlement.claim(1, lastLedger, claims, siblings);
    }

    function test_claim_withinTheWindow_reverts() public {
        settleOne(ann.addr);
        vm.warp(NOON + CHALLENGE - 1);
        (bytes memory claims, bytes memory siblings) = book.prove(_line(0));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementLedgerNotFinal.selector, 1, NOON + CHALLENGE));
        settlement.claim(1, lastLedger, claims, siblings);
    }

    function test_claim_laterLedger_paysTheDifference() public {
        settleOne(ann.addr);
        claim(ann.addr);
        settleOne(bob.addr);
        settleOne(ann.addr);
        claim(ann.addr);
        vm.assertEq(ann.addr.balance, 14_000);
        claim(bob.addr);
        vm.assertEq(bob.addr.balance, 7000);
        (uint256 sum, uint256 claimedTotal,) = settlement.ledger();
        vm.assertEq(sum, 21_000);
        vm.assertEq(claimedTotal, 21_000);
    }

    /// @dev A later batch in its window does not delay claims against an older ledger; nor does an older one pay twice.
    function test_claim_olderLedger_paysWhatItGrants() public {
        settleOne(ann.addr);
        ISettlement.Ledger memory older = lastLedger;
        (bytes memory claims, bytes memory siblings) = book.prove(_line(0));
        vm.warp(NOON + CHALLENGE);
        settleOne(ann.addr);
        settlement.claim(1, older, claims, siblings);
        vm.assertEq(ann.addr.balance, 7000);
        claim(ann.addr);
        vm.assertEq(ann.addr.balance, 14_000);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToClaim.selector, ann.addr, 7000, 14_000));
        settlement.claim(1, older, claims, siblings);
    }

    function test_claim_wrongAmountIndexProofOrLedger_reverts() public {
        settleOne(ann.addr);
        settleOne(bob.addr);
        vm.warp(NOON + CHALLENGE);
        (bytes memory claims, bytes memory siblings) = book.prove(_line(0));
        _expectInvalid();
        settlement.claim(2, lastLedger, abi.encodePacked(uint32(0), ann.addr, uint96(7001)), siblings);
        _expectInvalid();
        settlement.claim(2, lastLedger, abi.encodePacked(uint32(1), ann.addr, uint96(7000)), siblings);
        _expectInvalid();
        settlement.claim(2, lastLedger, abi.encodePacked(uint32(0), bob.addr, uint96(7000)), siblings);
        bytes memory raised = bytes.concat(siblings);
        raised[43] = bytes1(uint8(raised[43]) + 1);
        _expectInvalid();
        settlement.claim(2, lastLedger, claims, raised);
        vm.expectRevert(MerkleSum.MerkleSumInvalidProof.selector);
        settlement.claim(2, lastLedger, claims, "");
        vm.expectRevert(MerkleSum.MerkleSumInvalidProof.selector);
        settlement.claim(2, lastLedger, claims, bytes.concat(siblings, siblings));
        // the same line twice, one beyond the ledger, half a claim, none
        vm.expectRevert(ISettlement.SettlementInvalidClaims.selector);
        settlement.claim(2, lastLedger, bytes.concat(claims, claims), siblings);
        vm.expectRevert(ISettlement.SettlementInvalidClaims.selector);
        settlement.claim(2, lastLedger, abi.encodePacked(uint32(2), ann.addr, uint96(7000)), siblings);
        vm.expectRevert(ISettlement.SettlementInvalidClaims.selector);
        settlement.claim(2, lastLedger, hex"01", siblings);
        vm.expectRevert(ISettlement.SettlementInvalidClaims.selector);
        settlement.claim(2, lastLedger, "", siblings);
        // a ledger that was never settled, or of another batch
        ISettlement.Ledger memory forged = lastLedger;
        forged.sum += 1;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementUnknownLedger.selector, 2));
        settlement.claim(2, forged, claims, siblings);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementUnknownLedger.selector, 1));
        settlement.claim(1, lastLedger, claims, siblings);
        forged.settledAt = 0;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementUnknownLedger.selector, 3));
        settlement.claim(3, forged, claims, siblings);
    }

    /// @dev An operator that rewrites the ledger to pay the same money twice is stopped by the total.
    function test_claim_rewrittenLedger_cannotSpendMoreThanTheSum() public {
        settleOne(ann.addr);
        claim(ann.addr);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        Book forged = new Book();
        forged.credit(bob.addr, 14_000);
        ISettlement.Segment[] memory segments = forged.take();
        segments[0].credits = abi.encodePacked(uint8(0xf2), bob.addr, uint16(7000));
        book.credit(bob.addr, 7000);
        book.take();
        settle(batch, debits, groups, segments);
        vm.warp(block.timestamp + CHALLENGE);
        // a tree of one leaf under a ledger of two is no proof
        vm.expectRevert(MerkleSum.MerkleSumInvalidProof.selector);
        settlement.claim(2, lastLedger, abi.encodePacked(uint32(0), bob.addr, uint96(14_000)), "");
    }

    /// @dev The same with a tree of the right size.
    function test_claim_rewrittenLine_cannotSpendMoreThanTheSum() public {
        settleOne(ann.addr);
        settleOne(bob.addr);
        claim(ann.addr);
        claim(bob.addr);
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        Book forged = new Book();
        forged.credit(ann.addr, 1);
        forged.take();
        forged.credit(bob.addr, 20_999);
        ISettlement.Segment[] memory segments = forged.take();
        segments[0].credits = abi.encodePacked(uint8(0x12), uint16(7000));
        settle(batch, debits, groups, segments);
        vm.warp(block.timestamp + CHALLENGE);
        (bytes memory claims, bytes memory siblings) = forged.prove(_line(1));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementLedgerExceeded.selector, 27_999, 21_000));
        settlement.claim(3, lastLedger, claims, siblings);
    }

    /// @dev A root whose leaves promise more than the ledger's sum proves nothing.
    function test_claim_ledgerThatPromisesMoreThanItsSum_reverts() public {
        (ISettlement.Batch memory batch, bytes memory debits, ISettlement.Group[] memory groups) =
            pack(one(nextReceipt()));
        Book forged = new Book();
        forged.credit(bob.addr, 1 ether);
        ISettlement.Segment[] memory segments = forged.take();
        segments[0].credits = abi.encodePacked(uint8(0xf2), bob.addr, uint16(7000));
        book.credit(bob.addr, 7000);
        book.take();
        settle(batch, debits, groups, segments);
        vm.warp(NOON + CHALLENGE);
        (bytes memory claims, bytes memory siblings) = forged.prove(_line(0));
        _expectInvalid();
        settlement.claim(1, lastLedger, claims, siblings);
    }

    /// @dev Griefing: an account that takes no money, or burns all gas, or enters again, spoils nobody's claim.
    function test_claim_hostileAccounts_doNotSpoilOthersClaims() public {
        address[3] memory hostile =
            [address(new Refuser()), address(new Burner()), address(new Reentrant(settlement, book))];
        for (uint256 i; i < 3; ++i) {
            settleOne(hostile[i]);
        }
        settleOne(ann.addr);
        vm.warp(NOON + CHALLENGE);
        Reentrant(payable(hostile[2])).arm(lastLedgerBatch, lastLedger);
        uint256[] memory lines = new uint256[](4);
        for (uint256 i; i < 4; ++i) {
            lines[i] = i;
        }
        claimLines(lines);
        uint256 gasUsed = vm.lastCallGas().gasTotalUsed;
        vm.assertLe(gasUsed, 400_000, "gas that a hostile account can burn");
        vm.assertEq(ann.addr.balance, 7000);
        for (uint256 i; i < 3; ++i) {
            vm.assertEq(hostile[i].balance, 0);
            vm.assertEq(settlement.claimed(hostile[i]), 7000);
            vm.assertEq(settlement.balanceOf(hostile[i]), 7000);
        }
        vm.prank(hostile[0]);
        settlement.withdrawBalance(bob.addr);
        vm.assertEq(bob.addr.balance, 7000);
        (uint256 sum, uint256 claimedTotal,) = settlement.ledger();
        vm.assertEq(sum, claimedTotal);
    }

    /// @dev Griefing: someone claims for one account of a batch first; the others' claims go through all the same.
    function test_claim_frontRun_paysTheOthers() public {
        settleOne(ann.addr);
        settleOne(bob.addr);
        claim(ann.addr);
        uint256[] memory lines = new uint256[](2);
        lines[1] = 1;
        claimLines(lines);
        vm.assertEq(ann.addr.balance, 7000);
        vm.assertEq(bob.addr.balance, 7000);
    }

    /// @dev Any accounts of a ledger of any size can claim together, each exactly its amount.
    function testFuzz_claim_anyLedgerAnySubset_paysThem(uint8 size, uint256 seed, uint256 subset) public {
        uint256 count = bound(size, 1, 40);
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = 1 ether;
        receipt = book.append(receipt);
        uint256 left = contributorsPart(1 ether, false);
        for (uint256 i; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 amount = i + 1 == count ? left : bound(seed, 1, left / 4);
            left -= amount;
            book.credit(vm.addr(seed >> 8), amount);
        }
        settle(one(receipt));
        vm.warp(NOON + CHALLENGE);
        uint256[] memory lines = new uint256[](count);
        uint256 chosen;
        for (uint256 i; i < count; ++i) {
            if (subset >> i & 1 == 1) lines[chosen++] = i;
        }
        if (chosen == 0) lines[chosen++] = seed % count;
        assembly ("memory-safe") {
            mstore(lines, chosen)
        }
        claimLines(lines);
        uint256 paid;
        for (uint256 i; i < chosen; ++i) {
            address account = book.accounts(lines[i]);
            vm.assertEq(account.balance, book.cumulative(account));
            paid += account.balance;
        }
        (, uint256 claimedTotal,) = settlement.ledger();
        vm.assertEq(paid, claimedTotal);
    }

    function _line(uint256 index) private pure returns (uint256[] memory lines) {
        lines = new uint256[](1);
        lines[0] = index;
    }

    function _expectInvalid() private {
        vm.expectRevert(ISettlement.SettlementInvalidProof.selector);
    }
}

/// @notice Burns all the gas it is given.
contract Burner {
    receive() external payable {
        while (true) { }
    }
}

/// @notice Claims again while it is being paid.
contract Reentrant {
    ISettlement private immutable _SETTLEMENT;
    Book private immutable _BOOK;
    uint64 private _batch;
    ISettlement.Ledger private _ledger;

    constructor(ISettlement settlement, Book book) {
        _SETTLEMENT = settlement;
        _BOOK = book;
    }

    function arm(uint64 batch, ISettlement.Ledger calldata ledger) external {
        _batch = batch;
        _ledger = ledger;
    }

    receive() external payable {
        _SETTLEMENT.claim(_batch, _ledger, hex"00", hex"");
    }
}

contract Settlement_roles_Test is SettlementTest {
    function test_setOperator_owner_changesIt() public {
        vm.expectEmit(address(settlement));
        emit ISettlement.OperatorChanged(stranger.addr);
        vm.prank(governance.addr);
        settlement.setOperator(stranger.addr);
        vm.assertEq(settlement.operator(), stranger.addr);
        vm.expectRevert(ISettlement.SettlementZeroAddress.selector);
        vm.prank(governance.addr);
        settlement.setOperator(address(0));
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, operator.addr));
        vm.prank(operator.addr);
        settlement.setOperator(operator.addr);
    }

    function test_withdrawBalance_owner_paysWhereToldOnce() public {
        settleOne(ann.addr);
        vm.expectEmit(address(settlement));
        emit ISettlement.BalanceWithdrawn(builder.addr, bob.addr, 2000);
        vm.startPrank(builder.addr);
        settlement.withdrawBalance(bob.addr);
        vm.assertEq(bob.addr.balance, 2000);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToWithdraw.selector, builder.addr));
        settlement.withdrawBalance(bob.addr);
        vm.stopPrank();
        vm.expectRevert(ISettlement.SettlementZeroAddress.selector);
        vm.prank(treasury.addr);
        settlement.withdrawBalance(address(0));
    }

    function testFuzz_hashReceipt_anyReceipt_isTheStructHash(ISettlement.Receipt memory receipt) public view {
        vm.assertEq(settlement.hashReceipt(receipt), book.hash(receipt));
        vm.assertEq(
            settlement.digestReceipt(receipt),
            keccak256(abi.encodePacked("\x19\x01", settlement.DOMAIN_SEPARATOR(), book.hash(receipt)))
        );
    }
}
