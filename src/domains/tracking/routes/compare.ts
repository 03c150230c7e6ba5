import type { Static } from 'typebox';
import { route, type AnyRoute } from '../../../kernel/http/route.ts';
import * as schema from './compare-schema.ts';
import { compareRuns, type Comparison } from '../service/compare/compare.ts';
import { isoOrNull, numberView } from './views.ts';

const view = (c: Comparison): Static<typeof schema.ComparisonView> => ({
  runs: c.runs.map((r) => ({
    id: r.id,
    name: r.name,
    experimentId: r.experimentId,
    status: r.status,
    startedAt: isoOrNull(r.startMs),
    endedAt: isoOrNull(r.endMs),
  })),
  params: c.params.map((p) => ({ key: p.key, values: [...p.values] })),
  sameParams: c.sameParams,
  tags: c.tags.map((t) => ({ key: t.key, values: [...t.values] })),
  environment: {
    runs: c.environment.of.map((e) => ({ python: e.python, packages: Object.keys(e.packages).length, from: [...e.from] })),
    packages: c.environment.packages.map((p) => ({ key: p.key, values: [...p.values] })),
  },
  data: c.data.map((d) => ({
    key: d.key,
    values: d.values.map((v) => v && v.map((i) => ({ digest: i.digest, versions: [...i.versions] }))),
  })),
  sameData: [...c.sameData],
  code: [...c.code],
  metrics: c.metrics.map((m) => ({ key: m.key, values: m.values.map((v) => v && { ...v, last: numberView(v.last) }) })),
  groups: c.groups.map((g) => ({ runs: [...g.runs], by: { ...g.by }, metrics: [...g.metrics] })),
  grouping: { how: c.grouping.how, seeds: [...c.grouping.seeds] },
});

export const compareRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/tracking-runs/compare',
    permission: 'tracking:read',
    summary: 'What differs between tracking runs, and the mean of those that repeat each other',
    errors: ['tracking-run-not-found', 'field-unknown'],
    body: schema.CompareRuns,
    reply: { 200: schema.ComparisonView },
    handler: async (ctx, { body }) => view(await compareRuns(ctx, { runIds: body.runIds, groupBy: body.groupBy })),
  }),
];
