// gyre retrain, retraining, freeze, unfreeze: what keeps a model good, and the two ways to stop it.
import type { Command } from 'commander';
import { path } from '../../kernel/cli/client.ts';
import { exitCodes } from '../../kernel/cli/exit-codes.ts';
import { table } from '../../kernel/cli/terminal.ts';
import { act, type Program } from './command.ts';
import { decisionLines, type Decision } from './models.ts';
import { limited, newest, type Limited } from './newest.ts';

interface Trigger {
  readonly id: string;
  readonly policy: string;
  readonly cause: string;
  readonly subject: { readonly kind: string; readonly id: string } | null;
  readonly reason: string;
  readonly state: string;
  readonly guard: string | null;
  readonly outcome: string | null;
  readonly waitsFor: string | null;
  readonly figures: Readonly<Record<string, unknown>>;
  readonly params: Readonly<Record<string, unknown>> | null;
  readonly forced: boolean;
  readonly by: string;
  readonly at: string;
  readonly acceptedAt: string | null;
  readonly endedAt: string | null;
  readonly run: string | null;
  readonly version: string | null;
  readonly decision: string | null;
  readonly decided: Decision | null;
  readonly release: string | null;
}
interface Policy {
  readonly name: string;
  readonly pipeline: string;
  readonly endpoint: string;
  readonly on: readonly string[];
  readonly state: string;
  readonly because: string | null;
  readonly useless: number;
  readonly stopAfter: number;
  readonly cooldownEndsAt: string | null;
  readonly budget: { readonly used: number; readonly runs: number; readonly per: string } | null;
  readonly minNewLabels: number;
  readonly approval: string;
  readonly release: boolean;
  readonly last: Trigger | null;
}

const minute = (iso: string | null): string => (iso === null ? '-' : iso.slice(0, 16).replace('T', ' '));
const pairs = (record: Readonly<Record<string, unknown>>): string =>
  Object.entries(record)
    .map(([name, value]) => `${name}=${typeof value === 'number' ? Number(value.toPrecision(6)) : String(value)}`)
    .join('  ');

/** What became of a trigger, or what it waits for, in words. */
const fate = (t: Trigger): string => t.outcome ?? (t.waitsFor === null ? '' : `waits for ${t.waitsFor}`);

const triggerTable = (items: readonly Trigger[]): string[] =>
  table(items, [
    { title: 'TRIGGER', value: (t) => t.id },
    { title: 'AT', value: (t) => minute(t.at) },
    { title: 'POLICY', value: (t) => t.policy },
    { title: 'CAUSE', value: (t) => t.cause },
    { title: 'STATE', value: (t) => (t.guard === null ? t.state : `${t.state} (${t.guard})`) },
    { title: 'WHY', value: (t) => (fate(t) === '' ? t.reason : fate(t)) },
  ]);

const triggerLines = (t: Trigger): string[] => [
  `${t.id}  ${t.policy}: ${t.state}${t.guard === null ? '' : ` by the guard rail "${t.guard}"`}`,
  `  cause     ${t.cause}: ${t.reason}${t.forced ? ' (with --force)' : ''}`,
  ...(t.subject === null ? [] : [`  raised by ${t.subject.kind} ${t.subject.id}`]),
  `  at        ${minute(t.at)} of event time, by ${t.by}`,
  ...(Object.keys(t.figures).length === 0 ? [] : [`  figures   ${pairs(t.figures)}`]),
  ...(t.acceptedAt === null ? [] : [`  accepted  ${minute(t.acceptedAt)}`]),
  ...(t.params === null || Object.keys(t.params).length === 0 ? [] : [`  params    ${pairs(t.params)}`]),
  ...(t.run === null ? [] : [`  run       ${t.run}  (gyre logs ${t.run} STEP)`]),
  ...(t.version === null ? [] : [`  version   ${t.version}`]),
  ...(t.decided === null ? [] : decisionLines(t.decided).map((l, i) => `  ${i === 0 ? 'decision' : '        '}  ${l.trim()}`)),
  ...(t.release === null ? [] : [`  release   ${t.release}`]),
  ...(t.outcome === null ? [] : [`  outcome   ${t.outcome}${t.endedAt === null ? '' : ` (${minute(t.endedAt)})`}`]),
  ...(t.waitsFor === null ? [] : [`  waits for ${t.waitsFor}`]),
  ...(t.state === 'waiting-approval' ? [`            gyre retraining approve ${t.id}  (or reject)`] : []),
];

