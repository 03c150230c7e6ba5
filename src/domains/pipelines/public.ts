// What other rooms may use of pipelines.
export type { Attempt, AttemptOutcome, StagedFile, StepEngine, Workspace } from './engine.ts';
export type { StoredFile } from './model.ts';
