// What other rooms may use of releases.
export { publishPlan } from './service/publish.ts';
export { plannedFaults } from './service/faults.ts';
export { findFreeze, type Freeze } from './service/freeze.ts';
export { beginRelease, release, rollBack, type WithRelease } from './service/release.ts';
export { liveAcks } from './service/settle.ts';
export { judgeRelease } from './service/judge.ts';
export { watchReleases } from './service/watch.ts';
export { abortRelease, pauseRelease, promoteRelease, resumeRelease } from './service/steer.ts';
export { findCurrent as findCurrentEndpointRevision, findRevision as findEndpointRevision } from './store/endpoints.ts';
export {
  findActive as activeRelease,
 
  getRelease,
  listReleases,
  listTransitions,
} from './store/releases.ts';
export type { EndpointRevision, Release, ReleaseState, StepFigures, Transition } from './model.ts';
