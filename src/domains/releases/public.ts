// What other rooms may use of releases.
export { publishPlan } from './service/publish.ts';
export { findFreeze, freezeEndpoint, isFrozen, requireNotFrozen, unfreezeEndpoint, type Freeze } from './service/freeze.ts';
export { liveAcks } from './service/settle.ts';
export { findCurrent as findCurrentEndpointRevision, findRevision as findEndpointRevision } from './store.ts';
export type { EndpointRevision } from './model.ts';
