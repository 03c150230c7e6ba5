import { permissionsOf, roles, type Role } from '../../src/domains/access/model.ts';
import type { AnyRoute } from '../../src/kernel/http/route.ts';
import { markdownTable, note } from './markdown.ts';
import { offeredRoutes } from './offered-routes.ts';
import { needOf } from './route-levels.ts';

// The same route of MLflow's protocol under each of its prefixes is one line.
const spelled = (path: string): string => path.replace(/^\/(ajax-)?api\/[23]\.0\//, '/api/*/');
const shown = roles.filter((role) => role !== 'step');

const allowed = ({ permission }: AnyRoute): string => {
  if (permission === 'public') return 'everybody, without a login';
  const holders: readonly Role[] = shown.filter((role) => permissionsOf[role].has(permission));
  return holders.length === shown.length ? 'every role' : holders.join(', ');
};

/** docs/reference/permissions.md: what each route asks for. */
export function permissionsPage(): string {
  const lines = new Map<string, string[]>();
  for (const route of offeredRoutes()) {
    const place = `${route.method} ${spelled(route.path)}`;
    const need = needOf(route);
    lines.set(place, [`\`${place}\``, route.permission, allowed(route), need ? `${need[1]} for the ${need[0]}` : '']);
  }
  return `${note('the routes')}
# Permissions of routes

Every route asks for one permission, and a role has it or not. A route that names an experiment (or what is part of it), a model,
an endpoint or a dataset also asks for a level for it; [access](../domains/access.md#levels) says who has which.
\`/api/*\` stands for \`/api/2.0\`, \`/ajax-api/2.0\`, \`/api/3.0\` and \`/ajax-api/3.0\`, as far as MLflow has the route there. Lists and
searches ask for no level: they leave out what may not be read.

A step's token has \`tracking:read\` and \`tracking:write\`, and writes only its own run.

${markdownTable(['route', 'permission', 'roles', 'level'], [...lines.values()])}
`;
}
