// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev The other ways to pay many people, as small as they can be, for the settlement bench.
interface IERC20 {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// @notice The token: balances and nothing else, so that no rival carries a richer token's gas.
contract Token is IERC20 {
    mapping(address account => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 amount);

    constructor() {
        balanceOf[msg.sender] = 1e27;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    /// @dev Without allowances, which only favours the rivals.
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        unchecked {
            balanceOf[to] += amount;
        }
        emit Transfer(from, to, amount);
    }
}

/// @notice Pays shares of an amount out to a list, as a split contract that pushes does.
contract Pusher {
    uint256 private constant SCALE = 1e6;

    function distribute(IERC20 token, address from, uint256 amount, bytes calldata shares) external {
        token.transferFrom(from, address(this), amount);
        for (uint256 at; at < shares.length; at += 23) {
            uint256 word = uint256(bytes32(shares[at:at + 23]));
            token.transfer(address(uint160(word >> 96)), amount * (word >> 72 & 0xffffff) / SCALE);
        }
    }
}

/// @notice A cumulative Merkle distributor: one root for everybody's lifetime amounts, sorted pairs, claims by proof.
contract Distributor {
    bytes32 public root;
    mapping(address account => uint256) public claimed;

    event RootSet(bytes32 root);

    /// @param data What the tree can be rebuilt from; may be empty, then whoever keeps the tree is trusted to give it out.
    function fund(IERC20 token, bytes calldata payers, bytes32 newRoot, bytes calldata data) external {
        for (uint256 at; at < payers.length; at += 32) {
            uint256 word = uint256(bytes32(payers[at:at + 32]));
            token.transferFrom(address(uint160(word >> 96)), address(this), uint96(word));
        }
        root = newRoot;
        data;
        emit RootSet(newRoot);
    }

    function claim(IERC20 token, address account, uint256 cumulative, bytes32[] calldata proof) external {
        bytes32 hash = keccak256(bytes.concat(keccak256(abi.encode(account, cumulative))));
        for (uint256 i; i < proof.length; ++i) {
            (bytes32 a, bytes32 b) = hash < proof[i] ? (hash, proof[i]) : (proof[i], hash);
            hash = keccak256(bytes.concat(a, b));
        }
        require(hash == root, "proof");
        uint256 before = claimed[account];
        claimed[account] = cumulative;
        token.transfer(account, cumulative - before);
    }
}
