// What other rooms may use of monitoring.
export { tickMonitors } from './service/tick.ts';
export { baselineOf, getWindow, listFindings, listWindows } from './service/read.ts';
export type {
  Baseline,
  ColumnFigures,
  DataFigures,
  DatasetDrift,
  Drift,
  Estimate,
  Finding,
  FindingKind,
  Gap,
  Nothing,
  PerformanceFigures,
  Pool,
  Shown,
  Slice,
  Window,
  WindowKind,
} from './model.ts';
export { baselineFiles, repointBaselines } from './service/erase.ts';
