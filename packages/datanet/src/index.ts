export { openZeppelinModules, type SourceModule } from './OpenZeppelin.ts'
export * from './Records.ts'
