// The one place that sees every domain: who offers which routes and jobs, and who listens to what.
import type { Subscriber } from '../kernel/events/subscribers.ts';
import { isMlflowPath, mlflowDialect, mlflowProtocolRoutes } from '../dialects/mlflow/routes.ts';
import { accessRoutes } from '../domains/access/routes.ts';
import { datasetJobs, datasetSubscribers } from '../domains/datasets/jobs.ts';
import { datasetRoutes } from '../domains/datasets/routes.ts';
import { featureJobs, featureSubscribers } from '../domains/features/jobs.ts';
import { featureRoutes } from '../domains/features/routes.ts';
import { projectRoutes } from '../domains/projects/routes.ts';
import type { AnyRoute, Dialect } from '../kernel/http/route.ts';
import type { Job } from '../kernel/jobs/jobs.ts';

export const routes: readonly AnyRoute[] = [...accessRoutes, ...projectRoutes, ...datasetRoutes, ...featureRoutes, ...mlflowProtocolRoutes];

/** The dialect that owns a path no route took, so that its clients can read the 404. */
export const dialectOf = (path: string): Dialect | undefined => (isMlflowPath(path) ? mlflowDialect : undefined);

export const jobCatalogue: readonly Job<never>[] = [...datasetJobs, ...featureJobs];

export const subscribers: readonly Subscriber[] = [...datasetSubscribers, ...featureSubscribers];
