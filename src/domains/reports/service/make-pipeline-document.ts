// What a pipeline does, reads and makes, and how its runs went.
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  currentRevision,
  datasetsOfPipeline,
  type PipelineDefinition,
  type ProjectDefinition,
  type StepDefinition,
} from '../../projects/public.ts';
import { DocumentWriter, say, type RecordedDocument, type Statement } from '../documents/document.ts';
import { count, minute } from '../documents/markdown.ts';
import { listEvents } from '../documents/queries.ts';
import { fail } from '../errors.ts';
import { requireReadable } from './require-readable.ts';

const MAX_RUNS = 20;

/** Raises `project-not-found`, `report-pipeline-missing`. */
export async function makePipelineDocument(ctx: Ctx, project: string, name: string): Promise<RecordedDocument> {
  const revision = await currentRevision(ctx, project);
  const { definition } = revision;
  const pipeline = Object.hasOwn(definition.pipelines, name)
    ? definition.pipelines[name]!
    : fail('report-pipeline-missing', { project, pipeline: name });
  requireReadable(ctx, project, definition, {
    models: pipeline.steps.flatMap((s) => (s.kind === 'register' ? [s.model] : [])),
    endpoints: [],
  });
  const applied = { kind: 'project-revision', id: revision.id };
  const snapshot = { kind: 'code-snapshot', id: revision.snapshot };
  const events = await listEvents(ctx.db, ctx.workspace, project, ['pipeline-run', 'model-version']);
  const started = events.filter((e) => e.type === 'pipeline-run.started' && (e.label ?? '').startsWith(`${name} run `));
  const ended = new Map(events.filter((e) => e.type === 'pipeline-run.finished').map((e) => [e.subject.id, e]));
  const made = new Map<string, string[]>();
  for (const e of events)
    if (e.subject.kind === 'model-version')
      for (const { relation, to } of e.edges)
        if (relation === 'produced-by' && to.kind === 'pipeline-run')
          made.set(to.id, [...new Set([...(made.get(to.id) ?? []), e.subject.id])]);
  const states = started.map((e) => String(ended.get(e.subject.id)?.payload.state ?? 'running'));
  const models = pipeline.steps.flatMap((s) => (s.kind === 'register' ? [s.model] : []));
  return new DocumentWriter()
    .section('What it is for', [
      pipeline.purpose === null
        ? { missing: 'the purpose for which its runs use data ("purpose:")' }
        : say(`Its runs use data for: ${pipeline.purpose}.`, applied),
      ...models.map((m) =>
        say(`It registers versions of the model ${m}${definition.models[m]?.description ? `: ${definition.models[m].description}` : ''}`, {
          kind: 'model',
          id: m,
        }),
      ),
      ...Object.values(definition.retraining)
        .filter((r) => r.pipeline === name)
        .map((r) =>
          say(
            `Retraining ${r.name} starts it on ${r.on.map((o) => (o.only === null ? o.cause : `${o.cause} ${o.only}`)).join(', ')}.`,
            applied,
          ),
        ),
    ])
    .section('Parameters', [], { head: ['Parameter', 'Default'], rows: Object.entries(pipeline.params).map(([p, v]) => [p, String(v)]) })
    .section('Steps', [say('Each step runs when those that it needs have succeeded.', applied, snapshot)], {
      head: ['Step', 'Kind', 'Needs', 'Does'],
      rows: pipeline.steps.map((s) => [s.name, s.kind, s.needs.join(', '), stepText(s)]),
    })
    .section('Data', dataOf(definition, pipeline, applied))
    .section(
      'Gates',
      models.flatMap((m): (Statement | { missing: string })[] => {
        const gates = definition.models[m]?.gates ?? [];
        return gates.length === 0
          ? [{ missing: `gates of the model ${m}` }]
          : [
              say(
                `A version of ${m} has to pass ${gates.length} gates: ${gates.map((g) => `${g.slice === undefined ? '' : `by ${g.slice}, `}${g.metric}`).join('; ')}.`,
                applied,
              ),
            ];
      }),
    )
    .section(
      'Runs',
      [
        started.length === 0
          ? { missing: 'a run of it' }
          : say(
              `${count(started.length)} runs: ${[...new Set(states)]
                .sort()
                .map((s) => `${states.filter((x) => x === s).length} ${s}`)
                .join(', ')}.`,
            ),
      ],
      {
        head: ['Run', 'Moment of event time', 'Started by', 'State', 'Steps from the cache', 'Model versions', 'Id'],
        rows: started.slice(-MAX_RUNS).map((e) => {
          const end = ended.get(e.subject.id);
          const by = e.edges.find((x) => x.relation === 'started-by');
          return [
            String(e.payload.number),
            e.occurredUs === null ? '' : minute(e.occurredUs),
            by ? `${by.to.kind} ${by.to.id}` : String(e.payload.trigger ?? ''),
            String(end?.payload.state ?? 'running'),
            end ? `${String(end.payload.cached)} of ${String(end.payload.steps)}` : '',
            (made.get(e.subject.id) ?? []).join(', '),
            e.subject.id,
          ];
        }),
      },
    )
    .end(`Pipeline: ${name} of ${project}`);
}

function stepText(s: StepDefinition): string {
  if (s.kind === 'features')
    return `joins ${s.service} to rows of ${s.spine.dataset}, as known at ${s.spine.at}; label: ${s.spine.label}; from ${s.spine.between.join(' to ')}`;
  if (s.kind === 'evaluate')
    return `scores ${s.model} on rows of ${s.spine.dataset} from ${s.spine.between.join(' to ')}${s.slices.length === 0 ? '' : `, by ${s.slices.join(', ')}`}`;
  if (s.kind === 'predict')
    return `scores ${s.on.kind === 'dataset' ? `rows of ${s.on.dataset}` : s.on.ref} with ${s.model} ${s.version} into dataset ${s.into}${s.monitor === null ? '' : `, watched by ${s.monitor}`}`;
  if (s.kind === 'register') return `registers ${s.from} as a version of ${s.model}, with evaluation ${s.evaluation}`;
  return `runs ${s.command}${s.environment === null ? '' : ` in environment ${s.environment}`}; gives ${Object.keys(s.outputs).join(', ') || 'nothing'}`;
}

function dataOf(d: ProjectDefinition, p: PipelineDefinition, applied: { kind: string; id: string }) {
  return datasetsOfPipeline(d, p)
    .sort()
    .flatMap((name) => {
      const dataset = d.datasets[name]!;
      return [
        say(
          `Reads ${name}${dataset.purposes === null ? '' : `, which may be used for ${dataset.purposes.join(', ')}`}.`,
          { kind: 'dataset', id: `${d.project}/${name}` },
          applied,
        ),
        dataset.purposes === null ? { missing: `purposes of the dataset ${name}` } : null,
      ];
    });
}
