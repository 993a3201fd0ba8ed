// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Datanets } from "../src/datanet/Datanets.sol";
import { IDatanets } from "../src/interfaces/IDatanets.sol";
import { ILicences } from "../src/interfaces/ILicences.sol";
import { Base, Refuser } from "./Base.t.sol";
import { World } from "./World.t.sol";

abstract contract LicencesTest is World {
    bytes32 internal constant WITHDRAWAL_TYPEHASH = keccak256("Withdrawal(bytes32 contributionId,uint256 deadline)");
    uint128 internal constant PRICE = 10 ether;
    uint64 internal constant DURATION = 30 days;
    uint256 internal datanetId;
    bytes32 internal first;
    bytes32 internal second;

    function setUp() public virtual override {
        super.setUp();
        datanetId = createDatanet();
        first = contribute(datanetId);
        second = contributeBy(stranger, keccak256("other records"));
        vm.startPrank(builder.addr);
        datanets.addValidator(datanetId, validator.addr);
        datanets.setLicenceTerms(datanetId, PRICE, DURATION, 2000, keccak256("terms"));
        vm.stopPrank();
    }

    function contributeBy(Actor memory account, bytes32 root) internal returns (bytes32) {
        IDatanets.ContributionInput memory input = contributionInput(datanetId);
        input.recordsRoot = root;
        return datanets.contribute(
            input, account.addr, block.timestamp, signContribution(account, input, account.addr, block.timestamp)
        );
    }

    function accept(bytes32 id, uint32 count) internal {
        vm.prank(validator.addr);
        datanets.recordVerdict(id, count == 0 ? bytes32(0) : keccak256("accepted"), count, 0);
    }

    function buy(Actor memory buyer) internal {
        vm.deal(buyer.addr, buyer.addr.balance + PRICE);
        vm.prank(buyer.addr);
        datanets.buyLicence{ value: PRICE }(datanetId, 1, buyer.addr);
    }

    function owed(Actor memory account, bytes32 id) internal view returns (uint256) {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        return datanets.licenceFeesOwed(account.addr, ids);
    }

    function claim(Actor memory account, bytes32 id) internal {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        datanets.claimLicenceFees(account.addr, ids);
    }

    function withdrawal(Actor memory signer, bytes32 id) internal view returns (bytes memory) {
        return signTyped(
            signer, datanets.DOMAIN_SEPARATOR(), keccak256(abi.encode(WITHDRAWAL_TYPEHASH, id, block.timestamp))
        );
    }
}