const policyLines = (p: Policy): string[] => [
  `${p.name}: ${p.state}${p.because === null ? '' : `, ${p.because}`}`,
  `  runs      pipeline ${p.pipeline}${p.release ? `, releases to ${p.endpoint}` : ', releases nothing'}`,
  `  on        ${p.on.join(', ')}`,
  `  approval  ${p.approval}`,
  `  cooldown  ${p.cooldownEndsAt === null ? 'over' : `until ${minute(p.cooldownEndsAt)}`}`,
  ...(p.budget === null ? [] : [`  budget    ${p.budget.used} of ${p.budget.runs} runs per ${p.budget.per} used`]),
  ...(p.minNewLabels === 0 ? [] : [`  labels    at least ${p.minNewLabels} new ones`]),
  `  useless   ${p.useless} in a row; it stops after ${p.stopAfter}`,
  ...(p.last === null ? [] : [`  last      ${p.last.id} ${p.last.state}: ${fate(p.last) || p.last.reason}`]),
];

export function retrainingCommands(program: Program, root: Command): void {
  act<[string], { reason?: string; force?: true }>(
    program,
    root
      .command('retrain')
      .description('ask for a retraining now; says whether the guard rails let it pass')
      .argument('<policy>', 'its name under "retraining:" in gyre.yaml')
      .option('--reason <text>', 'why, for the record')
      .option('--force', 'waive cooldown, budget, new labels and a halt'),
    async (use, policy) => {
      const t = await use.client().post<Trigger>(path`/projects/${await use.project()}/retraining/${policy}/trigger`, {
        ...(use.options.reason ? { reason: use.options.reason } : {}),
        ...(use.options.force ? { force: true } : {}),
      });
      use.print(t, () => triggerLines(t));
      return t.state === 'suppressed' ? exitCodes.failed : exitCodes.ok;
    },
  );

  const retraining = root.command('retraining').description('retraining policies, their triggers, and what holds them');
  act(program, retraining.command('list').description('policies and where each stands'), async (use) => {
    const { items } = await use.client().get<{ items: Policy[] }>(path`/projects/${await use.project()}/retraining`);
    use.print(items, () =>
      table(items, [
        { title: 'POLICY', value: (p) => p.name },
        { title: 'STATE', value: (p) => p.state },
        { title: 'PIPELINE', value: (p) => p.pipeline },
        { title: 'ENDPOINT', value: (p) => p.endpoint },
        { title: 'COOLDOWN', value: (p) => (p.cooldownEndsAt === null ? 'over' : `until ${minute(p.cooldownEndsAt)}`) },
        { title: 'LAST TRIGGER', value: (p) => (p.last === null ? null : `${p.last.id} ${p.last.state}`) },
        { title: 'BECAUSE', value: (p) => p.because },
      ]),
    );
  });
  act<[string]>(
    program,
    retraining.command('show').description('a policy, or a trigger with its figures').argument('<policy|trigger>', 'a name, or an id'),
    async (use, which) => {
      if (which.startsWith('trg_')) {
        const t = await use.client().get<Trigger>(path`/triggers/${which}`);
        return use.print(t, () => triggerLines(t));
      }
      const policy = await use.client().get<Policy>(path`/projects/${await use.project()}/retraining/${which}`);
      return use.print(policy, () => policyLines(policy));
    },
  );
  act<[string | undefined], Limited>(
    program,
    limited(
      retraining
        .command('triggers')
        .description('every reason to retrain, accepted or suppressed, newest first')
        .argument('[policy]', 'of one policy only'),
    ),
    async (use, policy) => {
      const of = policy === undefined ? '' : `?policy=${encodeURIComponent(policy)}`;
      const items = await newest<Trigger>(use, `${path`/projects/${await use.project()}/triggers`}${of}`, use.options.limit);
      use.print(items, () => triggerTable(items));
    },
  );
  act<[string]>(
    program,
    retraining.command('approve').description('let a trigger that waits for a person go on').argument('<trigger>', 'its id'),
    async (use, id) => {
      const t = await use.client().post<Trigger>(path`/triggers/${id}/approve`);
      use.print(t, () => [`${id} is ${t.state}; "gyre retraining show ${id}" says how it goes`]);
    },
  );
  act<[string], { reason?: string }>(
    program,
    retraining
      .command('reject')
      .description('end a trigger that waits for a person')
      .argument('<trigger>', 'its id')
      .option('--reason <text>', 'why, for the record'),
    async (use, id) => {
      const t = await use.client().post<Trigger>(path`/triggers/${id}/reject`, use.options.reason ? { reason: use.options.reason } : {});
      use.print(t, () => [`${id} is ${t.state}`]);
    },
  );
  act<[string | undefined], { reason: string; all?: true }>(
    program,
    retraining
      .command('stop')
      .description('stop retraining: nothing new is accepted, what is open ends, runs under way are cancelled')
      .argument('[policy]', 'one policy; otherwise the whole project')
      .requiredOption('--reason <text>', 'why, for the record')
      .option('--all', 'every project of the workspace'),
    async (use, policy) => {
      const { reason, all } = use.options;
      const at = all ? '/retraining/stop' : path`/projects/${await use.project()}/retraining/stop`;
      const done = await use
        .client()
        .post<{ scope: string; ended: string[] }>(at, { reason, ...(policy === undefined || all ? {} : { policy }) });
      use.print(done, () => [
        `retraining of ${done.scope} is stopped; ${done.ended.length} open ${done.ended.length === 1 ? 'trigger was' : 'triggers were'} ended`,
        ...done.ended.map((id) => `  ${id}`),
      ]);
    },
  );
  act<[string | undefined], { all?: true }>(
    program,
    retraining
      .command('resume')
      .description('let retraining go on that was stopped, or halted after tries that did not help')
      .argument('[policy]', 'one policy; otherwise the whole project')
      .option('--all', 'lift the stop of every project of the workspace'),
    async (use, policy) => {
      const { all } = use.options;
      const at = all ? '/retraining/resume' : path`/projects/${await use.project()}/retraining/resume`;
      const done = await use
        .client()
        .post<{ scope: string; stillStopped: string | null }>(at, all ? undefined : policy === undefined ? {} : { policy });
      use.print(done, () => [
        done.stillStopped === null
          ? `retraining of ${done.scope} goes on`
          : `retraining of ${done.scope} would go on, but it is stopped still: ${done.stillStopped}`,
      ]);
    },
  );

  act<[string], { reason: string }>(
    program,
    root
      .command('freeze')
      .description('freeze an endpoint: no release of it begins or goes on; a rollback stays possible')
      .argument('<endpoint>', 'its name in gyre.yaml')
      .requiredOption('--reason <text>', 'why, for the record'),
    async (use, endpoint) => {
      const done = await use
        .client()
        .post<{ endpoint: string; since: string }>(path`/projects/${await use.project()}/endpoints/${endpoint}/freeze`, {
          reason: use.options.reason,
        });
      use.print(done, () => [`${endpoint} is frozen since ${minute(done.since)}; "gyre unfreeze ${endpoint}" lets it move again`]);
    },
  );
  act<[string]>(
    program,
    root.command('unfreeze').description('let a frozen endpoint move again').argument('<endpoint>', 'its name in gyre.yaml'),
    async (use, endpoint) => {
      await use.client().send('DELETE', path`/projects/${await use.project()}/endpoints/${endpoint}/freeze`);
      use.print({ endpoint, frozen: false }, () => [`${endpoint} may move again`]);
    },
  );
}
