// Removal for good, as typed: without --yes it only tells what would go.
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { count, table } from '../../../kernel/cli/terminal.ts';
import { defineErrors } from '../../../kernel/errors.ts';
import type { Use } from '../command.ts';

export interface PurgeOptions {
  readonly olderThan?: string;
  readonly dryRun?: true;
  readonly yes?: true;
}
interface Counts {
  readonly runs: number;
  readonly loggedModels: number;
  readonly points: number;
  readonly files: number;
  readonly bytes: number;
}
interface PurgeReply {
  readonly id: string;
  readonly state: 'running' | 'done';
  readonly experiments: readonly (Counts & { readonly id: string; readonly removed: boolean })[];
  readonly total: Counts & { readonly experiments: number };
  readonly kept: readonly { readonly kind: string; readonly id: string; readonly why: string }[];
  readonly keptCount: number;
  readonly artifactsLeft: number;
}

const { fail } = defineErrors({
  'age-form': {
    status: 400,
    title: 'An age is not understood',
    detail: (p: { given: string }) => `"${p.given}" is no age; write a number of days or hours, for example 30d or 12h.`,
  },
});

export const purgeOptions = (command: Command): Command =>
  command
    .option('--older-than <age>', 'only what was deleted so long ago: 30d, 12h')
    .option('--dry-run', 'tell what would go and what would stay')
    .option('--yes', 'remove it; it cannot be restored');

function daysOf(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([dh])$/.exec(text) ?? fail('age-form', { given: text });
  return Number(number) / (unit === 'h' ? 24 : 1);
}

export async function purge(
  use: Use<PurgeOptions>,
  scope: { experimentIds?: readonly string[]; runIds?: readonly string[] },
): Promise<number> {
  const { options, terminal } = use;
  const client = use.client();
  const dryRun = options.dryRun === true || options.yes !== true;
  let found = await client.post<PurgeReply>('/tracking-purges', {
    ...scope,
    ...(options.olderThan === undefined ? {} : { olderThanDays: daysOf(options.olderThan) }),
    ...(dryRun ? { dryRun: true } : { confirm: 'purge' }),
  });
  for (let wait = 50; found.state === 'running'; wait = Math.min(wait * 1.5, 1000)) {
    await delay(wait);
    found = await client.get<PurgeReply>(path`/tracking-purges/${found.id}`);
  }
  const { total } = found;
  use.print(found, () => [
    ...table(found.experiments, [
      { title: 'EXPERIMENT', value: (e) => (e.removed ? `${e.id} (itself)` : e.id) },
      { title: 'RUNS', value: (e) => count(e.runs), right: true },
      { title: 'MODELS', value: (e) => count(e.loggedModels), right: true },
      { title: 'POINTS', value: (e) => count(e.points), right: true },
      { title: 'FILES', value: (e) => count(e.files), right: true },
      { title: 'BYTES', value: (e) => count(e.bytes), right: true },
    ]),
    `${dryRun ? 'would remove' : 'removed'} ${count(total.experiments)} experiments, ${count(total.runs)} runs, ${count(total.loggedModels)} logged models, ${count(total.bytes)} bytes of artifacts`,
  ]);
  for (const k of found.kept.slice(0, 20)) terminal.say(`stays: ${k.kind} ${k.id}: ${k.why}`);
  if (found.keptCount > 20) terminal.say(`and ${count(found.keptCount - 20)} more stay; --json lists them`);
  if (found.artifactsLeft > 0)
    terminal.say(`${count(found.artifactsLeft)} folders of artifacts are in places that this server does not touch`);
  if (dryRun && options.dryRun !== true) terminal.say('Nothing was removed. Add --yes to remove it for good.');
  return exitCodes.ok;
}
