import type { AnyRoute } from '../../kernel/http/route.ts';
import { artifactRoutes } from './routes/artifacts.ts';
import { permissionRoutes } from './routes/auth/permissions.ts';
import { roleRoutes } from './routes/auth/roles.ts';
import { userRoutes } from './routes/auth/users.ts';
import { experimentRoutes } from './routes/experiments.ts';
import { leftOutRoutes } from './routes/left-out.ts';
import { loggedModelRoutes } from './routes/logged-models.ts';
import { metricRoutes } from './routes/metrics.ts';
import { registryRoutes } from './routes/registry.ts';
import { runDataRoutes } from './routes/run-data.ts';
import { runRoutes } from './routes/runs.ts';
import { webhookProtocolRoutes } from './routes/webhooks.ts';
import { workspaceRoutes } from './routes/workspaces.ts';

export { mlflowDialect } from './wire.ts';

export const mlflowProtocolRoutes: readonly AnyRoute[] = [
  ...experimentRoutes,
  ...runRoutes,
  ...runDataRoutes,
  ...metricRoutes,
  ...leftOutRoutes,
  ...loggedModelRoutes,
  ...registryRoutes,
  ...artifactRoutes,
  ...webhookProtocolRoutes,
  ...userRoutes,
  ...permissionRoutes,
  ...roleRoutes,
  ...workspaceRoutes,
];

/** Paths whose clients expect MLflow's 404. */
export const isMlflowPath = (path: string): boolean => /^\/((ajax-)?api\/[23]\.0\/|graphql$)/.test(path);
