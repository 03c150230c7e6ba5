// gyre alerts deliveries, redeliver and receivers: who was told, and who would be.
import type { Command } from 'commander';
import { path } from '../../kernel/cli/client.ts';
import { table, type Column } from '../../kernel/cli/terminal.ts';
import { act, type Program } from './command.ts';
import { limited, newest, type Limited } from './newest.ts';

export interface Delivery {
  readonly id: string;
  readonly alert: string | null;
  readonly receiver: string;
  readonly status: string;
  readonly reason: string;
  readonly state: string;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string;
  readonly createdAt: string;
}
interface Receiver {
  readonly name: string;
  readonly kind: string;
  readonly to: string;
  readonly repeat: string;
  readonly rules: readonly string[];
}

/** UTC, as every other table has it. */
export const minute = (iso: string): string => iso.slice(0, 16).replace('T', ' ');

export const deliveryColumns: readonly Column<Delivery>[] = [
  { title: 'DELIVERY', value: (d) => d.id },
  { title: 'RECEIVER', value: (d) => d.receiver },
  { title: 'STATE', value: (d) => d.state },
  { title: 'TELLS', value: (d) => d.reason },
  { title: 'TRIES', value: (d) => d.attempts, right: true },
  { title: 'STATUS', value: (d) => d.lastStatus, right: true },
  { title: 'CREATED', value: (d) => minute(d.createdAt) },
  { title: 'ERROR', value: (d) => d.lastError },
];

const deliveryLine = (d: Delivery): string =>
  `${d.id} to ${d.receiver}: ${d.state}${d.lastStatus === null ? '' : ` (status ${d.lastStatus})`}${d.lastError === '' ? '' : `, ${d.lastError}`}`;

export function deliveryCommands(program: Program, alerts: Command): void {
  act<[], { state?: string } & Limited>(
    program,
    limited(
      alerts
        .command('deliveries')
        .description('what was told to whom, newest first')
        .option('--state <state>', 'queued, delivered, failed (to be tried again) or dead'),
    ),
    async (use) => {
      const query = use.options.state ? `?${new URLSearchParams({ state: use.options.state })}` : '';
      const route = `${path`/projects/${await use.project()}/alert-deliveries`}${query}`;
      const items = await newest<Delivery>(use, route, use.options.limit);
      use.print(items, () =>
        table(items, [...deliveryColumns.slice(0, 4), { title: 'ALERT', value: (d) => d.alert }, ...deliveryColumns.slice(4)]),
      );
    },
  );
  act<[string]>(
    program,
    alerts.command('redeliver').description('deliver once more, under the same id').argument('<id>', 'dlv_…'),
    async (use, id) => {
      const again = await use.client().post<Delivery>(path`/projects/${await use.project()}/alert-deliveries/${id}/redeliver`);
      use.print(again, () => [deliveryLine(again)]);
    },
  );
  act<[], { send?: string }>(
    program,
    alerts
      .command('receivers')
      .description('receivers and the rules that name them')
      .option('--send <name>', 'send this one a message that says it is a test'),
    async (use) => {
      const project = await use.project();
      if (use.options.send !== undefined) {
        const sent = await use.client().post<Delivery>(path`/projects/${project}/receivers/${use.options.send}/test`);
        use.print(sent, () => [deliveryLine(sent)]);
        return sent.state === 'delivered' ? 0 : 1;
      }
      const { items } = await use.client().get<{ items: Receiver[] }>(path`/projects/${project}/receivers`);
      use.print(items, () =>
        table(items, [
          { title: 'RECEIVER', value: (r) => r.name },
          { title: 'KIND', value: (r) => r.kind },
          { title: 'TO', value: (r) => r.to },
          { title: 'REPEAT', value: (r) => r.repeat },
          { title: 'RULES', value: (r) => r.rules.join(', ') },
        ]),
      );
      return 0;
    },
  );
}
