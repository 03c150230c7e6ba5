// What other rooms may use of pipelines.
export type { AttemptOutcome, AttemptRequest, StagedFile, StepEngine } from './engine.ts';
export type { StoredFile } from './model.ts';
