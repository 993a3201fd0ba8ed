// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { ERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import { ERC20Votes } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import { Nonces } from "@openzeppelin/contracts/utils/Nonces.sol";
import { Time } from "@openzeppelin/contracts/utils/types/Time.sol";

import { IGOpen } from "../interfaces/IGOpen.sol";

/// @title GOpen
/// @notice See {IGOpen}.
///
///         Invariant: the native OPEN held here is never less than the total supply, so every vote can be unwrapped.
contract GOpen is ERC20, ERC20Permit, ERC20Votes, IGOpen {
    constructor() ERC20("Governance OPEN", "gOPEN") ERC20Permit("Governance OPEN") { }

    /// @notice Wraps what is sent here plainly.
    receive() external payable {
        deposit();
    }

    /// @inheritdoc IGOpen
    function deposit() public payable {
        if (delegates(msg.sender) == address(0)) _delegate(msg.sender, msg.sender);
        _mint(msg.sender, msg.value);
        emit Deposited(msg.sender, msg.value);
    }

    /// @inheritdoc IGOpen
    function withdraw(uint256 amount) external {
        _burn(msg.sender, amount);
        emit Withdrawn(msg.sender, amount);
        (bool sent,) = msg.sender.call{ value: amount }("");
        if (!sent) revert GOpenTransferFailed(msg.sender, amount);
    }

    /// @notice Unix seconds, so that voting times hold whatever the block time is.
    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    /// @notice ERC-6372 name of that clock.
    // forge-lint: disable-next-line(mixed-case-function)
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @notice Number that the next signature of `owner` (permit or delegation) must carry.
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
