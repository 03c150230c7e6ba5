// What other rooms may use of datasets.
export { listQuarantined } from './queries.ts';
export { currentVersion, getVersion, newestVersion, stageVersion } from './service/read.ts';
export { contractsOf, describeDatasets, personalColumns, type DatasetDescription } from './service/describe.ts';
export { inspectionOf, inspectionSql, inspectTable, profileTable, type Inspection } from './service/inspect.ts';
export { stageFiles } from './service/stage.ts';
export { clearVersions, versionFiles, versionNames, type ClearedVersion } from './service/erase.ts';
export { countMatching, rewriteWithout, tableColumns, type Rewritten } from './service/rewrite.ts';
export { admitFiles, type Admitted } from './service/suppress.ts';
export type { Column, ColumnProfile, DatasetVersion } from './model.ts';
