// gyre trial: versions side by side on live traffic, until a rule that was fixed before says which is better.
import type { Command } from 'commander';
import { table } from '../../../kernel/cli/terminal.ts';
import { act, assignments, type Program } from '../command.ts';
import { limited, newest, type Limited } from '../newest.ts';
import { ENDPOINT, planCommand, TRIAL, trialPath } from './trial-plan.ts';
import {
  describePlan,
  describeReadout,
  describeStep,
  describeSteering,
  describeTrial,
  type ReadoutRow,
  type StepRow,
  type TrialRow,
} from './trial-status.ts';

/** An action that takes a reason and answers with the trial. */
function steer(program: Program, trial: Command, action: string, description: string): void {
  act<[string, string], { reason: string }>(
    program,
    trial
      .command(action)
      .description(description)
      .argument('<endpoint>', ENDPOINT)
      .argument('<trial>', TRIAL)
      .requiredOption('--reason <text>', 'why, for the record'),
    async (use, endpoint, name) => {
      const { reason } = use.options;
      const found = await use.client().post<TrialRow>(`${await trialPath(use, endpoint, name)}/${action}`, { reason });
      use.print(found, () => [...describeTrial(found), ...describeSteering(found)]);
    },
  );
}

export function trialCommands(program: Program, root: Command): void {
  const trial = root.command('trial').description('compare versions on live traffic by a rule fixed before');
  planCommand(program, trial);
  act<[string, string]>(
    program,
    trial.command('start').description('split the traffic between the arms').argument('<endpoint>', ENDPOINT).argument('<trial>', TRIAL),
    async (use, endpoint, name) => {
      const found = await use.client().post<TrialRow>(`${await trialPath(use, endpoint, name)}/start`, {});
      use.print(found, () => describeTrial(found));
    },
  );
  act<[string, string]>(
    program,
    trial.command('status').description('plan, standing and decision').argument('<endpoint>', ENDPOINT).argument('<trial>', TRIAL),
    async (use, endpoint, name) => {
      const found = await use.client().get<TrialRow>(await trialPath(use, endpoint, name));
      use.print(found, () => [...describeTrial(found), ...describeSteering(found), ...describePlan(found)]);
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
      const found = await use.client().get<ReadoutRow>(`${await trialPath(use, endpoint, name)}/readout`);
      use.print(found, () => describeReadout(found));
    },
  );
  steer(program, trial, 'pause', 'all traffic to the control, until it is resumed');
  steer(program, trial, 'resume', 'split the traffic again; what was counted still counts, unless the measurement was at fault');
  steer(program, trial, 'stop', 'all traffic to the control again, without a result');
  act<[string, string], { reason: string; weight?: readonly string[] }>(
    program,
    trial
      .command('freeze-weights')
      .description('the kill switch of a bandit: its weights stay, until thaw-weights')
      .argument('<endpoint>', ENDPOINT)
      .argument('<trial>', TRIAL)
      .requiredOption('--reason <text>', 'why, for the record')
      .option('--weight <arm=share>', 'a weight to stay at, once for each arm; one left out gets the rest. Otherwise as they are', collect),
    async (use, endpoint, name) => {
      const { reason, weight } = use.options;
      const weights = Object.fromEntries(Object.entries(assignments(weight ?? [])).map(([arm, share]) => [arm, Number(share)]));
      const found = await use
        .client()
        .post<TrialRow>(`${await trialPath(use, endpoint, name)}/freeze-weights`, { reason, ...(weight ? { weights } : {}) });
      use.print(found, () => [...describeTrial(found), ...describeSteering(found)]);
    },
  );
  steer(program, trial, 'thaw-weights', 'let the weights of a bandit follow its rewards again');
  act<[string, string]>(
    program,
    trial
      .command('history')
      .description('what moved its traffic, and what each update of a bandit was computed from')
      .argument('<endpoint>', ENDPOINT)
      .argument('<trial>', TRIAL),
    async (use, endpoint, name) => {
      const base = await trialPath(use, endpoint, name);
      const steps: StepRow[] = [];
      for (let next: string | null = ''; next !== null;) {
        const page: { items: StepRow[]; nextCursor?: string | null } = await use
          .client()
          .get(`${base}/history?limit=500${next === '' ? '' : `&cursor=${encodeURIComponent(next)}`}`);
        steps.push(...page.items);
        next = page.nextCursor ?? null;
      }
      use.print(steps, () => steps.flatMap(describeStep));
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
      const found = await use
        .client()
        .post<TrialRow>(`${await trialPath(use, endpoint, name)}/decide`, { reason, promote: promote ?? false });
      use.print(found, () => describeTrial(found));
    },
  );
  act<[string], Limited>(
    program,
    limited(trial.command('list').description('trials of an endpoint, newest first').argument('<endpoint>', ENDPOINT)),
    async (use, endpoint) => {
      const items = await newest<TrialRow>(use, await trialPath(use, endpoint), use.options.limit);
      use.print(items, () =>
        table(items, [
          { title: 'TRIAL', value: (t) => t.name },
          { title: 'STATE', value: (t) => t.state },
          { title: 'KIND', value: (t) => t.kind },
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
