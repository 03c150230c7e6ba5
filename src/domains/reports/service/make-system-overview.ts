// The whole system at a glance: its nouns, what is served since when, what watches it, and what is wrong.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { StoredEvent } from '../../../kernel/events/subscribers.ts';
import { activeAlerts } from '../../alerts/public.ts';
import { listWindows } from '../../monitoring/public.ts';
import { currentRevision, type ProjectDefinition } from '../../projects/public.ts';
import { activeRelease, findCurrentEndpointRevision, findFreeze } from '../../releases/public.ts';
import { findStop } from '../../retraining/public.ts';
import { DocumentWriter, say, type RecordedDocument, type Statement } from '../documents/document.ts';
import { count, counted, day, minute } from '../documents/markdown.ts';
import { listEvents } from '../documents/queries.ts';
import { requireReadable } from './require-readable.ts';

type Line = Statement | { readonly missing: string } | null;

/** Raises `project-not-found`. */
export async function makeSystemOverview(ctx: Ctx, project: string): Promise<RecordedDocument> {
  const revision = await currentRevision(ctx, project);
  const { definition: d } = revision;
  requireReadable(ctx, project, d);
  const applied = { kind: 'project-revision', id: revision.id };
  const { nowUs, mode } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  const events = await listEvents(ctx.db, ctx.workspace, project, [
    'dataset-version',
    'pipeline-run',
    'model-version',
    'release',
    'alert',
    'trigger',
    'erasure',
    'window',
    'finding',
  ]);
  const told = (type: string): StoredEvent[] => events.filter((e) => e.type === type);
  const subjects = (kind: string): number => new Set(events.filter((e) => e.subject.kind === kind).map((e) => e.subject.id)).size;
  return new DocumentWriter()
    .section('What it is', [
      d.description === '' ? { missing: 'a description of the project ("description:")' } : say(d.description, applied),
      say(`Revision ${revision.number} of ${project}, applied on ${day(revision.recordedMs * 1000)} by ${revision.actor}.`, applied),
      revision.commit === null ? { missing: 'the commit of the current revision' } : say(`It is commit ${revision.commit}.`, applied),
      say(`Event time is ${minute(nowUs)} (${mode}).`),
    ])
    .section('What there is', [], {
      head: ['Noun', 'Declared', 'Recorded'],
      rows: [
        [
          'datasets',
          names(d.datasets),
          `${counted(subjects('dataset-version'), 'version')}, ${told('dataset-version.quarantined').length} of them quarantined`,
        ],
        ['feature views', names(d.views), ''],
        ['pipelines', names(d.pipelines), counted(told('pipeline-run.started').length, 'run')],
        ['models', names(d.models), counted(subjects('model-version'), 'version')],
        ['endpoints', names(d.endpoints), counted(subjects('release'), 'release')],
        [
          'monitors',
          names(d.monitors),
          `${counted(told('window.closed').length, 'window')}, ${counted(told('finding.recorded').length, 'finding')}`,
        ],
        ['alert rules', names(d.alerts), `${count(told('alert.firing').length)} fired`],
        ['retraining policies', names(d.retraining), counted(subjects('trigger'), 'trigger')],
        ['kinds of subject', names(d.subjects), counted(told('erasure.completed').length, 'erasure')],
      ],
    })
    .section(
      'Endpoints',
      (
        await Promise.all(
          Object.keys(d.endpoints)
            .sort()
            .map((e) => endpointLines(ctx, project, e, events)),
        )
      ).flat(),
    )
    .section(
      'Monitors',
      (
        await Promise.all(
          Object.keys(d.monitors)
            .sort()
            .map((m) => monitorLines(ctx, project, m)),
        )
      ).flat(),
    )
    .section('Open alerts', await alertLines(ctx, project))
    .section(
      'Retraining',
      (
        await Promise.all(
          Object.keys(d.retraining)
            .sort()
            .map((r) => retrainingLines(ctx, d, r, events)),
        )
      ).flat(),
    )
    .section(
      'Erasures',
      told('erasure.completed').map((e) =>
        say(`One ${String(e.payload.subjectKind)} was erased on ${day(e.recordedMs * 1000)}: ${String(e.payload.rowsRemoved)} rows.`, {
          kind: 'erasure',
          id: e.subject.id,
        }),
      ),
    )
    .end(`System overview: ${project}`);
}

const names = (of: Readonly<Record<string, unknown>>): string =>
  `${Object.keys(of).length}${Object.keys(of).length === 0 ? '' : `: ${Object.keys(of).sort().join(', ')}`}`;

