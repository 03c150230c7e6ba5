// What other rooms may use of features.
export { buildTrainingTable, momentUs, type TrainingTable } from './service/training-table.ts';
export { buildScoringTable, type ScoringTable } from './service/scoring-table.ts';
export { viewKey } from './service/view-table.ts';
export { materialiseViews, onlineStorePath, serviceForPlan, type ServiceForPlan } from './service/materialise.ts';
export { openOnlineReader, type EntityKey, type Fact, type OnlineReader } from './online-store.ts';
export type { ColumnType, FeatureValue } from './packed-values.ts';
export { featureType as columnTypeOf, type ViewColumn } from './model.ts';
export { clearOnline, repointViews, viewFiles } from './service/erase.ts';