contract Licences_terms_Test is LicencesTest {
    function test_setLicenceTerms_owner_numbersThem() public {
        ILicences.LicenceTerms memory terms = datanets.licenceTermsOf(datanetId);
        vm.assertEq(terms.version, 1);
        vm.assertEq(terms.priceWei, PRICE);
        terms.version = 2;
        terms.priceWei = 1;
        vm.expectEmit(address(datanets));
        emit ILicences.LicenceTermsChanged(datanetId, terms);
        vm.prank(builder.addr);
        datanets.setLicenceTerms(datanetId, 1, DURATION, 2000, keccak256("terms"));
    }

    function test_setLicenceTerms_strangerOrOutOfRange_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotOwner.selector, datanetId, address(this)));
        datanets.setLicenceTerms(datanetId, 1, 1, 0, 0);
        vm.startPrank(builder.addr);
        vm.expectRevert(abi.encodeWithSelector(ILicences.LicencesOutOfRange.selector, 5001, 5000));
        datanets.setLicenceTerms(datanetId, 1, 1, 5001, 0);
        vm.expectRevert(abi.encodeWithSelector(ILicences.LicencesOutOfRange.selector, 3650 days + 1, 3650 days));
        datanets.setLicenceTerms(datanetId, 1, 3650 days + 1, 0, 0);
        vm.stopPrank();
    }

    function test_buyLicence_twice_isTwiceAsLong() public {
        buy(caller);
        vm.assertEq(datanets.licenceUntil(datanetId, caller.addr), NOON + DURATION);
        vm.warp(NOON + 10 days);
        buy(caller);
        vm.assertEq(datanets.licenceUntil(datanetId, caller.addr), NOON + 2 * DURATION);
        vm.warp(NOON + 100 days);
        buy(caller);
        vm.assertEq(datanets.licenceUntil(datanetId, caller.addr), NOON + 100 days + DURATION);
    }

    function test_buyLicence_forAnother_isTheirs() public {
        vm.deal(backer.addr, PRICE);
        vm.expectEmit(address(datanets));
        emit ILicences.LicenceBought(datanetId, caller.addr, backer.addr, PRICE, 1, uint64(NOON) + DURATION);
        vm.prank(backer.addr);
        datanets.buyLicence{ value: PRICE }(datanetId, 1, caller.addr);
        vm.assertEq(datanets.licenceUntil(datanetId, backer.addr), 0);
    }

    function test_buyLicence_otherTermsPriceOrSale_reverts() public {
        vm.deal(address(this), 100 ether);
        vm.expectRevert(abi.encodeWithSelector(ILicences.LicencesWrongPrice.selector, PRICE, PRICE + 1));
        datanets.buyLicence{ value: PRICE + 1 }(datanetId, 1, caller.addr);
        vm.expectRevert(ILicences.LicencesZeroHolder.selector);
        datanets.buyLicence{ value: PRICE }(datanetId, 1, address(0));
        vm.prank(builder.addr);
        datanets.setLicenceTerms(datanetId, PRICE, DURATION, 0, keccak256("worse terms"));
        vm.expectRevert(abi.encodeWithSelector(ILicences.LicencesOtherTerms.selector, datanetId, 2));
        datanets.buyLicence{ value: PRICE }(datanetId, 1, caller.addr);
        vm.prank(builder.addr);
        datanets.setLicenceTerms(datanetId, PRICE, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(ILicences.LicencesNotSold.selector, datanetId));
        datanets.buyLicence{ value: PRICE }(datanetId, 3, caller.addr);
    }

    function test_grantLicence_owner_neverShortens() public {
        buy(caller);
        vm.startPrank(builder.addr);
        datanets.grantLicence(datanetId, caller.addr, uint64(NOON) + 1);
        vm.assertEq(datanets.licenceUntil(datanetId, caller.addr), NOON + DURATION);
        datanets.grantLicence(datanetId, caller.addr, uint64(NOON) + 365 days);
        vm.assertEq(datanets.licenceUntil(datanetId, caller.addr), NOON + 365 days);
        vm.expectPartialRevert(ILicences.LicencesOutOfRange.selector);
        datanets.grantLicence(datanetId, caller.addr, uint64(NOON) + 3651 days);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsNotOwner.selector, datanetId, address(this)));
        datanets.grantLicence(datanetId, caller.addr, uint64(NOON) + 1);
    }
}

