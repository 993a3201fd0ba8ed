// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IGenesisAllocation
/// @notice The one transaction that creates OPEN and gives all of it away. Of 1,000,000,000 OPEN:
///
///         | allocation | share   | OPEN        | at genesis  | vesting     | how                            |
///         | ---------- | ------- | ----------- | ----------- | ----------- | ------------------------------ |
///         | community  | 51.71 % | 517,100,000 | 165,500,000 | 351,600,000 | 48 months, 7,325,000 a month   |
///         | ecosystem  | 10.00 % | 100,000,000 |           - | 100,000,000 | 48 months, 2,083,333.33        |
///         | investors  | 18.29 % | 182,900,000 |           - | 182,900,000 | 36 months after 12, 5,080,555.56 |
///         | team       | 15.00 % | 150,000,000 |           - | 150,000,000 | 36 months after 12, 4,166,666.67 |
///         | liquidity  |  5.00 % |  50,000,000 |  50,000,000 |           - | at genesis                     |
///         | sum        |  100 %  |   1,000,000,000 | 215,500,000 | 784,500,000 |                            |
///
///         The float at genesis is 21.55 %, 215,500,000 OPEN: all of the liquidity and, for the rest, 165,500,000 of the
///         community's allocation. A month is a twelfth of 365.25 days: 2,629,800 seconds.
interface IGenesisAllocation {
    struct Beneficiaries {
        address community;
        address ecosystem;
        address investors;
        address team;
        address liquidity;
    }

    error GenesisAllocationZeroAddress();
    error GenesisAllocationUnspent(uint256 amount);

    event VaultFunded(address indexed vault, address indexed beneficiary, uint256 amount);
    event ReleasedAtGenesis(address indexed beneficiary, uint256 amount);
}
