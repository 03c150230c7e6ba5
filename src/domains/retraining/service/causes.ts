// Which events are causes of which policies. Here they are only put on record; what is judged is judged at a tick.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import type { StoredEvent } from '../../../kernel/events/subscribers.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { codeFiles } from '../../pipelines/public.ts';
import {
  currentRevision,
  isPerformanceSignal,
  revisionByNumber,
  snapshotFiles,
  type ProjectDefinition,
  type RetrainingDefinition,
  type Revision,
} from '../../projects/public.ts';
import type { Figures } from '../model.ts';
import * as policies from '../store/policies.ts';
import { recordCause, type Cause } from './judge.ts';
import { monitorsOf } from './watched.ts';
import { nowUsOf, queue, type Work } from './work.ts';

type Found = Omit<Cause, 'causeKey'>;

/** Puts an event on record for each policy that it is a cause of. In the transaction of the subscriber. */
export async function recordEvent(tx: Ctx, event: StoredEvent, work: Work): Promise<void> {
  const { project } = event;
  if (project === null) return;
  const definition = await definitionOf(tx, project);
  if (!definition) return;
  if (event.type === 'project-revision.applied') await knowPolicies(tx, definition);
  let recorded = false;
  for (const policy of Object.values(definition.retraining)) {
    const cause = await causeOf(tx, event, definition, policy);
    if (!cause) continue;
    failpoint('retraining.before-recorded');
    await recordCause(tx, project, policy.name, { ...cause, causeKey: `event ${event.id}` });
    failpoint('retraining.after-recorded');
    recorded = true;
  }
  // In a replay decisions are taken at ticks of event time, when all else has come to rest.
  const { mode } = await tx.timeline.read(tx.db, tx.workspace, project);
  if (recorded && mode === 'live') await queue(tx, work.judge, project);
}

/** Undefined where only data were pushed so far: an event that cannot be read would hold up all that follow. */
async function definitionOf(tx: Ctx, project: string): Promise<ProjectDefinition | undefined> {
  try {
    return (await currentRevision(tx, project)).definition;
  } catch (error) {
    if (!isProblem(error, 'project-not-found')) throw error;
    return undefined;
  }
}

/** From the moment that a policy is known on, its schedule counts. */
async function knowPolicies(tx: Ctx, { project, retraining }: ProjectDefinition): Promise<void> {
  const nowUs = await nowUsOf(tx, project);
  for (const policy of Object.keys(retraining)) await policies.insertState(tx.db, tx.workspace, { project, policy }, nowUs);
}

async function causeOf(
  tx: Ctx,
  event: StoredEvent,
  definition: ProjectDefinition,
  policy: RetrainingDefinition,
): Promise<Found | undefined> {
  switch (event.type) {
    case 'alert.firing':
      return alertCause(event, definition, policy);
    case 'finding.recorded':
      return findingCause(event, definition, policy);
    case 'dataset-version.created':
      return dataCause(event, policy);
    case 'project-revision.applied':
      return pushCause(tx, event, definition, policy);
    default:
      return undefined;
  }
}

const text = (payload: StoredEvent['payload'], member: string): string => {
  const value = payload[member];
  return typeof value === 'string' ? value : typeof value === 'number' ? String(Number(value.toPrecision(6))) : '';
};
const scalars = (payload: StoredEvent['payload'], members: readonly string[]): Figures =>
  Object.fromEntries(
    members.flatMap((m) => {
      const value = payload[m];
      return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [[m, value]] : [];
    }),
  );

/** A rule by its name, or any rule of performance that a person is to hear of, for a monitor of the policy. */
export function wantsAlert(
  definition: ProjectDefinition,
  policy: RetrainingDefinition,
  alert: { readonly rule: string; readonly monitor: string; readonly severity: string; readonly signal: string | undefined },
): boolean {
  return policy.on.some(({ cause, only }) => {
    if (cause !== 'alert') return false;
    if (only !== null) return only === alert.rule;
    const signal = alert.signal ?? (Object.hasOwn(definition.alerts, alert.rule) ? definition.alerts[alert.rule]!.signal : undefined);
    return (
      signal !== undefined &&
      isPerformanceSignal(signal) &&
      ['page', 'warn'].includes(alert.severity) &&
      monitorsOf(definition, policy).some((m) => m.name === alert.monitor)
    );
  });
}

/** The same for each instance of an alert, however often it is seen. */
export const alertFingerprint = (id: string): string => `alert ${id}`;

