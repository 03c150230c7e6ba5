// What other rooms may use of pipelines.
export type { Attempt, AttemptOutcome, StagedFile, StepEngine, Workspace } from './engine.ts';
export type { StoredFile } from './model.ts';
export { startRun, type StartRun } from './service/start-run.ts';
export { cancelRun } from './service/control.ts';
export { runOutcome, type RunOutcome } from './service/outcome.ts';
export { codeFiles } from './service/key-parts.ts';
export type { PipelineJobs } from './service/advance.ts';
export { endedAttempts, modelsTrainedOn, openRuns, repointSteps, stepFiles, type AffectedModel } from './service/erase.ts';
export { sweepAttempts, type RunEnd } from './service/attempts/sweep-attempts.ts';
