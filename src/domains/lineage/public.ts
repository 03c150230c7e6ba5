// What other rooms may use of lineage.
export { walk, type Graph } from './graph.ts';
export { serialiseSelects } from './service/serialise.ts';
export { whyPrediction, type PredictionChain } from './service/why-prediction.ts';
