// What other rooms may use of environments.
export { declareEnvironment, diffEnvironments, getEnvironment, realiseEnvironment } from './service.ts';
export type { ResolvedEnvironment } from './realise.ts';
