import type { AnyRoute } from '../../kernel/http/route.ts';

export const alertRoutes: readonly AnyRoute[] = [];
