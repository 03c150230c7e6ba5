import type { AnyRoute } from '../../kernel/http/route.ts';

export const retrainingRoutes: readonly AnyRoute[] = [];