contract Licences_fees_Test is LicencesTest {
    /// @dev Worked by hand: 10 OPEN, a fifth the owner's; 8 over 6 + 2 records is 1 each.
    function test_buyLicence_records_divideTheFee() public {
        accept(first, 6);
        accept(second, 2);
        buy(caller);
        vm.assertEq(owed(contributor, first), 6 ether);
        vm.assertEq(owed(stranger, second), 2 ether);
        vm.assertEq(owed(builder, first), 2 ether);
        uint256 before = contributor.addr.balance;
        claim(contributor, first);
        vm.assertEq(contributor.addr.balance - before, 6 ether);
        vm.expectRevert(abi.encodeWithSelector(ILicences.LicencesNothingOwed.selector, contributor.addr));
        claim(contributor, first);
        claim(builder, first);
        claim(stranger, second);
        vm.assertEq(address(datanets).balance, 0);
    }

    function test_buyLicence_withoutRecords_isTheCommons() public {
        buy(caller);
        // the builder holds the commons too
        vm.assertEq(owed(builder, first), PRICE);
        accept(first, 10);
        vm.assertEq(owed(contributor, first), 0);
    }

    function test_verdict_changesWhatIsEarnedFromThenOn() public {
        accept(first, 4);
        buy(caller);
        accept(first, 1);
        accept(second, 1);
        buy(backer);
        vm.assertEq(owed(contributor, first), 12 ether);
        vm.assertEq(owed(stranger, second), 4 ether);
    }

    function test_setBeneficiary_keepsWhatWasEarned() public {
        accept(first, 4);
        buy(caller);
        vm.prank(contributor.addr);
        datanets.setBeneficiary(first, backer.addr);
        buy(stranger);
        vm.assertEq(owed(contributor, first), 8 ether);
        vm.assertEq(owed(backer, first), 8 ether);
    }

    function test_claimLicenceFees_refused_staysOwed() public {
        accept(first, 4);
        Refuser refuser = new Refuser();
        vm.prank(contributor.addr);
        datanets.setBeneficiary(first, address(refuser));
        buy(caller);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = first;
        vm.expectPartialRevert(ILicences.LicencesTransferFailed.selector);
        datanets.claimLicenceFees(address(refuser), ids);
        vm.assertEq(datanets.licenceFeesOwed(address(refuser), ids), 8 ether);
    }

    /// @dev Oracle: fees divided in the plainest way, one after the other.
    function testFuzz_fees_addUp(uint8[6] memory counts, uint64 priceWei, uint16 ownerBps) public {
        vm.prank(builder.addr);
        datanets.setLicenceTerms(datanetId, priceWei, DURATION, ownerBps % 5001, 0);
        vm.deal(address(this), uint256(priceWei) * 3);
        uint256[2] memory expected;
        uint256 ownerWei = uint256(priceWei) * (ownerBps % 5001) / 10_000;
        for (uint256 i; i < 3; ++i) {
            (uint32 mine, uint32 theirs) = (counts[2 * i] % 11, counts[2 * i + 1] % 11);
            accept(first, mine);
            accept(second, theirs);
            datanets.buyLicence{ value: priceWei }(datanetId, 2, caller.addr);
            if (mine + theirs == 0) continue;
            uint256 each = (priceWei - ownerWei) / (mine + theirs);
            expected[0] += each * mine;
            expected[1] += each * theirs;
        }
        vm.assertEq(owed(contributor, first), expected[0]);
        vm.assertEq(owed(stranger, second), expected[1]);
        vm.assertEq(owed(builder, first) + expected[0] + expected[1], uint256(priceWei) * 3);
    }
}

contract Datanets_withdrawContribution_Test is LicencesTest {
    function test_withdrawContribution_signed_isForGood() public {
        accept(first, 4);
        buy(caller);
        bytes memory signature = withdrawal(contributor, first);
        vm.expectEmit(address(datanets));
        emit IDatanets.ContributionWithdrawn(first, datanetId, contributor.addr);
        datanets.withdrawContribution(first, NOON, signature);
        vm.assertEq(datanets.contributionOf(first).withdrawnAt, NOON);
        vm.assertEq(datanets.contributionOf(first).acceptedCount, 4);

        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsWithdrawn.selector, first));
        datanets.withdrawContribution(first, NOON, signature);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsWithdrawn.selector, first));
        vm.prank(validator.addr);
        datanets.recordVerdict(first, keccak256("accepted"), 4, 0);
        IDatanets.ContributionInput memory input = contributionInput(datanetId);
        bytes memory again = signContribution(contributor, input, contributor.addr, NOON);
        vm.expectPartialRevert(IDatanets.DatanetsAlreadyContributed.selector);
        datanets.contribute(input, contributor.addr, NOON, again);
        // what it earned stays; of later licences it earns nothing
        accept(second, 1);
        buy(backer);
        vm.assertEq(owed(contributor, first), 8 ether);
        vm.assertEq(owed(stranger, second), 8 ether);
    }

    function test_withdrawContribution_anotherOrTooLate_reverts() public {
        bytes memory signature = withdrawal(stranger, first);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidSignature.selector, contributor.addr));
        datanets.withdrawContribution(first, NOON, signature);
        // not even whom it pays: the text is the contributor's
        vm.prank(contributor.addr);
        datanets.setBeneficiary(first, backer.addr);
        signature = withdrawal(backer, first);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsInvalidSignature.selector, contributor.addr));
        datanets.withdrawContribution(first, NOON, signature);
        signature = withdrawal(contributor, first);
        vm.warp(NOON + 1);
        vm.expectRevert(abi.encodeWithSelector(IDatanets.DatanetsSignatureExpired.selector, NOON));
        datanets.withdrawContribution(first, NOON, signature);
    }
}

