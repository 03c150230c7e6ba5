// gyre alerts: what fires, why, who was told, and what a rule would have done.
import type { Command } from 'commander';
import { path } from '../../kernel/cli/client.ts';
import { count, table } from '../../kernel/cli/terminal.ts';
import { deliveryColumns, deliveryCommands, minute, type Delivery } from './alert-deliveries.ts';
import { act, moment, type Program } from './command.ts';
import { limited, newest, type Limited } from './newest.ts';

interface Evidence {
  readonly window: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly n: number;
  readonly method: string;
}
interface Alert {
  readonly id: string;
  readonly rule: string;
  readonly monitor: string;
  readonly severity: string;
  readonly state: string;
  readonly muted: string;
  readonly silenced: boolean;
  readonly summary: string;
  readonly startedAt: string;
  readonly evidence: Evidence;
  readonly history: readonly ({ readonly state: string; readonly at: string; readonly why: string } & Evidence)[];
}
interface Rule {
  readonly name: string;
  readonly managedBy: string;
  readonly when: string;
  readonly for: string;
  readonly severity: string;
  readonly receivers: readonly string[];
  readonly state: string;
  readonly noDataSince: string | null;
  readonly noDataReason: string;
}
interface Tested {
  readonly rule: string;
  readonly when: string;
  readonly for: string;
  readonly windows: number;
  readonly withoutData: number;
  readonly noDataReason: string;
  readonly transitions: readonly ({ readonly state: string; readonly at: string } & Evidence)[];
  readonly end: string;
}
interface Silence {
  readonly id: string;
  readonly matchers: readonly string[];
  readonly startsAt: string;
  readonly endsAt: string;
  readonly author: string;
  readonly comment: string;
  readonly state: string;
}
const short = (x: number | null): string | null => (x === null ? null : String(Number(x.toPrecision(4))));

const evidenceColumns = <T extends Evidence>() => [
  { title: 'VALUE', value: (e: T) => short(e.value), right: true as const },
  { title: 'THRESHOLD', value: (e: T) => short(e.threshold), right: true as const },
  { title: 'N', value: (e: T) => count(e.n), right: true as const },
  { title: 'WINDOW', value: (e: T) => e.window },
];

const told = (a: Alert): string => (a.muted !== '' ? `muted: ${a.muted}` : a.silenced ? 'silenced' : '');

export function alertCommands(program: Program, root: Command): void {
  const alerts = root.command('alerts').description('what fires, why, and who was told');
  readCommands(program, alerts);
  testCommand(program, alerts);
  silenceCommands(program, alerts);
  deliveryCommands(program, alerts);
}

function readCommands(program: Program, alerts: Command): void {
  act<[], { state?: string; monitor?: string } & Limited>(
    program,
    limited(
      alerts
        .command('list')
        .description('alerts, newest first')
        .option('--state <state>', 'active, pending, firing, recovering, resolved or dropped')
        .option('--monitor <name>', 'of one monitor'),
    ),
    async (use) => {
      const { state, monitor, limit } = use.options;
      const query = new URLSearchParams({ ...(state ? { state } : {}), ...(monitor ? { monitor } : {}) });
      const items = await newest<Alert>(use, `${path`/projects/${await use.project()}/alerts`}?${query}`, limit);
      use.print(items, () =>
        table(items, [
          { title: 'ALERT', value: (a) => a.id },
          { title: 'RULE', value: (a) => a.rule },
          { title: 'STATE', value: (a) => a.state },
          { title: 'SINCE', value: (a) => minute(a.history.at(-1)?.at ?? a.startedAt) },
          { title: 'SEVERITY', value: (a) => a.severity },
          { title: 'VALUE', value: (a) => short(a.evidence.value), right: true },
          { title: 'THRESHOLD', value: (a) => short(a.evidence.threshold), right: true },
          { title: 'N', value: (a) => count(a.evidence.n), right: true },
          { title: 'TOLD', value: (a) => told(a) },
        ]),
      );
    },
  );

  act<[string]>(
    program,
    alerts.command('show').description('an alert, each state it was in, and who was told').argument('<id>', 'alr_…'),
    async (use, id) => {
      const project = await use.project();
      const alert = await use.client().get<Alert>(path`/projects/${project}/alerts/${id}`);
      const deliveries = await newest<Delivery>(use, path`/projects/${project}/alert-deliveries?alert=${id}`, '100');
      use.print({ ...alert, deliveries }, () => [
        `${alert.rule} (${alert.severity}) of monitor ${alert.monitor}: ${alert.state}${told(alert) === '' ? '' : `, ${told(alert)}`}`,
        ...(alert.summary === '' ? [] : [alert.summary]),
        '',
        ...table(alert.history, [
          { title: 'AT', value: (h) => minute(h.at) },
          { title: 'STATE', value: (h) => h.state },
          ...evidenceColumns<Alert['history'][number]>(),
          { title: 'METHOD', value: (h) => (h.why === '' ? h.method : h.why) },
        ]),
        ...(deliveries.length === 0 ? [] : ['', ...table(deliveries.toReversed(), deliveryColumns)]),
      ]);
    },
  );

  act(program, alerts.command('rules').description('alert rules, those of every monitor too, and the state of each'), async (use) => {
    const { items } = await use.client().get<{ items: Rule[] }>(path`/projects/${await use.project()}/alert-rules`);
    use.print(items, () =>
      table(items, [
        { title: 'RULE', value: (r) => r.name },
        { title: 'STATE', value: (r) => (r.noDataSince === null ? r.state : `${r.state}, no data since ${minute(r.noDataSince)}`) },

        { title: 'WHEN', value: (r) => r.when },
        { title: 'FOR', value: (r) => r.for },
        { title: 'SEVERITY', value: (r) => r.severity },
        { title: 'RECEIVERS', value: (r) => r.receivers.join(', ') },
        { title: 'FROM', value: (r) => r.managedBy },
        { title: 'NO DATA BECAUSE', value: (r) => r.noDataReason },
      ]),
    );
  });
}