async function endpointLines(ctx: Ctx, project: string, endpoint: string, events: readonly StoredEvent[]): Promise<Line[]> {
  const current = await findCurrentEndpointRevision(ctx.db, ctx.workspace, project, endpoint);
  const freeze = await findFreeze(ctx, project, endpoint);
  const release = await activeRelease(ctx.db, ctx.workspace, endpoint);
  const frozen = freeze
    ? say(`${endpoint} is frozen since ${minute(freeze.sinceUs)} by ${freeze.actor}: ${freeze.reason}`, { kind: 'endpoint', id: endpoint })
    : null;
  if (!current) return [{ missing: `a release of the endpoint ${endpoint}: it serves nothing` }, frozen];
  const since = (versionId: string): StoredEvent | undefined =>
    events.findLast(
      (e) =>
        e.subject.kind === 'release' &&
        e.payload.endpoint === endpoint &&
        e.payload.version === versionId &&
        ['release.promoted', 'release.stepped'].includes(e.type),
    );
  return [
    ...current.variants.map((v) => {
      const began = since(v.versionId);
      const moment = began === undefined ? '' : ` since ${minute(began.occurredUs ?? began.recordedMs * 1000)}`;
      return say(
        `${endpoint} serves ${v.model} version ${v.number} with ${Number((100 * v.weight).toFixed(2))} % of its traffic${moment}.`,
        { kind: 'endpoint-revision', id: current.id },
        { kind: 'model-version', id: v.versionId },
        began && { kind: 'release', id: began.subject.id },
      );
    }),
    release
      ? say(`A release of ${endpoint} is under way (${release.state}): ${release.standing}`, { kind: 'release', id: release.id })
      : null,
    frozen,
  ];
}

async function monitorLines(ctx: Ctx, project: string, monitor: string): Promise<Line[]> {
  const last = await Promise.all(
    (['data', 'performance'] as const).map(
      async (kind) => (await listWindows(ctx, { project, monitor, kind, latestOnly: true, limit: 1, order: 'desc' }))[0],
    ),
  );
  const lines = last.flatMap((w, i): Line[] =>
    w
      ? [
          say(
            `${monitor}: the last ${w.kind} window ended at ${minute(w.toUs)}, with n = ${count(w.n)} of version ${w.lead || 'unknown'} and ${w.findings} findings (generation ${w.generation}).`,
            { kind: 'window', id: w.id },
            w.baseline === null ? null : { kind: 'baseline', id: w.baseline },
          ),
          w.baseline === null ? { missing: `a baseline for the last ${w.kind} window of the monitor ${monitor}` } : null,
        ]
      : [{ missing: `a closed ${i === 0 ? 'data' : 'performance'} window of the monitor ${monitor}` }],
  );
  return lines;
}

async function alertLines(ctx: Ctx, project: string): Promise<Line[]> {
  const open = await activeAlerts(ctx, project);
  if (open.length === 0) return [say('No alert is open.')];
  return [...open]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((a) =>
      say(
        `${a.rule} (${a.severity}) of ${a.monitor} is ${a.state}${a.firedUs === null ? '' : ` since ${minute(a.firedUs)}`}${a.muted === '' ? '' : `, muted: ${a.muted}`}.`,
        { kind: 'alert', id: a.id },
      ),
    );
}

async function retrainingLines(ctx: Ctx, d: ProjectDefinition, policy: string, events: readonly StoredEvent[]): Promise<Line[]> {
  const r = d.retraining[policy]!;
  const own = events.filter((e) => e.subject.kind === 'trigger' && e.payload.policy === policy);
  const accepted = own.filter((e) => e.type === 'trigger.recorded' && e.payload.accepted === true);
  const suppressed = own.filter((e) => e.type === 'trigger.recorded' && e.payload.accepted === false);
  const last = own.findLast((e) => e.type === 'trigger.ended');
  const stops = await Promise.all(
    [
      { project: d.project, policy },
      { project: d.project, policy: '' },
      { project: '', policy: '' },
    ].map((of) => findStop(ctx.db, ctx.workspace, of)),
  );
  const stop = stops.find((s) => s !== undefined);
  return [
    say(
      `${policy} runs ${r.pipeline} for ${r.endpoint}: ${counted(accepted.length, 'trigger')} accepted, ${suppressed.length} suppressed.`,
      ...accepted.slice(-3).map((e) => ({ kind: 'trigger', id: e.subject.id })),
    ),
    last
      ? say(
          `${policy}: the last one ended as ${String(last.payload.outcome)}${last.payload.reason ? `: ${String(last.payload.reason)}` : ''}`,
          { kind: 'trigger', id: last.subject.id },
        )
      : null,
    stop
      ? say(`${policy} is stopped by ${stop.actor}: ${stop.reason}`, { kind: 'retraining', id: `${stop.project}/${stop.policy}` })
      : null,
  ];
}
