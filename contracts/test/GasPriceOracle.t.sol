// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { IGasPriceOracle } from "../src/interfaces/IGasPriceOracle.sol";
import { IL1Block } from "../src/interfaces/IL1Block.sol";
import { GasPriceOracle } from "../src/l2/GasPriceOracle.sol";
import { L1Block } from "../src/l2/L1Block.sol";
import { Base } from "./Base.t.sol";

interface IPublishedL1Block {
    function setL1BlockValuesEcotone() external;
    function setGasPayingToken(address token, uint8 decimals, bytes32 name, bytes32 symbol) external;
}

interface IPublishedOracle {
    function setEcotone() external;
    function setFjord() external;
    function getL1Fee(bytes calldata data) external view returns (uint256);
    function getL1FeeUpperBound(uint256 size) external view returns (uint256);
    function getL1GasUsed(bytes calldata data) external view returns (uint256);
}

/// @notice Both predeploys at their addresses, and the published Fjord contracts beside them as the oracle: same code data,
///         same storage, same fees.
abstract contract Predeploys is Base {
    address internal constant DEPOSITOR = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;
    address internal constant L1_BLOCK = 0x4200000000000000000000000000000000000015;
    address internal constant ORACLE = 0x420000000000000000000000000000000000000F;
    string internal constant ARTIFACTS = "node_modules/@eth-optimism/contracts-bedrock/forge-artifacts/";

    IL1Block internal l1Block = IL1Block(L1_BLOCK);
    IGasPriceOracle internal oracle = IGasPriceOracle(ORACLE);
    IPublishedL1Block internal publishedL1Block = IPublishedL1Block(address(0x1111));
    IPublishedOracle internal publishedOracle = IPublishedOracle(address(0x2222));

    function setUp() public virtual {
        vm.etch(L1_BLOCK, type(L1Block).runtimeCode);
        vm.etch(ORACLE, type(GasPriceOracle).runtimeCode);
        vm.etch(address(publishedL1Block), vm.getDeployedCode(string.concat(ARTIFACTS, "L1Block.sol/L1Block.json")));
        vm.etch(
            address(publishedOracle),
            vm.getDeployedCode(string.concat(ARTIFACTS, "GasPriceOracle.sol/GasPriceOracle.json"))
        );
        vm.startPrank(DEPOSITOR);
        publishedOracle.setEcotone();
        publishedOracle.setFjord();
        vm.stopPrank();
    }

    struct Attributes {
        uint32 baseFeeScalar;
        uint32 blobBaseFeeScalar;
        uint64 sequenceNumber;
        uint64 timestamp;
        uint64 number;
        uint256 basefee;
        uint256 blobBaseFee;
        bytes32 hash;
        bytes32 batcherHash;
    }

    function ecotone(Attributes memory values) internal pure returns (bytes memory) {
        return abi.encodePacked(
            values.baseFeeScalar,
            values.blobBaseFeeScalar,
            values.sequenceNumber,
            values.timestamp,
            values.number,
            values.basefee,
            values.blobBaseFee,
            values.hash,
            values.batcherHash
        );
    }

    function setIsthmus(Attributes memory values, uint32 operatorFeeScalar, uint64 operatorFeeConstant) internal {
        bytes memory data =
            abi.encodePacked(bytes4(0x098999be), ecotone(values), operatorFeeScalar, operatorFeeConstant);
        vm.assertEq(data.length, 176);
        vm.prank(DEPOSITOR);
        (bool succeeded,) = L1_BLOCK.call(data);
        vm.assertTrue(succeeded, "setL1BlockValuesIsthmus");
    }

    function setJovian(uint32 operatorFeeScalar, uint64 operatorFeeConstant, uint16 daFootprintGasScalar) internal {
        bytes memory data = abi.encodePacked(
            bytes4(0x3db6be2b), ecotone(usual()), operatorFeeScalar, operatorFeeConstant, daFootprintGasScalar
        );
        vm.assertEq(data.length, 178);
        vm.prank(DEPOSITOR);
        (bool succeeded,) = L1_BLOCK.call(data);
        vm.assertTrue(succeeded, "setL1BlockValuesJovian");
    }

    /// @dev Mainnet-like figures.
    function usual() internal pure returns (Attributes memory) {
        return Attributes({
            baseFeeScalar: 5227,
            blobBaseFeeScalar: 1_014_213,
            sequenceNumber: 4,
            timestamp: 1_790_000_000,
            number: 24_000_000,
            basefee: 7_654_321_000,
            blobBaseFee: 1_234_567,
            hash: keccak256("block"),
            batcherHash: bytes32(uint256(0xbabe))
        });
    }
}

