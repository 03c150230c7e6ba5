// What other rooms may use of retraining.
export type { Trigger, TriggerState } from './model.ts';
export { listTriggers } from './store/triggers.ts';
export { findStop, type Stop } from './store/policies.ts';
