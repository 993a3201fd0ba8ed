/** What the node calls itself to those who ask: `web3_clientVersion`, `optimism_version`, `engine_getClientVersionV1`. */
export const VERSION = 'openledger/0.1.0'
