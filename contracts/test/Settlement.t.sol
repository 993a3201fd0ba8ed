// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Ownable } from "@openzeppelin/contracts/access/Ownable.sol";
import { IERC20Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import { ERC3009 } from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import { IFeePolicy } from "../src/interfaces/IFeePolicy.sol";
import { IModels } from "../src/interfaces/IModels.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { ContractAccount, Refuser } from "./Base.t.sol";
import { Book, World } from "./World.t.sol";

abstract contract SettlementTest is World {
    uint256 internal constant FEE = 10_000;

    Book internal book;
    uint256 internal modelId;
    Actor internal ann;
    Actor internal bob;

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

    function settle(ISettlement.Receipt[] memory receipts, bytes memory credits) internal {
        bytes32 root = book.root();
        uint256 sum = book.sum();
        vm.prank(operator.addr);
        settlement.settle(receipts, credits, root, sum);
    }

    /// @dev Settles one answer and credits all contributors' part to one account.
    function settleOne(address account) internal {
        ISettlement.Receipt[] memory receipts = one(book.append(blank()));
        uint256 part = contributorsPart(FEE, staking.totalStakeOf(modelId) != 0);
        settle(receipts, book.credit(account, part));
    }

    function claim(address account) internal {
        uint256 index = book.indexOf(account);
        settlement.claim(account, book.cumulative(account), index, book.prove(index));
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
        receipt = book.append(receipt);
        bytes memory credits = book.credit(ann.addr, 5003);
        vm.expectEmit(address(settlement));
        emit ISettlement.ReceiptSettled(1, caller.addr, modelId, book.hash(receipt), 10_003, 1000, 2000, 2000, 5003);
        vm.expectEmit(address(settlement));
        emit ISettlement.BatchSettled(1, 1, 1, book.root(), 5003);
        settle(one(receipt), credits);

        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether - 10_003);
        vm.assertEq(settlement.balanceOf(treasury.addr), 1000);
        vm.assertEq(settlement.balanceOf(builder.addr), 2000);
        vm.assertEq(staking.pendingRewards(modelId, backer.addr), 2000);
        (bytes32 root, uint256 sum, uint256 claimedTotal) = settlement.ledger();
        vm.assertEq(root, book.root());
        vm.assertEq(sum, 5003);
        vm.assertEq(claimedTotal, 0);
        (uint64 sequence, bytes32 receiptHash, uint64 timestamp, uint64 batches) = settlement.head();
        vm.assertEq(sequence, 1);
        vm.assertEq(receiptHash, book.receiptHash());
        vm.assertEq(timestamp, NOON);
        vm.assertEq(batches, 1);
    }

    function test_settle_nobodyStakes_stakersPartJoinsContributors() public {
        settle(one(book.append(blank())), book.credit(ann.addr, 7000));
        vm.assertEq(settlement.balanceOf(treasury.addr), 1000);
        vm.assertEq(settlement.balanceOf(builder.addr), 2000);
    }

    /// @dev Parts always sum to the fee, whatever the fee and the split.
    function testFuzz_settle_anyFeeAndSplit_sumsExactly(uint256 fee, uint16 a, uint16 b, uint16 c, bool staked) public {
        fee = bound(fee, 0, 1 ether);
        IFeePolicy.Split memory split;
        split.platformBps = uint16(bound(a, 0, 2000));
        split.ownerBps = uint16(bound(b, 0, 3000));
        split.stakersBps = uint16(bound(c, 0, 2000));
        split.contributorsBps = 10_000 - split.platformBps - split.ownerBps - split.stakersBps;
        vm.prank(governance.addr);
        feePolicy.setSplit(split);
        if (staked) stake(backer, modelId, 1 ether);

        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = fee;
        receipt.splitVersion = 2;
        receipt = book.append(receipt);
        uint256 platformWei = fee * split.platformBps / 10_000;
        uint256 ownerWei = fee * split.ownerBps / 10_000;
        uint256 stakersWei = staked ? fee * split.stakersBps / 10_000 : 0;
        uint256 rest = fee - platformWei - ownerWei - stakersWei;
        settle(one(receipt), rest == 0 ? bytes("") : book.credit(ann.addr, rest));
        vm.assertEq(settlement.balanceOf(treasury.addr), platformWei);
        vm.assertEq(settlement.balanceOf(builder.addr), ownerWei);
        vm.assertEq(address(staking).balance, (staked ? 1 ether : 0) + stakersWei);
        vm.assertEq(address(settlement).balance, 1 ether - stakersWei);
    }

    function test_settle_manyReceiptsOfSeveralModels_paysEachOwnerAndStaker() public {
        uint256 other = publishModel("solidity-2");
        vm.prank(builder.addr);
        models.transferModel(other, stranger.addr);
        stake(backer, other, 2 ether);
        uint256[5] memory order = [modelId, modelId, other, modelId, other];
        ISettlement.Receipt[] memory receipts = new ISettlement.Receipt[](5);
        for (uint256 i; i < 5; ++i) {
            ISettlement.Receipt memory receipt = blank();
            receipt.modelId = order[i];
            receipts[i] = book.append(receipt);
        }
        settle(receipts, bytes.concat(book.credit(ann.addr, 3 * 7000), book.credit(bob.addr, 2 * 5000)));
        vm.assertEq(settlement.balanceOf(treasury.addr), 5000);
        vm.assertEq(settlement.balanceOf(builder.addr), 6000);
        vm.assertEq(settlement.balanceOf(stranger.addr), 4000);
        vm.assertEq(staking.pendingRewards(other, backer.addr), 4000);
    }

    function test_settle_secondBatch_continuesTheChain() public {
        settleOne(ann.addr);
        settleOne(bob.addr);
        (uint64 sequence,,, uint64 batches) = settlement.head();
        vm.assertEq(sequence, 2);
        vm.assertEq(batches, 2);
    }

    function test_settle_stranger_reverts() public {
        ISettlement.Receipt[] memory receipts = one(book.append(blank()));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNotOperator.selector, stranger.addr));
        vm.prank(stranger.addr);
        settlement.settle(receipts, "", 0, 0);
    }

    function test_settle_nothing_reverts() public {
        _expect(abi.encodeWithSelector(ISettlement.SettlementEmptyBatch.selector));
        settlement.settle(new ISettlement.Receipt[](0), "", 0, 0);
    }

    function test_settle_gapOrReplay_reverts() public {
        ISettlement.Receipt memory first = book.append(blank());
        ISettlement.Receipt memory second = book.append(blank());
        _expect(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 1, 2));
        settlement.settle(one(second), "", 0, 0);

        settle(_two(first, second), book.credit(ann.addr, 14_000));
        _expect(abi.encodeWithSelector(ISettlement.SettlementSequenceMismatch.selector, 3, 1));
        settlement.settle(one(first), "", 0, 0);
    }

    function test_settle_brokenChain_reverts() public {
        ISettlement.Receipt memory first = book.append(blank());
        ISettlement.Receipt memory second = book.append(blank());
        bytes32 hash = book.hash(first);
        second.previousHash = keccak256("another history");
        _expect(
            abi.encodeWithSelector(ISettlement.SettlementHashMismatch.selector, 2, hash, keccak256("another history"))
        );
        settlement.settle(_two(first, second), "", 0, 0);
    }

    /// @dev The hash binds every field: altering one in a settled receipt breaks the next.
    function testFuzz_settle_alteredField_breaksTheChain(uint256 which) public {
        ISettlement.Receipt memory first = book.append(blank());
        ISettlement.Receipt memory second = book.append(blank());
        which = which % 9;
        if (which == 0) first.promptHash = keccak256("x");
        if (which == 1) first.answerHash = keccak256("x");
        if (which == 2) first.inputTokens += 1;
        if (which == 3) first.outputTokens += 1;
        if (which == 4) first.feeWei += 1;
        if (which == 5) first.sharesRoot = keccak256("x");
        if (which == 6) first.attributionHash = keccak256("x");
        if (which == 7) first.inferenceCommitment = keccak256("x");
        if (which == 8) first.timestamp -= 1;
        vm.expectPartialRevert(ISettlement.SettlementHashMismatch.selector);
        vm.prank(operator.addr);
        settlement.settle(_two(first, second), "", 0, 0);
    }

    function test_settle_poorPayer_revertsNamingThem() public {
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = 1 ether + 1;
        receipt = book.append(receipt);
        _expect(
            abi.encodeWithSelector(
                ISettlement.SettlementInsufficientBalance.selector, caller.addr, 1 ether + 1, 1 ether
            )
        );
        settlement.settle(one(receipt), "", 0, 0);
    }

    function test_settle_unknownModel_reverts() public {
        ISettlement.Receipt memory receipt = blank();
        receipt.modelId = 77;
        receipt = book.append(receipt);
        _expect(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 77));
        settlement.settle(one(receipt), "", 0, 0);
    }

    function test_settle_modelZero_reverts() public {
        ISettlement.Receipt memory receipt = blank();
        receipt.modelId = 0;
        receipt = book.append(receipt);
        _expect(abi.encodeWithSelector(IModels.ModelsUnknownModel.selector, 0));
        settlement.settle(one(receipt), "", 0, 0);
    }

    function test_settle_splitVersionZero_reverts() public {
        ISettlement.Receipt memory receipt = blank();
        receipt.splitVersion = 0;
        receipt = book.append(receipt);
        _expect(abi.encodeWithSelector(IFeePolicy.FeePolicyUnknownVersion.selector, 0));
        settlement.settle(one(receipt), "", 0, 0);
    }

    function test_settle_answerAfterRetirement_reverts() public {
        vm.prank(builder.addr);
        models.retire(modelId);
        // what was answered before can still be settled, later
        vm.warp(NOON + 2 days);
        ISettlement.Receipt memory before = blank();
        before.timestamp = uint64(NOON);
        settle(one(book.append(before)), book.credit(ann.addr, 7000));

        ISettlement.Receipt memory late = blank();
        late.timestamp = uint64(NOON + 1);
        late = book.append(late);
        _expect(abi.encodeWithSelector(ISettlement.SettlementModelRetired.selector, 2, modelId, uint64(NOON)));
        settlement.settle(one(late), "", 0, 0);
    }

    function test_settle_supersededSplit_standsForOneHour() public {
        vm.prank(governance.addr);
        feePolicy.setSplit(IFeePolicy.Split(0, 2000, 2000, 6000));
        vm.warp(NOON + 2 hours);
        ISettlement.Receipt memory intime = blank();
        intime.timestamp = uint64(NOON + 1 hours);
        settle(one(book.append(intime)), book.credit(ann.addr, 7000));

        ISettlement.Receipt memory late = blank();
        late.timestamp = uint64(NOON + 1 hours + 1);
        late = book.append(late);
        _expect(abi.encodeWithSelector(ISettlement.SettlementSplitSuperseded.selector, 2, 1, uint64(NOON)));
        settlement.settle(one(late), "", 0, 0);
    }

    function test_settle_timeBackwardsOrFarAhead_reverts() public {
        settleOne(ann.addr);
        ISettlement.Receipt memory receipt = blank();
        receipt.timestamp = uint64(NOON - 1);
        receipt.sequence = 2;
        receipt.previousHash = book.receiptHash();
        _expect(
            abi.encodeWithSelector(
                ISettlement.SettlementTimestampOutOfRange.selector, 2, NOON - 1, NOON, NOON + 10 minutes
            )
        );
        settlement.settle(one(receipt), "", 0, 0);
        receipt.timestamp = uint64(NOON + 10 minutes + 1);
        vm.expectPartialRevert(ISettlement.SettlementTimestampOutOfRange.selector);
        vm.prank(operator.addr);
        settlement.settle(one(receipt), "", 0, 0);
    }

    function test_settle_creditsNotTheParts_reverts() public {
        ISettlement.Receipt[] memory receipts = one(book.append(blank()));
        bytes memory credits = book.credit(ann.addr, 7001);
        bytes32 root = book.root();
        _expect(abi.encodeWithSelector(ISettlement.SettlementCreditsMismatch.selector, 7000, 7001));
        settlement.settle(receipts, credits, root, 7001);
        _expect(abi.encodeWithSelector(ISettlement.SettlementCreditsMismatch.selector, 7000, 0));
        settlement.settle(receipts, "", root, 0);
    }

    function test_settle_ledgerSumNotOldPlusCredits_reverts() public {
        ISettlement.Receipt[] memory receipts = one(book.append(blank()));
        bytes memory credits = book.credit(ann.addr, 7000);
        bytes32 root = book.root();
        _expect(abi.encodeWithSelector(ISettlement.SettlementLedgerMismatch.selector, 7000, 7001));
        settlement.settle(receipts, credits, root, 7001);
    }

    function test_settle_malformedCredits_revert() public {
        ISettlement.Receipt[] memory receipts = one(book.append(blank()));
        _expect(abi.encodeWithSelector(ISettlement.SettlementInvalidCredit.selector, 0));
        settlement.settle(receipts, hex"01", 0, 0);
        _expect(abi.encodeWithSelector(ISettlement.SettlementInvalidCredit.selector, 1));
        settlement.settle(receipts, abi.encodePacked(ann.addr, uint96(7000), address(0), uint96(1)), 0, 0);
        _expect(abi.encodeWithSelector(ISettlement.SettlementInvalidCredit.selector, 0));
        settlement.settle(receipts, abi.encodePacked(ann.addr, uint96(0)), 0, 0);
    }

    function test_settle_oneBadReceipt_settlesNothing() public {
        ISettlement.Receipt memory good = book.append(blank());
        ISettlement.Receipt memory bad = blank();
        bad.payer = ann.addr;
        bad = book.append(bad);
        vm.expectPartialRevert(ISettlement.SettlementInsufficientBalance.selector);
        vm.prank(operator.addr);
        settlement.settle(_two(good, bad), "", 0, 0);
        vm.assertEq(settlement.prepaidOf(caller.addr), 1 ether);
        (uint64 sequence,,,) = settlement.head();
        vm.assertEq(sequence, 0);
    }

    function _two(
        ISettlement.Receipt memory first,
        ISettlement.Receipt memory second
    ) private pure returns (ISettlement.Receipt[] memory receipts) {
        receipts = new ISettlement.Receipt[](2);
        receipts[0] = first;
        receipts[1] = second;
    }

    function _expect(bytes memory refusal) private {
        vm.expectRevert(refusal);
        vm.prank(operator.addr);
    }
}

