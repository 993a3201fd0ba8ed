export { type BareChain, startBareChain } from '../../protocol/test/startBareChain.ts'
