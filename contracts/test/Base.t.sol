// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ISecurityStake } from "../src/interfaces/ISecurityStake.sol";
import { ISettlement } from "../src/interfaces/ISettlement.sol";

/// @notice The part of forge's cheat codes that these tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function label(address account, string calldata name) external;
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function deal(address account, uint256 balance) external;
    function warp(uint256 timestamp) external;
    function roll(uint256 blockNumber) external;
    function prevrandao(bytes32 randomness) external;
    function getNonce(address account) external view returns (uint64);
    function computeCreateAddress(address deployer, uint256 nonce) external pure returns (address);
    function fee(uint256 baseFee) external;
    function chainId(uint256 id) external;
    function etch(address target, bytes calldata code) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function store(address target, bytes32 slot, bytes32 value) external;
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool reverted);
    function assume(bool condition) external pure;
    function expectRevert(bytes calldata data) external;
    function expectRevert(bytes4 selector) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit() external;
    function expectEmit(address emitter) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function getDeployedCode(string calldata artifact) external view returns (bytes memory);
    function readFile(string calldata path) external view returns (string memory);
    function split(string calldata text, string calldata delimiter) external pure returns (string[] memory parts);
    function parseBytes(string calldata hexadecimal) external pure returns (bytes memory);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function parseJsonBytes32Array(string calldata json, string calldata key) external pure returns (bytes32[] memory);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function parseJsonAddressArray(string calldata json, string calldata key) external pure returns (address[] memory);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function toString(uint256 value) external pure returns (string memory);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function lastCallGas() external view returns (Gas memory);
    function assertTrue(bool condition) external pure;
    function assertTrue(bool condition, string calldata message) external pure;
    function assertFalse(bool condition) external pure;
    function assertFalse(bool condition, string calldata message) external pure;
    function assertEq(uint256 left, uint256 right) external pure;
    function assertEq(uint256 left, uint256 right, string calldata message) external pure;
    function assertEq(address left, address right) external pure;
    function assertEq(bytes32 left, bytes32 right) external pure;
    function assertEq(bytes calldata left, bytes calldata right) external pure;
    function assertEq(string calldata left, string calldata right) external pure;
    function assertNotEq(bytes32 left, bytes32 right) external pure;
    function assertLe(uint256 left, uint256 right, string calldata message) external pure;
    function assertGe(uint256 left, uint256 right, string calldata message) external pure;
    function assertApproxEqAbs(uint256 left, uint256 right, uint256 maxDelta, string calldata message) external pure;

    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }
}

/// @notice What every test starts from: cheat codes, actors with keys, and typed-data signatures.
abstract contract Base {
    struct Actor {
        address addr;
        uint256 key;
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    /// @dev Noon of a day in 2026, so that timestamps in tests look like timestamps.
    uint256 internal constant NOON = 1_790_000_000;

    FuzzSelector[] private _targetSelectors;
    address[] private _targetContracts;

    /// @dev An account with a key derived from its name.
    function actor(string memory name) internal returns (Actor memory made) {
        made.key = uint256(keccak256(bytes(name)));
        made.addr = vm.addr(made.key);
        vm.label(made.addr, name);
    }

    /// @dev The same, with money.
    function richActor(string memory name) internal returns (Actor memory made) {
        made = actor(name);
        vm.deal(made.addr, 1_000_000 ether);
    }

    function sign(Actor memory signer, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer.key, digest);
        return abi.encodePacked(r, s, v);
    }

    function signTyped(
        Actor memory signer,
        bytes32 domainSeparator,
        bytes32 structHash
    ) internal pure returns (bytes memory) {
        return sign(signer, keccak256(abi.encodePacked("\x19\x01", domainSeparator, structHash)));
    }

    /// @dev What a payer signs to get prepaid money back.
    function signRefund(
        ISettlement settlement,
        Actor memory payer,
        uint256 amount,
        bytes32 nonce,
        uint256 deadline
    ) internal view returns (bytes memory) {
        return signTyped(
            payer,
            settlement.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    keccak256("Refund(address account,uint256 amount,bytes32 nonce,uint256 deadline)"),
                    payer.addr,
                    amount,
                    nonce,
                    deadline
                )
            )
        );
    }

    /// @dev One contract that may slash from the beginning.
    function entitled(address account, uint256 capBps) internal pure returns (ISecurityStake.Slasher[] memory list) {
        list = new ISecurityStake.Slasher[](1);
        list[0] = ISecurityStake.Slasher(account, capBps);
    }

    /// @dev Value in a range, both ends included, spread by the remainder.
    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        if (value >= least && value <= most) return value;
        uint256 size = most - least + 1;
        return size == 0 ? value : least + value % size;
    }

    /// @dev Names what the invariant runner calls.
    function target(address handler, bytes4[] memory selectors) internal {
        _targetContracts.push(handler);
        _targetSelectors.push(FuzzSelector(handler, selectors));
    }

    /// @dev Read by forge.
    function targetContracts() external view returns (address[] memory) {
        return _targetContracts;
    }

    /// @dev Read by forge.
    function targetSelectors() external view returns (FuzzSelector[] memory) {
        return _targetSelectors;
    }
}

/// @notice An account in code: accepts money and tokens, and signs with its owner's key (ERC-1271).
contract ContractAccount {
    address private immutable _OWNER;

    constructor(address owner) {
        _OWNER = owner;
    }

    receive() external payable { }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s) = abi.decode(signature[:64], (bytes32, bytes32));
        return ecrecover(digest, uint8(signature[64]), r, s) == _OWNER ? this.isValidSignature.selector : bytes4(0);
    }

    function call(address to, uint256 value, bytes calldata data) external returns (bytes memory) {
        (bool succeeded, bytes memory result) = to.call{ value: value }(data);
        if (succeeded) return result;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }
}

/// @notice An account that takes no money.
contract Refuser { }
