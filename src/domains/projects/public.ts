// What other rooms may use of projects.
export {
  codeFilesOfAll,
  currentRevision,
  listProjectNames,
  revisionById,
  revisionByNumber,
  snapshotFiles,
  snapshotText,
} from './service.ts';
export { endpointOfModel, scoredDataset } from './predict/predict-normalise.ts';
export { durationMs, namedFiles, parametersIn } from './model.ts';
export { parseProject } from './parse.ts';
export type {
  DatasetDefinition,
  EndpointDefinition,
  EvaluateStep,
  FeatureServiceDefinition,
  FeaturesStep,
  FeatureViewDefinition,
  GateDefinition,
  MissingRule,
  ModelDefinition,
  Parameter,
  PipelineDefinition,
  PredictRows,
  PredictStep,
  ProjectDefinition,
  RegisterStep,
  RunStep,
  SpineDefinition,
  StepDefinition,
} from './model.ts';
export type {
  AlertCondition,
  AlertRuleDefinition,
  DriftMethod,
  FreezeWindow,
  GuardrailPolicy,
  LabelQuery,
  MonitorDefinition,
  ReceiverDefinition,
  ReleasePolicy,
  RetrainingDefinition,
  TriggerCause,
} from './loop/model.ts';
export { alertOf, isForPossible, parseCondition } from './loop/normalise.ts';
export { DEFAULT_ROLLBACK_WINDOW, endpointOf, isPerformanceSignal, monitorOfEndpoint, monitorSignals } from './loop/model.ts';
export { listAllProjects, type Revision, type SnapshotFiles } from './store.ts';
export { brokenLimits, datasetsOfPipeline, datasetsOfService, limitsOf, type Limit } from './purposes.ts';
export { trialMetricNames } from './trials/schema.ts';
export type { TrialDefinition } from './trials/trials.ts';
