// What other rooms may use of serving.
export { startDataPlane, type DataPlane, type DataPlaneOptions } from './plane/data-plane.ts';
export {
  decodeSegment,
  isRecord,
  jsonValue,
  parseBody,
  predictionHeaders,
  refuseBody,
  requireMethod,
  type Answer,
  type Exchange,
  type Plane,
  type ServingDialect,
} from './http/protocol.ts';
export type { FactReader, LiveEndpoint, Row } from './plane/endpoint.ts';
export type { PredictedRow } from './plane/predictor.ts';
export { internalToken, readAck, readPlan, servingKey, servingPaths, writePlan } from './plan.ts';
export {
  ServingPlan,
  type ColumnType,
  type Missing,
  type PlanAck,
  type PlanColumn,
  type PlanEndpoint,
  type PlanToken,
  type PlanVariant,
  type PlanView,
} from './schema.ts';
export { findPrediction, parsePredictionId, readSegment, sealedSegments, type SegmentContents } from './log/segment.ts';
export type { InferenceRecord, ServedView } from './log/record.ts';
export { assignVariant } from './plane/assignment.ts';
export { scoreTable, validateModel } from './runtime/score-table.ts';
export type { ModelSignature } from './runtime/onnx-runtime.ts';
export { inferenceFiles, shipSegments } from './service/ship.ts';
