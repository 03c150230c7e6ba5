// What other rooms may use of tracking.
export {
  createExperiment,
  ensureDefault,
  experimentByName,
  experimentNamed,
  getExperiment,
  renameExperiment,
  searchExperiments,
  setExperimentLifecycle,
  setExperimentTag,
} from './service/experiments.ts';
export {
  checkScope,
  createRun,
  createRunForStep,
  deleteTag,
  getRun,
  getRunData,
  logBatch,
  logInputs,
  logOutputs,
  setRunLifecycle,
  updateRun,
  type Batch,
  type DatasetInput,
} from './service/runs.ts';
export {
  createLoggedModel,
  deleteLoggedModel,
  deleteModelTag,
  filesDigest,
  finishLoggedModel,
  getLoggedModel,
  modelFiles,
  pathOfUri,
  setModelEntries,
} from './service/logged-models.ts';
export { MAX_RUNS, searchRuns, type RunQuery } from './service/search-runs.ts';
export { listInputs, listLinks, metricHistory } from './store/runs.ts';
export { listLoggedModels, listModelMetrics } from './store/logged-models.ts';
export {
  modelStatuses,
  runStatuses,
  type Experiment,
  type LoggedModel,
  type Metric,
  type ModelStatus,
  type Pair,
  type RunStatus,
  type TrackingRun,
  type ViewType,
} from './model.ts';
