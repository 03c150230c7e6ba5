// What other rooms may use of lineage.
export { whyPrediction, type Graph, type PredictionChain } from './graph.ts';