contract Settlement_claim_Test is SettlementTest {
    function test_claim_byAnyone_paysTheAccountOnce() public {
        settleOne(ann.addr);
        vm.expectEmit(address(settlement));
        emit ISettlement.Claimed(ann.addr, 7000);
        vm.prank(stranger.addr);
        settlement.claim(ann.addr, 7000, 0, book.prove(0));
        vm.assertEq(ann.addr.balance, 7000);
        vm.assertEq(settlement.claimed(ann.addr), 7000);
        MerkleSum.Node[] memory proof = book.prove(0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToClaim.selector, ann.addr, 7000, 7000));
        settlement.claim(ann.addr, 7000, 0, proof);
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
        (, uint256 sum, uint256 claimedTotal) = settlement.ledger();
        vm.assertEq(sum, 21_000);
        vm.assertEq(claimedTotal, 21_000);
    }

    function test_claim_wrongAmountIndexOrProof_reverts() public {
        settleOne(ann.addr);
        settleOne(bob.addr);
        MerkleSum.Node[] memory proof = book.prove(0);
        _expectInvalid(ann.addr, 7001, 0);
        settlement.claim(ann.addr, 7001, 0, proof);
        _expectInvalid(ann.addr, 7000, 1);
        settlement.claim(ann.addr, 7000, 1, proof);
        // the same leaf under an index beyond the tree
        _expectInvalid(ann.addr, 7000, 2);
        settlement.claim(ann.addr, 7000, 2, proof);
        _expectInvalid(bob.addr, 7000, 0);
        settlement.claim(bob.addr, 7000, 0, proof);
        _expectInvalid(ann.addr, 7000, 0);
        settlement.claim(ann.addr, 7000, 0, new MerkleSum.Node[](0));
        proof[0].sum += 1;
        _expectInvalid(ann.addr, 7000, 0);
        settlement.claim(ann.addr, 7000, 0, proof);
    }

    function test_claim_beforeAnyBatch_reverts() public {
        _expectInvalid(ann.addr, 1, 0);
        settlement.claim(ann.addr, 1, 0, new MerkleSum.Node[](0));
    }

    /// @dev An operator that rewrites the ledger to pay the same money twice is stopped by the total.
    function test_claim_rewrittenLedger_cannotSpendMoreThanTheSum() public {
        settleOne(ann.addr);
        claim(ann.addr);
        Book forged = new Book();
        forged.credit(bob.addr, 7000 + 7000);
        ISettlement.Receipt[] memory receipts = one(book.append(blank()));
        bytes memory credits = abi.encodePacked(bob.addr, uint96(7000));
        bytes32 root = forged.root();
        vm.prank(operator.addr);
        settlement.settle(receipts, credits, root, 14_000);
        MerkleSum.Node[] memory proof = forged.prove(0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementLedgerExceeded.selector, 21_000, 14_000));
        settlement.claim(bob.addr, 14_000, 0, proof);
    }

    /// @dev A root whose leaves promise more than the ledger's sum proves nothing.
    function test_claim_ledgerThatPromisesMoreThanItsSum_reverts() public {
        Book forged = new Book();
        forged.credit(bob.addr, 1 ether);
        ISettlement.Receipt[] memory receipts = one(book.append(blank()));
        bytes32 root = forged.root();
        vm.prank(operator.addr);
        settlement.settle(receipts, abi.encodePacked(bob.addr, uint96(7000)), root, 7000);
        MerkleSum.Node[] memory proof = forged.prove(0);
        _expectInvalid(bob.addr, 1 ether, 0);
        settlement.claim(bob.addr, 1 ether, 0, proof);
    }

    function test_claim_accountThatTakesNoMoney_reverts() public {
        address refuser = address(new Refuser());
        settleOne(refuser);
        MerkleSum.Node[] memory proof = book.prove(0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementTransferFailed.selector, refuser, 7000));
        settlement.claim(refuser, 7000, 0, proof);
    }

    function test_claim_reentrant_reverts() public {
        Reentrant thief = new Reentrant(settlement);
        settleOne(address(thief));
        MerkleSum.Node[] memory proof = book.prove(0);
        thief.arm(7000, proof);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementTransferFailed.selector, address(thief), 7000));
        settlement.claim(address(thief), 7000, 0, proof);
    }

    /// @dev Every account of a ledger of any size can claim exactly its amount.
    function testFuzz_claim_anyLedger_paysEveryone(uint8 size, uint256 seed) public {
        uint256 count = bound(size, 1, 40);
        ISettlement.Receipt memory receipt = blank();
        receipt.feeWei = 1 ether;
        receipt = book.append(receipt);
        uint256 left = contributorsPart(1 ether, false);
        bytes memory credits;
        for (uint256 i; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 amount = i + 1 == count ? left : bound(seed, 1, left / 4);
            left -= amount;
            credits = bytes.concat(credits, book.credit(vm.addr(seed >> 8), amount));
        }
        settle(one(receipt), credits);
        for (uint256 i; i < count; ++i) {
            address account = book.accounts(i);
            claim(account);
            vm.assertEq(account.balance, book.cumulative(account));
        }
        (, uint256 sum, uint256 claimedTotal) = settlement.ledger();
        vm.assertEq(sum, claimedTotal);
    }

    function _expectInvalid(address account, uint256 cumulative, uint256 index) private {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementInvalidProof.selector, account, cumulative, index));
    }
}

contract Reentrant {
    ISettlement private immutable _SETTLEMENT;
    uint256 private _cumulative;
    MerkleSum.Node[] private _proof;

    constructor(ISettlement settlement) {
        _SETTLEMENT = settlement;
    }

    function arm(uint256 cumulative, MerkleSum.Node[] calldata proof) external {
        _cumulative = cumulative;
        for (uint256 i; i < proof.length; ++i) {
            _proof.push(proof[i]);
        }
    }

    receive() external payable {
        _SETTLEMENT.claim(address(this), _cumulative, 0, _proof);
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
