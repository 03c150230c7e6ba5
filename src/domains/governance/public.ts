// What other rooms may use of governance.
export { certificateText } from './service/certificate-text.ts';
export { certificateOf } from './service/certify.ts';
export { getErasure } from './service/request.ts';
export { listErasures } from './store.ts';
export type { Certificate, Erasure, FileChange, ModelAffected, NotCovered, PlaceCount, VersionChange } from './model.ts';