function testCommand(program: Program, alerts: Command): void {
  act<[string | undefined], { when?: string; for?: string; keepFiringFor?: string; from?: string; to?: string }>(
    program,
    alerts
      .command('test')
      .description('what a rule would have done over past windows; nothing is sent')
      .argument('[rule]', 'a rule of the project')
      .option('--when <text>', 'a rule that is not written yet: "MONITOR.SIGNAL CONDITION"')
      .option('--for <text>', '2 windows, 2 of 3 windows, or a duration; with a rule, instead of its own')
      .option('--keep-firing-for <time>', 'a duration; with a rule, instead of its own')
      .option('--from <moment>', 'windows that end after it, UTC')
      .option('--to <moment>', 'windows that begin before it, UTC'),
    async (use, rule) => {
      const { when, for: holding, keepFiringFor, from, to } = use.options;
      const tested = await use.client().post<Tested>(path`/projects/${await use.project()}/alerts/test`, {
        ...(rule === undefined ? {} : { rule }),
        ...(when === undefined ? {} : { when }),
        ...(holding === undefined ? {} : { for: holding }),
        ...(keepFiringFor === undefined ? {} : { keepFiringFor }),
        ...(from === undefined ? {} : { from: moment(from) }),
        ...(to === undefined ? {} : { to: moment(to) }),
      });
      const fired = tested.transitions.filter((t) => t.state === 'firing').length;
      const without = ` (${tested.withoutData} without data${tested.noDataReason === '' ? '' : `: ${tested.noDataReason}`})`;
      use.print(tested, () => [
        `${tested.when}, for ${tested.for}: over ${tested.windows} ${tested.windows === 1 ? 'window' : 'windows'}${without} it would have fired ${fired === 1 ? 'once' : `${fired} times`}; it ends ${tested.end}`,
        ...table(tested.transitions, [
          { title: 'AT', value: (t) => minute(t.at) },
          { title: 'STATE', value: (t) => t.state },
          ...evidenceColumns<Tested['transitions'][number]>(),
          { title: 'METHOD', value: (t) => t.method },
        ]),
      ]);
    },
  );
}

function silenceCommands(program: Program, alerts: Command): void {
  act<[string[]], { from?: string; until: string; comment: string }>(
    program,
    alerts
      .command('silence')
      .description('hold back what is told of alerts whose labels match')
      .argument('<matcher...>', 'label=value, label!=value, label=~expression or label!~expression')
      .requiredOption('--until <moment>', 'event time, UTC')
      .option('--from <moment>', 'event time, UTC; otherwise now')
      .requiredOption('--comment <text>', 'why'),
    async (use, matchers) => {
      const { from, until, comment } = use.options;
      const made = await use.client().post<Silence>(path`/projects/${await use.project()}/silences`, {
        matchers,
        endsAt: moment(until),
        comment,
        ...(from === undefined ? {} : { startsAt: moment(from) }),
      });
      use.print(made, () => [`silence ${made.id} lasts until ${made.endsAt}`]);
    },
  );
  act<[], { expired?: true }>(
    program,
    alerts.command('silences').description('silences that have not ended').option('--expired', 'those that have, too'),
    async (use) => {
      const query = use.options.expired ? '?expired=true' : '';
      const { items } = await use.client().get<{ items: Silence[] }>(`${path`/projects/${await use.project()}/silences`}${query}`);
      use.print(items, () =>
        table(items, [
          { title: 'SILENCE', value: (s) => s.id },
          { title: 'STATE', value: (s) => s.state },
          { title: 'MATCHERS', value: (s) => s.matchers.join(' ') },
          { title: 'UNTIL', value: (s) => minute(s.endsAt) },
          { title: 'AUTHOR', value: (s) => s.author },
          { title: 'COMMENT', value: (s) => s.comment },
        ]),
      );
    },
  );
  act<[string]>(
    program,
    alerts.command('unsilence').description('end a silence now; what still fires is told').argument('<id>', 'sil_…'),
    async (use, id) => {
      await use.client().send('DELETE', path`/projects/${await use.project()}/silences/${id}`);
      use.print({ id }, () => [`${id} has ended`]);
    },
  );
}
