// What other rooms may use of environments.
export { declareEnvironment, diffEnvironments, getEnvironment, lockRequirements, realiseEnvironment } from './service.ts';
export { lockOf, realiseRequirements, type Requirements } from './requirements.ts';
export type { ResolvedEnvironment } from './realise.ts';
export type { RealiseOptions } from './uv.ts';
