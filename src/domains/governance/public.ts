// What other rooms may use of governance.
export { listErasures } from './store.ts';
export { eraseAgain, type ErasedBefore } from './service/erase-again.ts';
export type { Certificate, Erasure, FileChange, ModelAffected, NotCovered, PlaceCount, VersionChange } from './model.ts';
