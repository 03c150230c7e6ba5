import type { AnyRoute } from '../../kernel/http/route.ts';
import { artifactRoutes } from './routes/artifacts.ts';
import { experimentRoutes } from './routes/experiments.ts';
import { loggedModelRoutes } from './routes/logged-models.ts';
import { metricRoutes } from './routes/metrics.ts';
import { registryRoutes } from './routes/registry.ts';
import { runDataRoutes } from './routes/run-data.ts';
import { runRoutes } from './routes/runs.ts';
import { webhookProtocolRoutes } from './routes/webhooks.ts';

export { mlflowDialect } from './wire.ts';

export const mlflowProtocolRoutes: readonly AnyRoute[] = [
  ...experimentRoutes,
  ...runRoutes,
  ...runDataRoutes,
  ...metricRoutes,
  ...loggedModelRoutes,
  ...registryRoutes,
  ...artifactRoutes,
  ...webhookProtocolRoutes,
];

/** Paths whose clients expect MLflow's 404. */
export const isMlflowPath = (path: string): boolean => /^\/(ajax-)?api\/[23]\.0\//.test(path);
