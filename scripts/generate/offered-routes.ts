// The routes of the program as data. Nothing is opened: handlers are never called here.
import { compose } from '../../src/app/compose.ts';
import { serverRoutes } from '../../src/app/server-routes.ts';
import type { AnyRoute } from '../../src/kernel/http/route.ts';

const nothing = (): never => {
  throw new Error('routes are only read here');
};

/** Every route of the control plane, by path and method. */
export function offeredRoutes(): AnyRoute[] {
  const { routes } = compose(undefined as never, nothing);
  const place = (route: AnyRoute): string => `${route.path} ${route.method}`;
  return [...routes, ...serverRoutes(nothing, nothing)].toSorted((a, b) => (place(a) < place(b) ? -1 : 1));
}
