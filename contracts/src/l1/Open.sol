// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { ERC20Burnable } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import { ERC20Permit } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Open
/// @notice OPEN on L1: the token that pays for gas, inference and data on OpenLedger.
///
///         Invariant: the supply is minted once, here, and can only shrink by its holders' burning. No account can mint,
///         pause, freeze or upgrade, because no account is known to this contract.
contract Open is ERC20, ERC20Burnable, ERC20Permit {
    /// @notice 1,000,000,000 OPEN in wei.
    uint256 public constant GENESIS_SUPPLY = 1_000_000_000 ether;

    /// @param recipient Receives the whole supply.
    constructor(address recipient) ERC20("OpenLedger", "OPEN") ERC20Permit("OpenLedger") {
        _mint(recipient, GENESIS_SUPPLY);
    }
}
