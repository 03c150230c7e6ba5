// gyre monitor list, show, windows, findings, report: what live models are watched by, and what was found.
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import type { Command } from 'commander';
import { path, type Client } from '../../../kernel/cli/client.ts';
import { count, table, type Terminal } from '../../../kernel/cli/terminal.ts';
import { act, moment, type Program } from '../command.ts';
import { HEAD, reportHtml, reportMarkdown, reportRows, reportWords, type DriftReport } from './drift-report.ts';
import { filesUnder } from '../local-project.ts';
import { uploadMissing } from '../upload.ts';
import { windowLines, type WindowView } from './window-figures.ts';

interface Headline {
  readonly value: number | null;
  readonly low?: number;
  readonly high?: number;
  readonly threshold?: number;
  readonly n: number;
  readonly method: string;
  readonly reason?: string;
}
interface Summary {
  readonly id: string;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly generation: number;
  readonly latest: boolean;
  readonly n: number;
  readonly version: string;
  readonly findings: number;
  readonly headline: Readonly<Record<string, Headline>>;
}
interface Monitor {
  readonly name: string;
  readonly endpoint: string | null;
  readonly lead: string;
  readonly closedUntil: { readonly data: string | null; readonly performance: string | null };
  readonly last: { readonly data: Summary | null; readonly performance: Summary | null };
}
interface Finding {
  readonly monitor: string;
  readonly from: string;
  readonly kind: string;
  readonly subject: string;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly n: number;
  readonly method: string;
  readonly detail: string;
}

const short = (x: number | null | undefined): string => (x === null || x === undefined ? '-' : String(Number(x.toPrecision(4))));
const minute = (iso: string | null): string => (iso === null ? '-' : iso.slice(0, 16).replace('T', ' '));
const figure = (h: Headline): string => {
  if (h.value === null) return `- (${h.reason ?? 'no figure'})`;
  const interval = h.low === undefined ? '' : ` [${short(h.low)}, ${short(h.high)}]`;
  return `${short(h.value)}${interval}${h.threshold === undefined ? '' : ` (threshold ${short(h.threshold)})`}`;
};

/** What of a window a table has room for. */
const inBrief = (w: Summary | null): string =>
  w === null
    ? '-'
    : Object.entries(w.headline)
        .filter(([name, h]) => h.value !== null && !name.startsWith('pooled.'))
        .map(([name, h]) => `${name} ${figure(h)}`)
        .join('  ');

const windowColumns = [
  { title: 'KIND', value: (w: Summary) => w.kind },
  { title: 'FROM', value: (w: Summary) => minute(w.from) },
  { title: 'TO', value: (w: Summary) => minute(w.to) },
  { title: 'GEN', value: (w: Summary) => `${w.generation}${w.latest ? '' : ' (old)'}`, right: true },
  { title: 'N', value: (w: Summary) => count(w.n), right: true },
  { title: 'VERSION', value: (w: Summary) => w.version },
  { title: 'FINDINGS', value: (w: Summary) => w.findings, right: true },
  { title: 'ID', value: (w: Summary) => w.id },
  // Last, for it is as long as it likes.
  { title: 'FIGURES', value: (w: Summary) => inBrief(w) },
] as const;

const findingColumns = [
  { title: 'FROM', value: (f: Finding) => minute(f.from) },
  { title: 'MONITOR', value: (f: Finding) => f.monitor },
  { title: 'KIND', value: (f: Finding) => f.kind },
  { title: 'OF', value: (f: Finding) => f.subject },
  { title: 'VALUE', value: (f: Finding) => short(f.value), right: true },
  { title: 'THRESHOLD', value: (f: Finding) => short(f.threshold), right: true },
  { title: 'N', value: (f: Finding) => count(f.n), right: true },
  { title: 'METHOD', value: (f: Finding) => f.method },
  { title: 'DETAIL', value: (f: Finding) => f.detail },
] as const;

interface SpanOptions {
  readonly from?: string;
  readonly to?: string;
  readonly kind?: string;
  readonly generations?: string;
  readonly monitor?: string;
  readonly limit?: string;
}

