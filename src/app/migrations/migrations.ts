// All migrations in order. Until the first release the one initial migration may be edited; after it a
// change of the schema is a new entry here.
import type { Migration } from '../../kernel/db/migrate.ts';
import { blobTables } from '../../kernel/blobs/blob-index.ts';
import { eventTables } from '../../kernel/events/events.ts';
import { idempotencyTables } from '../../kernel/http/idempotency.ts';
import { jobTables } from '../../kernel/jobs/jobs.ts';
import { replicaTables } from '../../kernel/replicas/replicas.ts';
import { timelineTables } from '../../kernel/timeline/timeline.ts';
import { accessTables } from './0001/access.ts';
import { servingTables } from './0001/serving.ts';
import { lineageTables } from './0001/lineage.ts';
import { releaseTables } from './0001/releases.ts';
import { trialTables } from './0001/trials.ts';
import { environmentTables } from './0001/environments.ts';
import { trackingTables } from './0001/tracking.ts';
import { transferTables } from './0001/transfers.ts';
import { featureTables } from './0001/features.ts';
import { pipelineTables } from './0001/pipelines.ts';
import { datasetTables } from './0001/datasets.ts';
import { registryTables } from './0001/registry.ts';
import { projectTables } from './0001/projects.ts';
import { feedbackTables } from './0001/feedback.ts';
import { monitoringTables } from './0001/monitoring.ts';
import { alertTables } from './0001/alerts.ts';
import { retrainingTables } from './0001/retraining.ts';
import { governanceTables } from './0001/governance.ts';
import { subjectTables } from './0001/subjects.ts';
import { webhookTables } from './0001/webhooks.ts';

export const migrations: readonly Migration[] = [
  {
    number: 1,
    name: '0001-initial',
    tables: [
      ...eventTables,
      ...jobTables,
      ...timelineTables,
      ...idempotencyTables,
      ...replicaTables,
      // One list per domain, in the order of the edges between them.
      ...accessTables,
      ...blobTables,
      ...projectTables,
      ...subjectTables,
      ...registryTables,
      ...datasetTables,
      ...pipelineTables,
      ...featureTables,
      ...trackingTables,
      ...environmentTables,
      ...releaseTables,
      ...trialTables,
      ...lineageTables,
      ...servingTables,
      ...feedbackTables,
      ...monitoringTables,
      ...alertTables,
      ...retrainingTables,
      ...governanceTables,
      ...webhookTables,
      ...transferTables,
    ],
  },
];
