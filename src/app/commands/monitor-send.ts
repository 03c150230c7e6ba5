// gyre monitor send, batches: records of a model that is served elsewhere, and labels.
import { createReadStream } from 'node:fs';
import { extname } from 'node:path';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { path, type Client } from '../../kernel/cli/client.ts';
import { count, table } from '../../kernel/cli/terminal.ts';
import { defineErrors } from '../../kernel/errors.ts';
import { act, type Program } from './command.ts';

const { fail } = defineErrors({
  'nothing-to-send': {
    status: 400,
    title: 'Nothing was named to be sent',
    detail: (_: object) => 'Name a file with --records or --feedback, or "-" for what comes on the standard input.',
  },
  'input-taken-twice': {
    status: 400,
    title: 'The standard input is read once',
    detail: (_: object) => 'Records and labels cannot both come on the standard input; name a file for one of them.',
  },
});

const TYPES: Readonly<Record<string, string>> = { '.parquet': 'application/vnd.apache.parquet', '.json': 'application/json' };

/** Parquet and JSON by their endings; everything else, and the standard input, is one JSON object a line. */
async function open(file: string): Promise<{ body: Readable; type: string }> {
  if (file === '-') return { body: process.stdin, type: 'application/x-ndjson' };
  const body = createReadStream(file);
  // A file that cannot be opened is told as such, not as a request that broke off.
  await new Promise<void>((resolve, reject) => body.once('open', () => resolve()).once('error', reject));
  return { body, type: TYPES[extname(file).toLowerCase()] ?? 'application/x-ndjson' };
}

async function send<T>(client: Client, project: string, monitor: string, what: 'records' | 'feedback', file: string): Promise<T> {
  const { body, type } = await open(file);
  return client.stream<T>(`${path`/projects/${project}/monitors/${monitor}`}/${what}`, body, type);
}

interface Batch {
  readonly batch: string;
  readonly source: string;
  readonly state: string;
  readonly rows: number;
  readonly joined: number;
  readonly duplicate: number;
  readonly corrected: number;
  readonly unknown: number;
  readonly late: number;
  readonly waiting: number;
  readonly acceptedAt: string;
}

const numbers = ['rows', 'joined', 'duplicate', 'corrected', 'unknown', 'late', 'waiting'] as const;

/** Adds its commands to the group "monitor". */
export function monitorSendCommands(program: Program, monitor: Command): void {
  act<[string], { records?: string; feedback?: string }>(
    program,
    monitor
      .command('send')
      .description('send records of a model served elsewhere, labels, or both; what was sent before changes nothing')
      .argument('<monitor>', 'its name in gyre.yaml')
      .option('--records <file>', 'inference records: .ndjson, .json or .parquet; "-" is the standard input')
      .option('--feedback <file>', 'labels, in the same forms'),
    async (use, name) => {
      const { records, feedback } = use.options;
      if (records === undefined && feedback === undefined) return fail('nothing-to-send', {});
      if (records === '-' && feedback === '-') return fail('input-taken-twice', {});
      const project = await use.project();
      const sent = {
        records:
          records === undefined
            ? null
            : await send<{ accepted: number; duplicates: number; ahead?: number }>(use.client(), project, name, 'records', records),
        feedback:
          feedback === undefined
            ? null
            : await send<{ batch: string; rows: number; duplicate: boolean }>(use.client(), project, name, 'feedback', feedback),
      };
      const ahead = sent.records?.ahead ?? 0;
      if (ahead > 0) use.terminal.say(`${count(ahead)} of them are of moments still to come: is a clock wrong?`);
      use.print(sent, () => [
        ...(sent.records ? [`${count(sent.records.accepted)} records taken, ${count(sent.records.duplicates)} were there already`] : []),
        ...(sent.feedback
          ? [`${count(sent.feedback.rows)} labels ${sent.feedback.duplicate ? 'were there already' : 'accepted'} (${sent.feedback.batch})`]
          : []),
      ]);
    },
  );
  act<[string]>(
    program,
    monitor
      .command('batches')
      .description('batches of labels and what became of them, newest first')
      .argument('<monitor>', 'its name in gyre.yaml'),
    async (use, name) => {
      const items: Batch[] = [];
      for await (const batch of use.client().all<Batch>(path`/projects/${await use.project()}/monitors/${name}/feedback`))
        items.push(batch);
      use.print(items, () =>
        table(items, [
          { title: 'BATCH', value: (b) => b.batch },
          { title: 'SOURCE', value: (b) => b.source },
          ...numbers.map((n) => ({ title: n.toUpperCase(), value: (b: Batch) => count(b[n]), right: true as const })),
          { title: 'ACCEPTED', value: (b) => b.acceptedAt },
        ]),
      );
    },
  );
}
