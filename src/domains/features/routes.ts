import { existsSync } from 'node:fs';
import Type from '../../kernel/http/json-schema.ts';
import { fail as failAny, type Fault } from '../../kernel/errors.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import { currentRevision } from '../projects/public.ts';
import { momentUs } from './service/training-table.ts';
import { materialiseViews, onlineStorePath, serviceForPlan } from './service/materialise.ts';
import { openOnlineReader, type ColumnType, type EntityKey } from './online-store.ts';

const name = Type.String({ maxLength: 100 });

type Entity = Readonly<Record<string, string | number | boolean>>;

function entityFaults(entity: Entity, at: string, keys: ReadonlyMap<string, ColumnType>, request: readonly string[]): Fault[] {
  const unknown = Object.keys(entity).filter((name) => !request.includes(name));
  const wrong = [...keys].flatMap(([name, type]): Fault[] => {
    const wanted = type === 'string' ? 'string' : type === 'boolean' ? 'boolean' : 'number';
    if (!Object.hasOwn(entity, name))
      return [{ pointer: `${at}/${name}`, detail: `is missing: features are looked up by it; send a ${wanted}` }];
    return typeof entity[name] === wanted ? [] : [{ pointer: `${at}/${name}`, detail: `must be a ${wanted}` }];
  });
  return [...unknown.map((name) => ({ pointer: `${at}/${name}`, detail: `is not in "request" of the feature service` })), ...wrong];
}

export const featureRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/features/materialise',
    permission: 'features:write',
    summary: 'Bring the online store up to the current dataset versions; answers when it is',
    errors: ['project-not-found', 'feature-view-invalid', 'compute-sql-invalid', 'compute-sql-refused'],
    params: Type.Object({ project: name }),
    reply: { 200: Type.Object({ items: Type.Array(Type.Object({ view: Type.String(), rows: Type.Integer(), added: Type.Integer() })) }) },
    handler: async (ctx, { params }) => ({ items: await materialiseViews(ctx, params.project) }),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/features/:service/online',
    permission: 'features:read',
    summary: 'Feature values of entities as known at a moment, from the online store',
    errors: ['feature-service-not-found', 'project-not-found', 'moment-invalid', 'dataset-empty'],
    params: Type.Object({ project: name, service: name }),
    body: Type.Object({
      entities: Type.Array(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])), {
        minItems: 1,
        maxItems: 1000,
      }),
      asOf: Type.Optional(Type.String({ format: 'date-time' })),
    }),
    reply: { 200: Type.Object({ asOf: Type.String(), items: Type.Array(Type.Record(Type.String(), Type.Unknown())) }) },
    handler: async (ctx, { params, body }) => {
      const { views, service } = await serviceForPlan(ctx, await currentRevision(ctx, params.project), params.service);
      const keys = new Map(views.flatMap((v) => v.entityColumns.map((c) => [c.name, c.type] as const)));
      const faults = body.entities.flatMap((entity, i) => entityFaults(entity, `/entities/${i}`, keys, service.request));
      if (faults.length > 0) return failAny('invalid-input', { what: 'The body' }, faults.slice(0, 50));
      const asOfUs = body.asOf ? momentUs('"asOf"', body.asOf) : (await ctx.timeline.read(ctx.db, ctx.workspace, params.project)).nowUs;
      const path = onlineStorePath(ctx, params.project);
      const reader = existsSync(path) ? openOnlineReader(path) : undefined;
      try {
        const items = body.entities.map((entity) =>
          Object.fromEntries(
            views.flatMap(({ definition, columns }) => {
              const fact = reader?.read(definition.name, definition.entity.map((e) => entity[e]) as unknown as EntityKey, asOfUs);
              const at = new Map(fact?.columns.map((c, i) => [c.name, i]));
              return columns.map((c) => [c.name, fact?.values[at.get(c.name) ?? -1] ?? null]);
            }),
          ),
        );
        return { asOf: usToIso(asOfUs), items };
      } finally {
        reader?.close();
      }
    },
  }),
];
