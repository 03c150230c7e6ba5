// What other rooms may use of tracking.
export {
  createExperiment,
  deleteExperimentTag,
  experimentByName,
  experimentNamed,
  getExperiment,
  renameExperiment,
  searchExperiments,
  setExperimentLifecycle,
  setExperimentTag,
} from './service/experiments.ts';
export { createRun, createRunForStep, getRun, getRunData, setRunLifecycle, updateRun, type CreatedRun } from './service/runs.ts';
export { deleteTag, logBatch, logInputs, logMetric, logOutputs, logParam, recordModel, setTag, type DatasetInput } from './service/log.ts';
export {
  createLoggedModel,
  deleteLoggedModel,
  deleteModelTag,
  finishLoggedModel,
  getLoggedModel,
  modelFiles,
  recordRegistration,
  setModelEntries,
} from './service/logged-models.ts';
export { filesDigest, storeFolder, type FolderFile } from './service/folder.ts';
export { artifactPlace, checkArtifact, checkUri, listPlace } from './service/artifacts.ts';
export { decodedFully, pathOfUri, placeOf, type Place } from './service/places.ts';
export {
  existing,
  experimentsOf,
  freeIds,
  retakeExperiment,
  sealTaken,
  takeExperiment,
  takeLoggedModel,
  takenLoggedModel,
  takenPlace,
  takenPoints,
  takenRuns,
  takePoints,
  takeRuns,
  type TakenExperiment,
  type TakenLoggedModel,
} from './service/take-over.ts';
export type { TakenRun } from './store/taken.ts';
export { checkScope } from './service/scope.ts';
export { searchRuns, type FoundRun } from './service/search-runs.ts';
export { metricHistories, metricPoints, sampledHistory, searchDatasets, type PointOfRun } from './service/history.ts';
export { searchLoggedModels, type DatasetFilter } from './service/search-logged-models.ts';
export { parseFilter, TEXT as textOperators, type Language } from './search/language.ts';
export { checkPage, clauseSql, orderTerms, parseOrder, type Sources } from './search/sql.ts';
export { inputsOf, linksOf, metricHistory, type RunData, type RunInput } from './store/runs.ts';
export { listLoggedModels, modelMetricsOf, type ModelMetric } from './store/logged-models.ts';
export {
  modelStatuses,
  runStatuses,
  storedValue,
  type Experiment,
  type LoggedModel,
  type Metric,
  type ModelStatus,
  type Pair,
  type RunStatus,
  type TrackingRun,
  type ViewType,
} from './model.ts';
export { artifactFolders, loggedModelFiles, repointLoggedModels } from './service/erase.ts';
