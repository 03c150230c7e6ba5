import type { AnyRoute } from '../../kernel/http/route.ts';

export const feedbackRoutes: readonly AnyRoute[] = [];
