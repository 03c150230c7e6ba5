// Records as our own interface shows them. JSON has no NaN: it is the text "NaN".
import type { Static } from 'typebox';
import type { Experiment } from '../model.ts';
import type { ExperimentView, RunView } from '../schema.ts';
import type { Fields } from '../search/fields.ts';
import type { ProjectedRun } from '../service/find-runs.ts';

const LAST_MOMENT = 8.64e15;

/** A client may have sent any number; what no calendar holds is left out. */
export const isoOrNull = (ms: number | null): string | null => (ms === null || ms > LAST_MOMENT ? null : new Date(ms).toISOString());

export const numberView = (value: number): number | 'NaN' => (Number.isNaN(value) ? 'NaN' : value);

const record = <T>(rows: readonly { key: string }[], value: (row: never) => T): Record<string, T> =>
  Object.fromEntries(rows.map((row) => [row.key, value(row as never)]));

const byKey = (pairs: readonly { key: string; value: string }[]): Record<string, string> =>
  record(pairs, (p: { value: string }) => p.value);

export const experimentView = (e: Experiment): Static<typeof ExperimentView> => ({
  id: e.id,
  name: e.name,
  artifactLocation: e.artifactLocation,
  lifecycle: e.lifecycle,
  createdAt: isoOrNull(e.createdMs),
  updatedAt: isoOrNull(e.updatedMs),
  tags: byKey(e.tags),
});

export const runView = ({ run, metrics, params, tags, inputs, links }: ProjectedRun, fields: Fields): Static<typeof RunView> => ({
  id: run.id,
  ...(fields.info && {
    info: {
      name: run.name,
      experimentId: run.experimentId,
      status: run.status,
      user: run.userId,
      startedAt: isoOrNull(run.startMs),
      endedAt: isoOrNull(run.endMs),
      artifactUri: run.artifactUri,
      lifecycle: run.lifecycle,
    },
  }),
  ...(fields.metrics && {
    metrics: record(metrics, (m: ProjectedRun['metrics'][number]) => ({
      value: m.is_nan ? ('NaN' as const) : m.value,
      step: m.step,
      timestampMs: m.timestamp_ms,
    })),
  }),
  ...(fields.params && { params: byKey(params) }),
  ...(fields.tags && { tags: byKey(tags) }),
  ...(fields.inputs && {
    inputs: inputs.map((i) => ({
      name: i.name,
      digest: i.digest,
      sourceType: i.source_type,
      source: i.source,
      tags: byKey(JSON.parse(i.tags) as { key: string; value: string }[]),
    })),
  }),
  ...(fields.models && { models: links.map((l) => ({ id: l.model_id, role: l.role, step: l.step })) }),
});
