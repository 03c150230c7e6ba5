// What other rooms may use of releases.
export { publishPlan } from './service/publish.ts';
export { plannedFaults } from './service/faults.ts';
export { findFreeze, openWindow, type Freeze } from './service/freeze.ts';
export { beginRelease, type WithRelease } from './service/release.ts';
export { liveAcks, publishAndWait } from './service/settle.ts';
export { beginSplit, endSplit, giveUpSplit, moveSplit, readySplit, type ReadySplit, type ArmOfSplit } from './service/split.ts';
export { requireEndpoint } from './service/freeze.ts';
export { labelledFiles, recordFiles } from './service/records.ts';
export { watchReleases } from './service/watch.ts';
export { findCurrent as findCurrentEndpointRevision, findRevision as findEndpointRevision } from './store/endpoints.ts';
export { findActive as activeRelease, getRelease, listReleases, listTransitions } from './store/releases.ts';
export type { EndpointRevision, Release, ReleaseState, StepFigures, Transition } from './model.ts';