function alertCause({ subject, payload }: StoredEvent, definition: ProjectDefinition, policy: RetrainingDefinition): Found | undefined {
  const rule = text(payload, 'rule');
  const signal = typeof payload.signal === 'string' ? payload.signal : undefined;
  if (!wantsAlert(definition, policy, { rule, monitor: text(payload, 'monitor'), severity: text(payload, 'severity'), signal }))
    return undefined;
  const value = text(payload, 'value');
  return {
    cause: 'alert',
    subject: { kind: 'alert', id: subject.id },
    fingerprint: alertFingerprint(subject.id),
    reason: `alert ${rule} of monitor ${text(payload, 'monitor')} fires${value === '' ? '' : ` at ${value}`}`,
    figures: scalars(payload, ['rule', 'monitor', 'severity', 'value', 'threshold', 'n', 'method', 'window']),
  };
}

function findingCause({ subject, payload }: StoredEvent, definition: ProjectDefinition, policy: RetrainingDefinition): Found | undefined {
  const [monitor, kind, of] = [text(payload, 'monitor'), text(payload, 'kind'), text(payload, 'subject')];
  if (!policy.on.some((o) => o.cause === 'finding' && (o.only === null || o.only === kind))) return undefined;
  if (!monitorsOf(definition, policy).some((m) => m.name === monitor)) return undefined;
  return {
    cause: 'finding',
    subject: { kind: 'finding', id: subject.id },
    fingerprint: `finding ${subject.id}`,
    reason: `monitor ${monitor} found ${kind} of ${of}: ${text(payload, 'method')} ${text(payload, 'value')}, threshold ${text(payload, 'threshold')}`,
    figures: scalars(payload, ['monitor', 'kind', 'subject', 'method', 'value', 'threshold', 'n', 'window']),
  };
}

function dataCause({ subject, payload, label }: StoredEvent, policy: RetrainingDefinition): Found | undefined {
  const dataset = text(payload, 'dataset');
  if (!policy.on.some((o) => o.cause === 'data' && o.only === dataset)) return undefined;
  return {
    cause: 'data',
    subject: { kind: 'dataset-version', id: subject.id },
    fingerprint: `data ${subject.id}`,
    reason: `${label ?? `a version of ${dataset}`} arrived with ${text(payload, 'rows')} rows`,
    figures: scalars(payload, ['dataset', 'number', 'rows']),
  };
}

async function pushCause(
  tx: Ctx,
  { subject, payload }: StoredEvent,
  { project }: ProjectDefinition,
  policy: RetrainingDefinition,
): Promise<Found | undefined> {
  if (!policy.on.some((o) => o.cause === 'push')) return undefined;
  const number = Number(payload.number);
  // By number, for another revision may be current by now.
  const [after, before] = [await revisionByNumber(tx, project, number), await revisionByNumber(tx, project, number - 1)];
  // What is new has changed nothing.
  if (!after || !before || !Object.hasOwn(before.definition.retraining, policy.name)) return undefined;
  const changed = await changesOf(tx, before, after, policy.pipeline);
  if (changed.length === 0) return undefined;
  return {
    cause: 'push',
    subject: { kind: 'project-revision', id: subject.id },
    fingerprint: `push ${subject.id}`,
    reason: `revision ${number} changed ${changed.slice(0, 3).join(', ')}${changed.length > 3 ? ` and ${changed.length - 3} more` : ''}`,
    figures: { revision: number, changed: changed.length },
  };
}

/** What of a pipeline two revisions differ in: the pipeline itself, and the files of code that its steps run. */
async function changesOf(tx: Ctx, before: Revision, after: Revision, name: string): Promise<string[]> {
  const [a, b] = [before.definition.pipelines[name], after.definition.pipelines[name]];
  if (!a || !b) return [];
  const filesOf = async (revision: Revision, pipeline: typeof a): Promise<Map<string, string>> => {
    const files = await snapshotFiles(tx, revision.snapshot);
    return new Map(pipeline.steps.flatMap((s) => (s.kind === 'run' ? Object.entries(codeFiles(s, files)) : [])));
  };
  const [then, now] = [await filesOf(before, a), await filesOf(after, b)];
  const paths = [...new Set([...then.keys(), ...now.keys()])].sort().filter((path) => then.get(path) !== now.get(path));
  return [...(JSON.stringify(a) === JSON.stringify(b) ? [] : [`pipeline ${name}`]), ...paths];
}
