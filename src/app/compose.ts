// The one place that sees every domain: who offers which routes and jobs, and who listens to what.
import { isMlflowPath, mlflowDialect, mlflowProtocolRoutes } from '../dialects/mlflow/routes.ts';
import { accessRoutes } from '../domains/access/routes.ts';
import { datasetJobs, datasetSubscribers } from '../domains/datasets/jobs.ts';
import { datasetRoutes } from '../domains/datasets/routes.ts';
import { environmentRoutes } from '../domains/environments/routes.ts';
import { featureJobs, featureSubscribers } from '../domains/features/jobs.ts';
import { featureRoutes } from '../domains/features/routes.ts';
import { lineageJobs, lineageSubscribers } from '../domains/lineage/jobs.ts';
import { lineageRoutes } from '../domains/lineage/routes.ts';
import { pipelineJobs } from '../domains/pipelines/jobs.ts';
import { pipelineRoutes } from '../domains/pipelines/routes.ts';
import { projectRoutes } from '../domains/projects/routes.ts';
import { registryRoutes } from '../domains/registry/routes.ts';
import { registryJobs, registrySubscribers } from '../domains/registry/jobs.ts';
import { releaseJobs, releaseSubscribers } from '../domains/releases/jobs.ts';
import { releaseRoutes } from '../domains/releases/routes.ts';
import { reportRoutes } from '../domains/reports/routes.ts';
import { trialJobs, trialSubscribers } from '../domains/trials/jobs.ts';
import { trialRoutes } from '../domains/trials/routes.ts';
import { trackingJobs } from '../domains/tracking/jobs.ts';
import { trackingRoutes } from '../domains/tracking/routes.ts';
import { transferRoutes } from '../domains/transfers/routes.ts';
import { webhookJobs, webhookSubscribers } from '../domains/webhooks/jobs.ts';
import { webhookRoutes } from '../domains/webhooks/routes.ts';
import { feedbackJobs, feedbackSubscribers } from '../domains/feedback/jobs.ts';
import { feedbackRoutes } from '../domains/feedback/routes.ts';
import { monitoringJobs, monitoringSubscribers } from '../domains/monitoring/jobs.ts';
import { monitoringRoutes } from '../domains/monitoring/routes.ts';
import { alertJobs, alertSubscribers } from '../domains/alerts/jobs.ts';
import { alertRoutes } from '../domains/alerts/routes.ts';
import { retrainingJobs, retrainingSubscribers } from '../domains/retraining/jobs.ts';
import { retrainingRoutes } from '../domains/retraining/routes.ts';
import { governanceJobs, governanceSubscribers } from '../domains/governance/jobs.ts';
import { governanceRoutes } from '../domains/governance/routes.ts';
import { openProcessEngine } from '../engines/process/process-engine.ts';
import type { BlobStore } from '../kernel/blobs/blob-store.ts';
import { blobJobs } from '../kernel/blobs/jobs.ts';
import type { Subscriber } from '../kernel/events/subscribers.ts';
import type { AnyRoute, Dialect } from '../kernel/http/route.ts';
import type { Job } from '../kernel/jobs/jobs.ts';

export interface Composition {
  readonly routes: readonly AnyRoute[];
  readonly jobs: readonly Job<never>[];
  readonly subscribers: readonly Subscriber[];
}

/** Everything this program offers. `serverUrl` is known once the server listens. */
export function compose(blobs: BlobStore, serverUrl: () => string): Composition {
  const engine = openProcessEngine(blobs);
  const pipelines = pipelineJobs({ engine, serverUrl });
  const retraining = retrainingJobs(pipelines);
  return {
    routes: [
      ...accessRoutes,
      ...projectRoutes,
      ...datasetRoutes,
      ...featureRoutes,
      ...environmentRoutes,
      ...pipelineRoutes(pipelines, engine),
      ...trackingRoutes,
      ...registryRoutes,
      ...webhookRoutes,
      ...transferRoutes,
      ...releaseRoutes,
      ...trialRoutes,
      ...feedbackRoutes,
      ...monitoringRoutes,
      ...alertRoutes,
      ...retrainingRoutes(retraining),
      ...governanceRoutes,
      ...lineageRoutes,
      ...reportRoutes,
      ...mlflowProtocolRoutes,
    ],
    jobs: [
      ...blobJobs,
      ...datasetJobs,
      ...featureJobs,
      ...trackingJobs,
      ...webhookJobs,
      ...registryJobs,
      ...releaseJobs,
      ...trialJobs,
      ...feedbackJobs,
      ...monitoringJobs,
      ...alertJobs,
      ...retraining.all,
      ...governanceJobs,
      ...lineageJobs,
      ...pipelines.all,
    ],
    // Who listens to what.
    subscribers: [
      ...datasetSubscribers,
      ...featureSubscribers,
      ...webhookSubscribers,
      ...registrySubscribers,
      ...releaseSubscribers,
      ...trialSubscribers,
      ...feedbackSubscribers,
      ...monitoringSubscribers,
      ...alertSubscribers,
      ...retrainingSubscribers(retraining),
      ...governanceSubscribers,
      ...lineageSubscribers,
    ],
  };
}

/** The dialect that owns a path no route took, so that its clients can read the 404. */
export const dialectOf = (path: string): Dialect | undefined => (isMlflowPath(path) ? mlflowDialect : undefined);
