// What other rooms may use of the registry.
export { evaluate, getEvaluation, type EvaluateInput } from './service/evaluate.ts';
export {
  championAlias,
  createModel,
  describeModel,
  getModel,
  removeAlias,
  removeModelTag,
  setAlias,
  setModelTag,
} from './service/models.ts';
export { describeVersion, findVersion, getVersion, registerVersion, versionByAlias, versionFolder } from './service/versions.ts';
export { checkSource, lineageOf, locate } from './service/sources.ts';
export { searchModels, searchVersions, withDetails, withTags, type FoundModel, type FoundVersion } from './service/search.ts';
export { compareVersions, type Compared } from './service/compare.ts';
export { currentDecision, decide, findDecision, getDecision, requirePassed } from './service/decide.ts';
export { listDecisions } from './store/evaluations.ts';
export type { Decision, Evaluation, Evidence, Figure, Gate, ModelVersion, Signature } from './model.ts';
export { evaluationFiles, modelVersionsOf, repointModels, sealedModelFiles, type ClearedModels } from './service/erase.ts';
