import type { AnyRoute } from '../../../kernel/http/route.ts';
import { aliasRoutes } from './registry/aliases.ts';
import { modelRoutes } from './registry/models.ts';
import { versionRoutes } from './registry/versions.ts';

export const registryRoutes: readonly AnyRoute[] = [...modelRoutes, ...versionRoutes, ...aliasRoutes];