/// @notice Owners, validators, buyers and contributors of two Datanets at random.
contract LicencesHandler is Base {
    Datanets public immutable DATANETS;
    bytes32[] public ids;
    address[] public accounts;
    uint256 public paidIn;
    uint256 public paidOut;
    address private immutable OWNER;

    constructor(Datanets datanets, address owner, bytes32[] memory ids_, address[] memory accounts_) {
        (DATANETS, OWNER, ids, accounts) = (datanets, owner, ids_, accounts_);
    }

    function setTerms(uint128 priceWei, uint16 ownerBps) external {
        vm.prank(OWNER);
        DATANETS.setLicenceTerms(1, priceWei % 1e24, 1 days, ownerBps % 5001, 0);
    }

    function judge(uint256 which, uint32 count) external {
        bytes32 id = ids[which % ids.length];
        if (DATANETS.contributionOf(id).withdrawnAt != 0) return;
        count %= 11;
        DATANETS.recordVerdict(id, count == 0 ? bytes32(0) : bytes32("root"), count, 0);
    }

    function buy(uint256 who) external {
        (uint128 priceWei, uint32 version) = (DATANETS.licenceTermsOf(1).priceWei, DATANETS.licenceTermsOf(1).version);
        if (version == 0 || DATANETS.licenceUntil(1, accounts[who % accounts.length]) > block.timestamp + 3600 days) {
            return;
        }
        vm.deal(address(this), priceWei);
        DATANETS.buyLicence{ value: priceWei }(1, version, accounts[who % accounts.length]);
        paidIn += priceWei;
    }

    function handOn(uint256 which, uint256 who) external {
        bytes32 id = ids[which % ids.length];
        vm.prank(DATANETS.beneficiaryOf(id));
        DATANETS.setBeneficiary(id, accounts[who % accounts.length]);
    }

    function claim(uint256 who) external {
        address account = accounts[who % accounts.length];
        uint256 owed = DATANETS.licenceFeesOwed(account, ids);
        if (owed == 0) return;
        DATANETS.claimLicenceFees(account, ids);
        paidOut += owed;
    }

    function idsOf() external view returns (bytes32[] memory) {
        return ids;
    }
}

contract Licences_Invariant_Test is LicencesTest {
    LicencesHandler private handler;
    address[] private accounts;

    function setUp() public override {
        super.setUp();
        accounts.push(contributor.addr);
        accounts.push(stranger.addr);
        accounts.push(builder.addr);
        accounts.push(backer.addr);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (first, second);
        handler = new LicencesHandler(datanets, builder.addr, ids, accounts);
        vm.prank(builder.addr);
        datanets.addValidator(datanetId, address(handler));
        bytes4[] memory selectors = new bytes4[](5);
        selectors[0] = LicencesHandler.setTerms.selector;
        selectors[1] = LicencesHandler.judge.selector;
        selectors[2] = LicencesHandler.buy.selector;
        selectors[3] = LicencesHandler.handOn.selector;
        selectors[4] = LicencesHandler.claim.selector;
        target(address(handler), selectors);
    }

    /// @dev All that came in is owed to somebody or was paid out.
    function invariant_licences_holdExactlyWhatIsOwed() public view {
        uint256 owed_;
        bytes32[] memory ids = handler.idsOf();
        for (uint256 i; i < accounts.length; ++i) {
            owed_ += datanets.licenceFeesOwed(accounts[i], ids);
        }
        vm.assertEq(address(datanets).balance, owed_);
        vm.assertEq(handler.paidIn(), handler.paidOut() + owed_);
    }
}
