// What other rooms may use of lineage.
export { walk, type Graph } from './graph.ts';
export { whyPrediction, type PredictionChain } from './service/why-prediction.ts';