contract L1Block_Test is Predeploys {
    function test_setL1BlockValuesIsthmus_selector_isTheSpecifications() public pure {
        vm.assertEq(bytes32(IL1Block.setL1BlockValuesIsthmus.selector), bytes32(bytes4(0x098999be)));
        vm.assertEq(bytes32(IL1Block.setL1BlockValuesEcotone.selector), bytes32(bytes4(0x440a5e20)));
        vm.assertEq(bytes32(IL1Block.setL1BlockValuesJovian.selector), bytes32(bytes4(0x3db6be2b)));
    }

    function testFuzz_setL1BlockValuesIsthmus_depositor_setsEveryValue(
        Attributes memory values,
        uint32 operatorFeeScalar,
        uint64 operatorFeeConstant
    ) public {
        setIsthmus(values, operatorFeeScalar, operatorFeeConstant);
        vm.assertEq(l1Block.baseFeeScalar(), values.baseFeeScalar);
        vm.assertEq(l1Block.blobBaseFeeScalar(), values.blobBaseFeeScalar);
        vm.assertEq(l1Block.sequenceNumber(), values.sequenceNumber);
        vm.assertEq(l1Block.timestamp(), values.timestamp);
        vm.assertEq(l1Block.number(), values.number);
        vm.assertEq(l1Block.basefee(), values.basefee);
        vm.assertEq(l1Block.blobBaseFee(), values.blobBaseFee);
        vm.assertEq(l1Block.hash(), values.hash);
        vm.assertEq(l1Block.batcherHash(), values.batcherHash);
        vm.assertEq(l1Block.operatorFeeScalar(), operatorFeeScalar);
        vm.assertEq(l1Block.operatorFeeConstant(), operatorFeeConstant);
        // slot 8 as op-geth reads it: constant in the low 8 bytes, scalar in the 4 above
        vm.assertEq(
            uint256(vm.load(L1_BLOCK, bytes32(uint256(8)))), uint256(operatorFeeScalar) << 64 | operatorFeeConstant
        );
    }

    function testFuzz_setL1BlockValuesEcotone_depositor_leavesThePublishedStorage(Attributes memory values) public {
        vm.startPrank(DEPOSITOR);
        (bool succeeded,) = L1_BLOCK.call(abi.encodePacked(bytes4(0x440a5e20), ecotone(values)));
        (bool publishedSucceeded,) =
            address(publishedL1Block).call(abi.encodePacked(bytes4(0x440a5e20), ecotone(values)));
        vm.stopPrank();
        vm.assertTrue(succeeded && publishedSucceeded);
        for (uint256 slot; slot < 9; ++slot) {
            vm.assertEq(vm.load(L1_BLOCK, bytes32(slot)), vm.load(address(publishedL1Block), bytes32(slot)));
        }
    }

    function test_setL1BlockValuesIsthmus_shortCallData_reverts() public {
        vm.prank(DEPOSITOR);
        (bool succeeded,) = L1_BLOCK.call(abi.encodePacked(bytes4(0x098999be), ecotone(usual()), uint32(1)));
        vm.assertFalse(succeeded);
    }

    function test_setL1BlockValuesIsthmus_stranger_reverts() public {
        vm.expectRevert(IL1Block.NotDepositor.selector);
        l1Block.setL1BlockValuesIsthmus();
    }

    function test_setL1BlockValuesEcotone_stranger_reverts() public {
        vm.expectRevert(IL1Block.NotDepositor.selector);
        l1Block.setL1BlockValuesEcotone();
    }

    function test_gasPayingToken_unset_isOpen() public view {
        (address token, uint8 decimals) = l1Block.gasPayingToken();
        vm.assertEq(token, address(0));
        vm.assertEq(decimals, 18);
        vm.assertEq(l1Block.gasPayingTokenName(), "OpenLedger");
        vm.assertEq(l1Block.gasPayingTokenSymbol(), "OPEN");
        vm.assertTrue(l1Block.isCustomGasToken());
    }

    function testFuzz_setGasPayingToken_depositor_leavesThePublishedStorage(address token, uint8 decimals) public {
        vm.startPrank(DEPOSITOR);
        l1Block.setGasPayingToken(token, decimals, "OpenLedger", "OPEN");
        publishedL1Block.setGasPayingToken(token, decimals, "OpenLedger", "OPEN");
        vm.stopPrank();
        string[3] memory names =
            ["opstack.gaspayingtoken", "opstack.gaspayingtokenname", "opstack.gaspayingtokensymbol"];
        for (uint256 i; i < names.length; ++i) {
            bytes32 slot = bytes32(uint256(keccak256(bytes(names[i]))) - 1);
            vm.assertEq(vm.load(L1_BLOCK, slot), vm.load(address(publishedL1Block), slot));
        }
        (address read,) = l1Block.gasPayingToken();
        vm.assertEq(read, token);
        vm.assertEq(l1Block.gasPayingTokenName(), "OpenLedger");
    }

    function test_setGasPayingToken_stranger_reverts() public {
        vm.expectRevert(IL1Block.NotDepositor.selector);
        l1Block.setGasPayingToken(address(1), 18, "A", "B");
    }

    function test_setL1BlockValuesIsthmus_gas_isRecorded() public {
        setIsthmus(usual(), 1, 2);
        setIsthmus(usual(), 3, 4);
        vm.snapshotGasLastCall("L1Block", "setL1BlockValuesIsthmus");
    }
}

