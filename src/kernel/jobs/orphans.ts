// Jobs whose worker is gone for certain.
import type { Database } from '../db/database.ts';
import { jobsIn } from './jobs.ts';

/** Ends all leases, so that running jobs are claimed again at once. Only where no other worker can be alive. */
export const endAllLeases = (database: Database) =>
  database.tx((db) => jobsIn(db).updateTable('jobs').set({ lease_until_ms: 0 }).where('state', '=', 'running').execute());
