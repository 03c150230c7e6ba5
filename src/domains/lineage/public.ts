// What other rooms may use of lineage.
export { walk, whyPrediction, type Graph, type PredictionChain } from './graph.ts';