const queryOf = (given: Readonly<Record<string, string | undefined>>): string => {
  const query = new URLSearchParams(Object.entries(given).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
  return query.size === 0 ? '' : `?${query.toString()}`;
};

export function monitorReadCommands(program: Program, monitor: Command): void {
  act(program, monitor.command('list').description('monitors and how far each has come'), async (use) => {
    const { items } = await use.client().get<{ items: Monitor[] }>(path`/projects/${await use.project()}/monitors`);
    use.print(items, () =>
      table(items, [
        { title: 'MONITOR', value: (m) => m.name },
        { title: 'ENDPOINT', value: (m) => m.endpoint ?? 'served elsewhere' },
        { title: 'VERSION', value: (m) => m.lead },
        { title: 'DATA CLOSED UNTIL', value: (m) => minute(m.closedUntil.data) },
        { title: 'PERFORMANCE UNTIL', value: (m) => minute(m.closedUntil.performance) },
        { title: 'LAST PERFORMANCE', value: (m) => inBrief(m.last.performance) },
      ]),
    );
  });

  act<[string, string | undefined]>(
    program,
    monitor
      .command('show')
      .description('the last windows of a monitor, or one window with all its figures')
      .argument('<monitor>', 'its name in gyre.yaml')
      .argument('[window]', 'a window’s id'),
    async (use, name, window) => {
      const of = path`/projects/${await use.project()}/monitors/${name}`;
      if (window !== undefined) {
        const found = await use.client().get<WindowView>(of + path`/windows/${window}`);
        use.print(found, () => windowLines(found));
        return;
      }
      const found = await use.client().get<Monitor>(of);
      use.print(found, () => [
        `${found.name} watches ${found.endpoint ?? 'a model served elsewhere'}; version ${found.lead || '-'} leads`,
        ...(['data', 'performance'] as const).flatMap((kind) => {
          const w = found.last[kind];
          if (w === null) return [`${kind}: no window has closed yet`];
          return [
            `${kind} window ${minute(w.from)} to ${minute(w.to)}, n = ${count(w.n)}, ${w.findings} findings (${w.id})`,
            ...Object.entries(w.headline).map(
              ([metric, h]) => `  ${metric}: ${figure(h)}, n = ${count(h.n)}${h.method === '' ? '' : `; ${h.method}`}`,
            ),
          ];
        }),
      ]);
    },
  );

  act<[string], SpanOptions>(
    program,
    monitor
      .command('windows')
      .description('closed windows with their main figures')
      .argument('<monitor>', 'its name in gyre.yaml')
      .option('--from <moment>', 'event time, UTC: 2026-03-01 or 2026-03-01T12:00')
      .option('--to <moment>', 'event time, UTC; not included')
      .option('--kind <kind>', 'data or performance')
      .option('--generations <which>', 'all, or the latest of each window', 'latest'),
    async (use, name) => {
      const { from, to, kind, generations } = use.options;
      const query = queryOf({ kind, generations, from: from && moment(from), to: to && moment(to) });
      const items: Summary[] = [];
      for await (const w of use.client().all<Summary>(`${path`/projects/${await use.project()}/monitors/${name}/windows`}${query}`))
        items.push(w);
      if (items.length === 0) use.terminal.say('No window has closed here yet; "gyre monitor list" says how far each monitor has come.');
      use.print(items, () => table(items, windowColumns));
    },
  );

  act<[], SpanOptions>(
    program,
    monitor
      .command('findings')
      .description('measured deviations, those of the newest windows first')
      .option('--monitor <name>', 'of one monitor')
      .option('--kind <kind>', 'quality, drift, prediction-drift, dataset-drift, estimate, volume, error-rate, performance, coverage')
      .option('--from <moment>', 'event time, UTC: 2026-03-01 or 2026-03-01T12:00')
      .option('--to <moment>', 'event time, UTC; not included')
      .option('--limit <number>', 'at most so many', '50'),
    async (use) => {
      const { from, to, kind, monitor: of, limit } = use.options;
      const query = queryOf({ kind, monitor: of, from: from && moment(from), to: to && moment(to), limit });
      const { items } = await use.client().get<{ items: Finding[] }>(`${path`/projects/${await use.project()}/findings`}${query}`);
      use.print(items, () => table(items, findingColumns));
    },
  );

  act<[], { current: string; reference: string; output?: string }>(
    program,
    monitor
      .command('report')
      .description('drift and quality of one table against another, or against the baseline of a version')
      .requiredOption('--current <table>', 'a Parquet file, dataset@3 or dataset@latest')
      .requiredOption('--reference <table>', 'the same, or model@2 for the baseline of a version')
      .option('--output <file>', 'writes .html, .md or .json'),
    async (use) => {
      const { current, reference, output } = use.options;
      const made = await use.client().post<DriftReport>(path`/projects/${await use.project()}/monitoring/report`, {
        current: await tableRef(use.client(), use.terminal, current),
        reference: await tableRef(use.client(), use.terminal, reference),
      });
      // A file goes by the name that it was given, not by its digest.
      const report = { ...made, current: { ...made.current, name: current }, reference: { ...made.reference, name: reference } };
      if (output !== undefined) writeFileSync(output, rendered(report, extname(output)));
      use.print(report, () =>
        output !== undefined
          ? [`${output}: ${reportWords(report)[0]}`]
          : [
              ...reportWords(report),
              '',
              ...table(
                reportRows(report),
                HEAD.map((title, i) => ({ title: title.toUpperCase(), value: (row: readonly string[]) => row[i] })),
              ),
            ],
      );
    },
  );
}

const rendered = (report: DriftReport, extension: string): string =>
  extension === '.html' ? reportHtml(report) : extension === '.md' ? reportMarkdown(report) : `${JSON.stringify(report, null, 2)}\n`;

/** A file on this disk is sent, if it is not there yet, and named by its digest. */
async function tableRef(client: Client, terminal: Terminal, given: string): Promise<string> {
  if (!existsSync(given)) return given;
  const full = resolve(given);
  const [file] = await filesUnder(dirname(full), [full.slice(dirname(full).length + 1)]);
  await uploadMissing(client, terminal, given, [file!]);
  return file!.digest;
}
