// What other rooms may use of serving.
export { startDataPlane, type DataPlaneOptions } from './plane/data-plane.ts';
export { type ServingCaller } from './http/protocol.ts';
export { modelInterpreter, type InterpreterOptions } from './runtime/python/interpreter.ts';
export { columnSignature, parseMlmodel } from './runtime/python/mlmodel.ts';
export { requireScore } from './runtime/onnx-runtime.ts';
export { runtimeOf, type PythonSettings } from './runtime/open-model.ts';
export { faultOf } from './plane/fault-injection.ts';
export type { FactReader } from './plane/endpoint.ts';
export { readAck, servingPaths, readPlan, writePlan } from './plan.ts';
export type { ColumnType, Missing, PlanAck, PlanColumn, PlanEndpoint, PlanToken, PlanVariant, PlanView } from './schema.ts';
export { findPrediction, parsePredictionId, type SegmentContents } from './log/segment.ts';
export type { InferenceRecord, ServedView } from './log/record.ts';
export { scoreRows, scoreTable, validateModel, type ScoredColumn } from './runtime/score-table.ts';
export type { ModelSignature } from './runtime/onnx-runtime.ts';
export { processOf } from './runtime/placement.ts';
export { liveCounts } from './service/live-counts.ts';
export { shipLive, shipSegments } from './service/ship.ts';
export { orUnreadable } from './service/parquet-body.ts';
export { insertExternalRecords, type ExternalTaken } from './service/external-records.ts';
export { loggedPseudonym } from './plan.ts';
export { placeIn, rowTexts, type BatchFormat } from './log/row-texts.ts';
export {
  columnsOf,
  columnsOf as loggedColumns,
  filesOfPredictions,
  inferenceFileCount,
  inferenceArrivals,
  inferenceFiles,
  inferenceFilesSince,
} from './service/inference-files.ts';
export type { InferenceFile, LoggedColumns } from './store.ts';
export { parseEventTime, sqlType, type LoggedColumn } from './model.ts';
export { eraseFromSegments, eraseOldFromSegments, loggedValues, predictionsAbout, repointShipped, shippedFiles } from './service/erase.ts';
export { shadowsOf } from './log/record.ts';
