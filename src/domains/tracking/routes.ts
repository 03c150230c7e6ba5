import type { AnyRoute } from '../../kernel/http/route.ts';
import { compareRoutes } from './routes/compare.ts';
import { experimentRoutes } from './routes/experiments.ts';
import { liveRoutes } from './routes/live.ts';
import { purgeRoutes } from './routes/purges.ts';
import { runRoutes } from './routes/runs.ts';

export const trackingRoutes: readonly AnyRoute[] = [...experimentRoutes, ...runRoutes, ...purgeRoutes, ...liveRoutes, ...compareRoutes];
