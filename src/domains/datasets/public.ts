// What other rooms may use of datasets.
export { listQuarantined } from './queries.ts';
export { createVersion } from './service/create-version.ts';
export {
  currentVersion,
  diffVersions,
  filesOfVersion,
  getVersion,
  isCurrent,
  newestVersion,
  stageVersion,
  versionBuiltAs,
  versionByNumber,
} from './service/read.ts';
export { contractsOf, describeDatasets, personalColumns, type DatasetDescription } from './service/describe.ts';
export { inspectionOf, inspectionSql, inspectTable, profileTable, type Inspection } from './service/inspect.ts';
export { recogniseVersions, type Recognised } from './service/recognise.ts';
export { stageFiles } from './service/stage.ts';
export { clearVersions, versionFiles, versionNames, type ClearedVersion } from './service/erase.ts';
export {
  countMatching,
  fileParts,
  rewriteAllWithout,
  rewriteParts,
  rewriteWithout,
  tableColumns,
  type Rewritten,
} from './service/rewrite.ts';
export { diffProfiles, type Column, type ColumnChange, type ColumnProfile, type DatasetVersion } from './model.ts';
