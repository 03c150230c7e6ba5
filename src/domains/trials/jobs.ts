import type { Job } from '../../kernel/jobs/jobs.ts';
import { settleTrialJob } from './service/settle.ts';

export const trialJobs: readonly Job<never>[] = [settleTrialJob];
