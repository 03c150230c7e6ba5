// What other rooms may use of the registry.
export { evaluate, getEvaluation, type EvaluateInput } from './service/evaluate.ts';
export { createModel, describeModel, getModel, removeModelTag, setModelTag } from './service/models.ts';
export { pointAlias, removeAlias, setAlias } from './service/aliases.ts';
export { deleteModel, deleteVersion, renameModel, transitionVersion } from './service/lifecycle.ts';
export { holdVersions, keepVersions } from './service/uses.ts';
export {
  describeVersion,
  findVersion,
  getVersion,
  registerVersion,
  versionByAlias,
  versionFolder,
  versionNumbered,
} from './service/versions.ts';
export { interpreterOf, versionInterpreter } from './service/interpreter.ts';
export { checkSource, lineageOf, locate, versionNamed } from './service/sources.ts';
export { searchModels, searchVersions, withDetails, withTags, type FoundModel, type FoundVersion } from './service/search.ts';
export { compareVersions, type Compared } from './service/compare.ts';
export { championAlias, currentDecision, decide, findDecision, getDecision, requirePassed } from './service/decide.ts';
export { modelsOfVersions } from './store/versions.ts';
export { listDecisions } from './store/evaluations.ts';
export { loggedModelFolder } from './service/sealed-files.ts';
export { sealedZone } from './service/sealed-bytes.ts';
export { stageNamed, stages } from './model.ts';
export { scanInWords } from './scan/findings.ts';
export { modelExists, takeAliases, takeModel, takenModel, takeVersion, type TakenModel, type TakenVersion } from './service/take-over.ts';
export type { Decision, Evaluation, Evidence, Figure, Gate, ModelVersion, Signature, Stage } from './model.ts';
export { evaluationFiles, modelVersionsOf, repointModels, sealedModelFiles, type ClearedModels } from './service/erase.ts';