contract GasPriceOracle_Test is Predeploys {
    function setUp() public override {
        super.setUp();
        setIsthmus(usual(), 0, 0);
        // the published oracle reads the same L1Block
    }

    function testFuzz_getL1Fee_randomData_isThePublishedFee(bytes calldata data) public view {
        _compare(data);
    }

    /// @dev Random bytes hardly repeat; transactions do. Builds data from few words, with runs longer than one match.
    function testFuzz_getL1Fee_repetitiveData_isThePublishedFee(uint256 seed, uint16 words) public view {
        bytes memory data;
        for (uint256 i; i < uint256(words) % 120; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (seed % 7 == 0) data = bytes.concat(data, new bytes(seed % 611));
            else data = bytes.concat(data, bytes32(seed % 5), bytes4(uint32(seed)));
        }
        this.compare(data);
    }

    function test_getL1Fee_edgeLengths_areThePublishedFees() public {
        for (uint256 length; length < 40; ++length) {
            this.compare(new bytes(length));
        }
        oracle.getL1Fee(new bytes(300));
        vm.snapshotGasLastCall("GasPriceOracle", "getL1Fee, 300 bytes");
        this.compare(new bytes(8191));
        this.compare(new bytes(8207));
        this.compare(
            bytes.concat("0123456789abcdef0123456789abcdef", new bytes(8300), "0123456789abcdef0123456789abcdef")
        );
    }

    function testFuzz_getL1FeeUpperBound_anySize_isThePublishedBound(uint32 size) public view {
        vm.assertEq(oracle.getL1FeeUpperBound(size), publishedOracle.getL1FeeUpperBound(size));
    }

    function testFuzz_getOperatorFee_anyParameters_isTheSpecifications(
        uint32 scalar,
        uint64 constant_,
        uint64 gasUsed
    ) public {
        setIsthmus(usual(), scalar, constant_);
        vm.assertEq(oracle.getOperatorFee(gasUsed), uint256(gasUsed) * scalar / 1e6 + constant_);
    }

    function testFuzz_getOperatorFee_sinceJovian_isTheSpecifications(
        uint32 scalar,
        uint64 constant_,
        uint16 daFootprintGasScalar,
        uint64 gasUsed
    ) public {
        vm.assume(daFootprintGasScalar != 0);
        setJovian(scalar, constant_, daFootprintGasScalar);
        vm.assertTrue(oracle.isJovian());
        vm.assertEq(oracle.getOperatorFee(gasUsed), uint256(gasUsed) * scalar * 100 + constant_);
        // slot 8 as op-geth reads it: the scalar of Jovian above the two of Isthmus
        vm.assertEq(
            uint256(vm.load(L1_BLOCK, bytes32(uint256(8)))),
            uint256(daFootprintGasScalar) << 96 | uint256(scalar) << 64 | constant_
        );
    }

    function test_getOperatorFee_absurdGas_saturates() public {
        setIsthmus(usual(), 2, 5);
        vm.assertEq(oracle.getOperatorFee(type(uint256).max), type(uint256).max / 1e6 + 5);
        setJovian(2, 5, 400);
        vm.assertEq(oracle.getOperatorFee(type(uint256).max), type(uint256).max);
    }

    function test_getters_always_mirrorTheBlock() public {
        vm.fee(17);
        vm.assertEq(oracle.baseFee(), 17);
        vm.assertEq(oracle.gasPrice(), 17);
        vm.assertEq(oracle.l1BaseFee(), usual().basefee);
        vm.assertEq(oracle.blobBaseFee(), usual().blobBaseFee);
        vm.assertEq(oracle.baseFeeScalar(), usual().baseFeeScalar);
        vm.assertEq(oracle.blobBaseFeeScalar(), usual().blobBaseFeeScalar);
        vm.assertEq(oracle.decimals(), 6);
        vm.assertEq(oracle.DECIMALS(), 6);
        vm.assertTrue(oracle.isEcotone() && oracle.isFjord() && oracle.isIsthmus() && !oracle.isJovian());
    }

    function test_overheadAndScalar_sinceEcotone_revert() public {
        vm.expectRevert(IGasPriceOracle.GasPriceOracleDeprecated.selector);
        oracle.overhead();
        vm.expectRevert(IGasPriceOracle.GasPriceOracleDeprecated.selector);
        oracle.scalar();
    }

    function compare(bytes calldata data) external view {
        _compare(data);
    }

    function _compare(bytes calldata data) private view {
        vm.assertEq(oracle.getL1Fee(data), publishedOracle.getL1Fee(data));
        vm.assertEq(oracle.getL1GasUsed(data), publishedOracle.getL1GasUsed(data));
    }
}
