// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import { Base } from "./Base.t.sol";

/// @notice What a handler that also tries what nobody may has in common with others: a count of what got through.
abstract contract Intruder is Base {
    /// @dev Calls that got through and must not have.
    uint256 public intrusions;

    function attempt(address caller, address to, bytes memory data) internal {
        vm.prank(caller);
        (bool succeeded,) = to.call(data);
        if (succeeded) ++intrusions;
    }
}
