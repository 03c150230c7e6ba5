// gyre trial: versions side by side on live traffic, until a rule that was fixed before says which is better.
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { table } from '../../../kernel/cli/terminal.ts';
import { act, assignments, type Program, type Use } from '../command.ts';
import { describePlan, describeReadout, describeTrial, type ReadoutRow, type TrialRow } from './trial-status.ts';

interface PlanOptions {
  readonly arm: readonly string[];
  readonly weight?: readonly string[];
  readonly aa?: true;
  readonly metric: string;
  readonly effect: string;
  readonly alpha?: string;
  readonly power?: string;
  readonly rule?: string;
  readonly correction?: string;
  readonly covariate?: string;
  readonly beforeDays?: string;
  readonly lowerIsBetter?: true;
  readonly hypothesis?: string;
  readonly mean?: string;
  readonly variance?: string;
  readonly unitsPerDay?: string;
}

const ENDPOINT = 'its name in gyre.yaml';
const TRIAL = 'name of the trial';

const at = async <O>(use: Use<O>, endpoint: string, trial = ''): Promise<string> => {
  const base = path`/projects/${await use.project()}/endpoints/${endpoint}/trials`;
  return trial === '' ? base : `${base}/${encodeURIComponent(trial)}`;
};

const numbers = (given: Readonly<Record<string, string | undefined>>): Record<string, number> =>
  Object.fromEntries(Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [[key, Number(value)]])));

export function trialCommands(program: Program, root: Command): void {
  const trial = root.command('trial').description('compare versions on live traffic by a rule fixed before');
  plan(program, trial);
  act<[string, string]>(
    program,
    trial.command('start').description('split the traffic between the arms').argument('<endpoint>', ENDPOINT).argument('<trial>', TRIAL),
    async (use, endpoint, name) => {
      const found = await use.client().post<TrialRow>(`${await at(use, endpoint, name)}/start`, {});
      use.print(found, () => describeTrial(found));
    },
  );
  act<[string, string]>(
    program,
    trial.command('status').description('plan, standing and decision').argument('<endpoint>', ENDPOINT).argument('<trial>', TRIAL),
    async (use, endpoint, name) => {
      const found = await use.client().get<TrialRow>(await at(use, endpoint, name));
      use.print(found, () => [...describeTrial(found), ...describePlan(found)]);
    },
  );
  act<[string, string]>(
    program,
    trial
      .command('readout')
      .description('what it shows now, with both kinds of interval, and what its rule says')
      .argument('<endpoint>', ENDPOINT)
      .argument('<trial>', TRIAL),
    async (use, endpoint, name) => {
      const found = await use.client().get<ReadoutRow>(`${await at(use, endpoint, name)}/readout`);
      use.print(found, () => describeReadout(found));
    },
  );
  act<[string, string], { reason: string }>(
    program,
    trial
      .command('stop')
      .description('all traffic to the control again, without a result')
      .argument('<endpoint>', ENDPOINT)
      .argument('<trial>', TRIAL)
      .requiredOption('--reason <text>', 'why, for the record'),
    async (use, endpoint, name) => {
      const { reason } = use.options;
      const found = await use.client().post<TrialRow>(`${await at(use, endpoint, name)}/stop`, { reason });
      use.print(found, () => describeTrial(found));
    },
  );
  act<[string, string], { reason: string; promote?: true }>(
    program,
    trial
      .command('decide')
      .description('end it with what its rule says')
      .argument('<endpoint>', ENDPOINT)
      .argument('<trial>', TRIAL)
      .requiredOption('--reason <text>', 'why now, for the record')
      .option('--promote', 'release the winner, with its gate and by the steps of the endpoint'),
    async (use, endpoint, name) => {
      const { reason, promote } = use.options;
      const found = await use.client().post<TrialRow>(`${await at(use, endpoint, name)}/decide`, { reason, promote: promote ?? false });
      use.print(found, () => describeTrial(found));
    },
  );
  act<[string]>(
    program,
    trial.command('list').description('trials of an endpoint, newest first').argument('<endpoint>', ENDPOINT),
    async (use, endpoint) => {
      const { items } = await use.client().get<{ items: TrialRow[] }>(`${await at(use, endpoint)}?limit=50`);
      use.print(items, () =>
        table(items, [
          { title: 'TRIAL', value: (t) => t.name },
          { title: 'STATE', value: (t) => t.state },
          { title: 'METRIC', value: (t) => t.metric },
          { title: 'ARMS', value: (t) => t.arms.map((a) => a.name).join(', ') },
          { title: 'UNITS', value: (t) => String(t.size.units) },
          { title: 'STANDING', value: (t) => t.standing },
        ]),
      );
    },
  );
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

function plan(program: Program, trial: Command): void {
  act<[string, string], PlanOptions>(
    program,
    trial
      .command('plan')
      .description('write a trial down, with the units and days that it needs; nothing is served yet')
      .argument('<endpoint>', ENDPOINT)
      .argument('<trial>', TRIAL)
      .requiredOption('--arm <name=version>', 'an arm beside the control; once for each (with --aa: the name alone)', collect)
      .option('--weight <name=share>', 'its share of the units; otherwise equal shares', collect)
      .option('--aa', 'A/A check: all arms serve what is served now')
      .requiredOption('--metric <name>', 'label, accuracy, brier, log_loss, mae, error_rate or latency_ms')
      .requiredOption('--effect <number>', 'smallest difference worth finding, in the unit of the metric')
      .option('--alpha <number>', 'chance of a false winner, otherwise 0.05')
      .option('--power <number>', 'chance to find the effect, otherwise 0.8')
      .option('--rule <name>', 'fixed-horizon or confidence-sequence')
      .option('--correction <name>', 'holm or benjamini-hochberg')
      .option('--covariate <column>', 'a number in the request that explains part of the metric')
      .option('--before-days <number>', 'the same from the unit’s own metric in so many days before')
      .option('--lower-is-better', 'against how the metric is usually read')
      .option('--hypothesis <text>', 'what is expected, for the record')
      .option('--mean <number>', 'of the metric, where the log does not tell')
      .option('--variance <number>', 'of the metric in a unit')
      .option('--units-per-day <number>', 'where the log does not tell'),
    async (use, endpoint, name) => {
      const o = use.options;
      const weights = assignments(o.weight ?? []);
      const arms = o.aa ? o.arm.map((arm) => [arm, undefined] as const) : Object.entries(assignments(o.arm));
      const made = await use.client().post<TrialRow>(await at(use, endpoint), {
        ...{ name, metric: o.metric, effect: Number(o.effect) },
        arms: arms.map(([arm, version]) => ({
          name: arm,
          ...(version === undefined ? {} : { version: String(version) }),
          ...numbers({ weight: weights[arm] === undefined ? undefined : String(weights[arm]) }),
        })),
        ...(o.aa ? { kind: 'aa' } : {}),
        ...numbers({ alpha: o.alpha, power: o.power }),
        ...(o.rule ? { rule: o.rule } : {}),
        ...(o.correction ? { correction: o.correction } : {}),
        ...(o.covariate ? { covariate: { column: o.covariate } } : o.beforeDays ? { covariate: { beforeDays: Number(o.beforeDays) } } : {}),
        ...(o.lowerIsBetter ? { higherIsBetter: false } : {}),
        ...(o.hypothesis ? { hypothesis: o.hypothesis } : {}),
        given: numbers({ mean: o.mean, variance: o.variance, unitsPerDay: o.unitsPerDay }),
      });
      use.print(made, () => [...describePlan(made), `"gyre trial start ${endpoint} ${name}" splits the traffic`]);
    },
  );
}
