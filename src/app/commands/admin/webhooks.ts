// gyre webhooks: where the news of the registry is sent.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { table } from '../../../kernel/cli/terminal.ts';
import { act, type Program } from '../command.ts';
import { limited, newest, type Limited } from '../newest.ts';

interface Webhook {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly signed: boolean;
  readonly status: string;
}
interface Tried {
  readonly success: boolean;
  readonly status: number | null;
  readonly answer: string;
  readonly error: string;
}
interface Delivery {
  readonly id: string;
  readonly event: string;
  readonly state: string;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string;
  readonly createdAt: string;
}

const minute = (iso: string): string => iso.slice(0, 16).replace('T', ' ');

export function webhookCommands(program: Program, root: Command): void {
  const webhooks = root.command('webhooks').description('where the news of the registry is sent');
  act(program, webhooks.command('list').description('webhooks, newest first; secrets are never shown'), async (use) => {
    const items: Webhook[] = [];
    for await (const webhook of use.client().all<Webhook>('/webhooks')) items.push(webhook);
    use.print(items, () =>
      table(items, [
        { title: 'WEBHOOK', value: (w) => w.id },
        { title: 'NAME', value: (w) => w.name },
        { title: 'STATUS', value: (w) => w.status },
        { title: 'SIGNED', value: (w) => (w.signed ? 'yes' : 'no') },
        { title: 'ADDRESS', value: (w) => w.url },
        { title: 'EVENTS', value: (w) => w.events.join(', ') },
      ]),
    );
  });
  act<[string, string], { event: string[]; secretFile?: string; description?: string }>(
    program,
    webhooks
      .command('create')
      .description('send events of the registry to an address')
      .argument('<name>')
      .argument('<url>', 'https, at a public address')
      .requiredOption('--event <event...>', 'for example model_version.created model_version_alias.created')
      .option('--secret-file <file>', 'the file that holds what deliveries are signed with')
      .option('--description <text>', 'what it is for'),
    async (use, name, url) => {
      const { event, secretFile, description } = use.options;
      const webhook = await use.client().post<Webhook>('/webhooks', {
        name,
        url,
        events: event,
        ...(description === undefined ? {} : { description }),
        ...(secretFile === undefined ? {} : { secret: readFileSync(secretFile, 'utf8').trim() }),
      });
      use.print(webhook, () => [`${webhook.id} sends ${webhook.events.join(', ')} to ${webhook.url}${webhook.signed ? ', signed' : ''}`]);
    },
  );
  act<[string], { event?: string }>(
    program,
    webhooks
      .command('test')
      .description('send an example at once')
      .argument('<id>', 'whk_…')
      .option('--event <event>', 'an example of this event; otherwise of the first that it listens to'),
    async (use, id) => {
      const { event } = use.options;
      const tried = await use.client().post<Tried>(path`/webhooks/${id}/test`, event === undefined ? {} : { event });
      use.print(tried, () => [tried.status === null ? tried.error : `status ${tried.status}: ${tried.answer}`]);
      return tried.success ? 0 : 1;
    },
  );
  const setStatus = (verb: 'disable' | 'enable', status: string, what: string): Command =>
    act<[string]>(program, webhooks.command(verb).description(what).argument('<id>', 'whk_…'), async (use, id) => {
      const webhook = await use.client().send<Webhook>('PATCH', path`/webhooks/${id}`, { status });
      use.print(webhook, () => [`${webhook.name} is ${webhook.status}`]);
    });
  setStatus('disable', 'DISABLED', 'send nothing to it until it is enabled');
  setStatus('enable', 'ACTIVE', 'send to it again, from now on');
  act<[string]>(
    program,
    webhooks.command('delete').description('remove it and the record of its deliveries').argument('<id>', 'whk_…'),
    async (use, id) => {
      await use.client().send('DELETE', path`/webhooks/${id}`);
      use.print({ id }, () => [`${id} is removed`]);
    },
  );
  act<[string], Limited>(
    program,
    limited(webhooks.command('deliveries').description('what was sent to it in the last 30 days, newest first').argument('<id>', 'whk_…')),
    async (use, id) => {
      const items = await newest<Delivery>(use, path`/webhooks/${id}/deliveries`, use.options.limit);
      use.print(items, () =>
        table(items, [
          { title: 'DELIVERY', value: (d) => d.id },
          { title: 'EVENT', value: (d) => d.event },
          { title: 'STATE', value: (d) => d.state },
          { title: 'TRIES', value: (d) => d.attempts, right: true },
          { title: 'STATUS', value: (d) => d.lastStatus, right: true },
          { title: 'CREATED', value: (d) => minute(d.createdAt) },
          { title: 'ERROR', value: (d) => d.lastError },
        ]),
      );
    },
  );
}
