// What other rooms may use of the registry.
export { evaluate, getEvaluation, type EvaluateInput } from './service/evaluate.ts';
export {
  championAlias,
  createModel,
  findVersion,
  getModel,
  getVersion,
  registerVersion,
  setAlias,
  versionFolder,
} from './service/versions.ts';
export { decide, requirePassed } from './service/decide.ts';
export type { Decision, Evaluation, Evidence, Figure, Gate, ModelVersion, Signature } from './model.ts';
