// What other rooms may use of feedback.
export { joinFeedback, type Changed, type Joined } from './service/join.ts';
export { sliceName } from './service/join-sql.ts';
export { countLabels, joinedFiles, newestBatchMs } from './service/read.ts';
export type { JoinedFile } from './store/joined-files.ts';
export { labelFiles, repointLabels } from './service/erase.ts';
