// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { AgentWallet } from "../src/agent/AgentWallet.sol";
import { AgentWalletFactory } from "../src/agent/AgentWalletFactory.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";
import { MerkleSum } from "../src/libraries/MerkleSum.sol";
import { Refuser } from "./Base.t.sol";
import { SettlementTest } from "./SettlementTest.t.sol";
import { Book } from "./World.t.sol";

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

    /// @dev A session key of an agent that earned claims with others in one call; the money goes to the wallet alone, and pays
    ///      from there what the session may.
    function test_claim_bySessionKey_paysItsWallet() public {
        AgentWalletFactory factory = new AgentWalletFactory(wopen);
        AgentWallet wallet = AgentWallet(payable(factory.createWallet(bob.addr, "one")));
        Actor memory session = actor("session");
        vm.prank(bob.addr);
        wallet.grantSession(session.addr, address(settlement), 7000, 7000, uint64(NOON + 1 days));
        settleOne(address(wallet));
        settleOne(ann.addr);
        vm.warp(NOON + CHALLENGE);
        uint256[] memory lines = new uint256[](2);
        lines[1] = 1;
        (bytes memory claims, bytes memory siblings) = book.prove(lines);
        vm.prank(session.addr);
        settlement.claim(lastLedgerBatch, lastLedger, claims, siblings);
        vm.assertEq(address(wallet).balance, 7000);
        vm.assertEq(ann.addr.balance, 7000);
        vm.assertEq(session.addr.balance, 0);

        bytes memory signature = signTyped(
            session,
            wopen.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    keccak256(
                        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                    ),
                    address(wallet),
                    address(settlement),
                    7000,
                    0,
                    NOON + 1 days,
                    bytes32("one")
                )
            )
        );
        settlement.depositWithAuthorization(address(wallet), 7000, 0, NOON + 1 days, "one", signature);
        vm.assertEq(settlement.prepaidOf(address(wallet)), 7000);
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
