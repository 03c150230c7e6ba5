import type { AnyRoute } from '../../kernel/http/route.ts';

export const trackingRoutes: readonly AnyRoute[] = [];
