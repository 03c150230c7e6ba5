// gyre trial plan: what is fixed before a trial starts, for each kind of trial.
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { act, assignments, type Program, type Use } from '../command.ts';
import { describePlan, type TrialRow } from './trial-status.ts';

export const ENDPOINT = 'its name in gyre.yaml';
export const TRIAL = 'name of the trial';

export const trialPath = async <O>(use: Use<O>, endpoint: string, trial = ''): Promise<string> => {
  const base = path`/projects/${await use.project()}/endpoints/${endpoint}/trials`;
  return trial === '' ? base : `${base}/${encodeURIComponent(trial)}`;
};

interface PlanOptions {
  readonly arm: readonly string[];
  readonly weight?: readonly string[];
  readonly aa?: true;
  readonly bandit?: true;
  readonly metric: string;
  readonly effect: string;
  readonly alpha?: string;
  readonly power?: string;
  readonly rule?: string;
  readonly correction?: string;
  readonly covariate?: string;
  readonly beforeDays?: string;
  readonly lowerIsBetter?: true;
  readonly higherIsBetter?: true;
  readonly hypothesis?: string;
  readonly mean?: string;
  readonly variance?: string;
  readonly unitsPerDay?: string;
  readonly guardrail?: readonly string[];
  readonly guardrails: boolean;
  readonly guardUnits?: string;
  readonly maxDuration?: string;
  readonly reward?: string;
  readonly every?: string;
  readonly floor?: string;
  readonly cap?: string;
  readonly minRewards?: string;
  readonly halfLife?: string;
  readonly delay?: string;
  readonly missing?: string;
  readonly perRequest?: true;
  readonly seed?: string;
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

const numbers = (given: Readonly<Record<string, string | undefined>>): Record<string, number> =>
  Object.fromEntries(Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [[key, Number(value)]])));
const texts = (given: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));

/** error_rate, or latency_ms=5 with what is tolerated. */
const guardrailOf = (text: string): string | { metric: string; margin: number } => {
  const [metric, margin] = text.split('=');
  return margin === undefined ? text : { metric: metric!, margin: Number(margin) };
};

const BANDIT_HELP = `
Of a bandit (--bandit) the reward is the metric, and shares are numbers from 0 to 1:
  gyre trial plan late-arrival greedy --bandit --arm b=7 --metric accuracy \\
    --effect 0.02 --every 6h --floor 0.1`;

export function planCommand(program: Program, trial: Command): void {
  act<[string, string], PlanOptions>(
    program,
    trial
      .command('plan')
      .description('write a trial down, with the units and days that it needs; nothing is served yet')
      .argument('<endpoint>', ENDPOINT)
      .argument('<trial>', TRIAL)
      .requiredOption('--arm <name=version>', 'an arm beside the control; once for each (with --aa: the name alone)', collect)
      .option('--weight <name=share>', 'its share of the units (0.3); otherwise equal shares', collect)
      .option('--aa', 'A/A check: all arms serve what is served now')
      .option('--bandit', 'bandit: the weights follow the rewards (Thompson sampling)')
      .requiredOption('--metric <name>', 'label, accuracy, brier, log_loss, mae, error_rate or latency_ms')
      .requiredOption('--effect <number>', 'smallest difference worth finding, in the unit of the metric')
      .option('--alpha <number>', 'chance of a false winner, otherwise 0.05')
      .option('--power <number>', 'chance to find the effect, otherwise 0.8')
      .option('--rule <name>', 'fixed-horizon or confidence-sequence')
      .option('--correction <name>', 'holm or benjamini-hochberg')
      .option('--covariate <column>', 'a number in the request that explains part of the metric')
      .option('--before-days <number>', 'the same from the unit’s own metric in so many days before')
      .option('--lower-is-better', 'where the metric is usually read the other way')
      .option('--higher-is-better', 'the same')
      .option('--hypothesis <text>', 'what is expected, for the record')
      .option('--mean <number>', 'of the metric, where the log does not tell')
      .option('--variance <number>', 'of the metric in a unit')
      .option('--units-per-day <number>', 'where the log does not tell')
      .option('--guardrail <metric[=margin]>', 'stops the trial if an arm does harm by it, once for each; otherwise error_rate', collect)
      .option('--no-guardrails', 'nothing stops it but a person')
      .option('--guard-units <number>', 'units of an arm before a guardrail is asked, otherwise 100')
      .option('--max-duration <duration>', 'it ends after so long (14d), with what its rule says then')
      .option('--reward <kind>', 'of a bandit: binary or continuous; otherwise as the metric is')
      .option('--every <duration>', 'of a bandit: time between updates of the weights, otherwise 1d')
      .option('--floor <share>', 'of a bandit: what every arm gets at least, otherwise 0.05')
      .option('--cap <share>', 'of a bandit: what every arm gets at most, otherwise 1')
      .option('--min-rewards <number>', 'of a bandit: rewards of every arm before the weights move, otherwise 100')
      .option('--half-life <duration>', 'of a bandit: a reward weighs half after so long')
      .option('--delay <duration>', 'of a bandit: only predictions older than this count')
      .option('--missing <number>', 'of a bandit: what a prediction without a reward counts as after the delay')
      .option('--per-request', 'of a bandit: an arm for each request, not for each key')
      .option('--seed <number>', 'of a bandit: otherwise from project, endpoint and name')
      .addHelpText('after', BANDIT_HELP),
    async (use, endpoint, name) => {
      const o = use.options;
      const weights = assignments(o.weight ?? []);
      const arms = o.aa ? o.arm.map((arm) => [arm, undefined] as const) : Object.entries(assignments(o.arm));
      const bandit = {
        ...texts({ reward: o.reward, every: o.every, halfLife: o.halfLife, delay: o.delay }),
        ...numbers({ floor: o.floor, cap: o.cap, minRewards: o.minRewards, missing: o.missing, seed: o.seed }),
        ...(o.perRequest ? { assign: 'request' } : {}),
      };
      const made = await use.client().post<TrialRow>(await trialPath(use, endpoint), {
        ...{ name, metric: o.metric, effect: Number(o.effect) },
        arms: arms.map(([arm, version]) => ({
          name: arm,
          ...(version === undefined ? {} : { version: String(version) }),
          ...numbers({ weight: weights[arm] === undefined ? undefined : String(weights[arm]) }),
        })),
        ...(o.aa ? { kind: 'aa' } : o.bandit ? { kind: 'bandit' } : {}),
        ...(o.bandit || Object.keys(bandit).length > 0 ? { bandit } : {}),
        ...numbers({ alpha: o.alpha, power: o.power, guardUnits: o.guardUnits }),
        ...texts({ rule: o.rule, correction: o.correction, hypothesis: o.hypothesis, maxDuration: o.maxDuration }),
        ...(o.covariate ? { covariate: { column: o.covariate } } : o.beforeDays ? { covariate: { beforeDays: Number(o.beforeDays) } } : {}),
        ...(o.lowerIsBetter ? { higherIsBetter: false } : o.higherIsBetter ? { higherIsBetter: true } : {}),
        ...(o.guardrails ? (o.guardrail ? { guardrails: o.guardrail.map(guardrailOf) } : {}) : { guardrails: [] }),
        given: numbers({ mean: o.mean, variance: o.variance, unitsPerDay: o.unitsPerDay }),
      });
      use.print(made, () => [...describePlan(made), `"gyre trial start ${endpoint} ${name}" splits the traffic`]);
    },
  );
}
