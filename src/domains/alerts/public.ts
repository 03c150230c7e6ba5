// What other rooms may use of alerts.
export { activeAlerts, isMutedByData, listAlerts } from './service/read.ts';
export type { Alert, AlertState, Evidence, Rule } from './model.ts';
