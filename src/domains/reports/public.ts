// What other rooms may use of reports.
export { makeReport, type ReportAsked } from './service/make-report.ts';
export { renderReport } from './html/page.ts';
export { makeCard } from './service/make-card.ts';
export type { Report } from './model.ts';
