// gyre erase, governance: one subject taken out of everything; what is held of whom, for what, and since when.
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { count, table } from '../../../kernel/cli/terminal.ts';
import { act, type Program, type Use } from '../command.ts';

interface Place {
  readonly place: string;
  readonly searched: number;
  readonly rowsRemoved: number;
}
interface Erasure {
  readonly id: string;
  readonly state: string;
  readonly dryRun: boolean;
  readonly progress: string | null;
  readonly places: readonly Place[];
  readonly error: string | null;
  readonly subject: { readonly kind: string; readonly hmac: string };
  readonly requestedAt: string;
}
interface Certificate {
  readonly rowsRemoved: number;
  readonly rewritten: readonly { readonly place: string; readonly rowsRemoved: number; readonly rowsCleared: number }[];
  readonly places: readonly Place[];
  readonly modelsAffected: readonly object[];
  readonly notCovered: readonly { readonly what: string; readonly refs: readonly string[]; readonly action: string }[];
}
interface Lookup {
  readonly subject: { readonly kind: string; readonly hmac: string };
  readonly suppressed: boolean;
  readonly places: readonly Place[];
  readonly accesses: readonly {
    readonly kind: string;
    readonly ref: string;
    readonly reason: string;
    readonly actor: { readonly id: string };
    readonly recordedAt: string;
  }[];
}

const WATCH_MS = 300;

const placeLines = (places: readonly Place[], title: string): string[] =>
  table(places, [
    { title: 'PLACE', value: (p) => p.place },
    { title: 'SEARCHED', value: (p) => count(p.searched), right: true },
    { title, value: (p) => count(p.rowsRemoved), right: true },
  ]);

/** What was rewritten by kind of place, what was searched and clean, and what is left to do by hand. */
function summary(id: string, c: Certificate): string[] {
  const files = (place: string): number => c.rewritten.filter((f) => f.place === place).length;
  const cleared = (place: string): number => c.rewritten.reduce((sum, f) => sum + (f.place === place ? f.rowsCleared : 0), 0);
  const clean = c.places.filter((p) => p.rowsRemoved === 0 && files(p.place) === 0);
  return [
    `erased: ${count(c.rowsRemoved)} rows or records`,
    '',
    ...table(
      c.places.filter((p) => !clean.includes(p)),
      [
        { title: 'REWRITTEN', value: (p) => p.place },
        { title: 'SEARCHED', value: (p) => count(p.searched), right: true },
        { title: 'NEW FILES', value: (p) => (files(p.place) === 0 ? '-' : count(files(p.place))), right: true },
        { title: 'ROWS REMOVED', value: (p) => count(p.rowsRemoved), right: true },
        { title: 'CLEARED', value: (p) => (cleared(p.place) === 0 ? '-' : count(cleared(p.place))), right: true },
      ],
    ),
    '',
    ...(clean.length > 0 ? [`searched and clean: ${clean.map((p) => `${p.place} (${count(p.searched)})`).join(', ')}`, ''] : []),
    ...table(c.notCovered, [
      { title: 'NOT COVERED', value: (n) => (n.refs.length > 0 ? `${n.what} (${count(n.refs.length)})` : n.what) },
      { title: 'WHAT TO DO', value: (n) => n.action },
    ]),
    '',
    `certificate: gyre governance certificate ${id}`,
  ];
}

async function follow(use: Pick<Use, 'client' | 'terminal'>, project: string, id: string): Promise<Erasure> {
  for (let said = ''; ;) {
    const erasure = await use.client().get<Erasure>(path`/projects/${project}/erasures/${id}`);
    if (erasure.state === 'completed' || erasure.state === 'failed') return erasure;
    const what = erasure.progress ?? erasure.state;
    if (what !== said) use.terminal.say(what);
    said = what;
    await delay(WATCH_MS);
  }
}

export function governanceCommands(program: Program, root: Command): void {
  act<[string], { reason: string; dryRun?: true; certificate?: string; detach?: true }>(
    program,
    root
      .command('erase')
      .description('take one subject out of every version, log, store and file, and certify it')
      .argument('<subject>', 'kind=value, for example tailnum=N14228; kinds are under "subjects:" in gyre.yaml')
      .requiredOption('--reason <text>', 'why; it stands in the certificate')
      .option('--dry-run', 'count where it is held, and change nothing')
      .option('--certificate <file>', 'write the certificate there, in Markdown')
      .option('--detach', 'do not wait for the end'),
    async (use, subject) => {
      const project = await use.project();
      const { reason, dryRun, certificate, detach } = use.options;
      const begun = await use
        .client()
        .post<Erasure>(path`/projects/${project}/erasures`, { subject, reason, ...(dryRun ? { dryRun } : {}) });
      if (detach) return use.print(begun, () => [`erasure ${begun.id} goes on by itself`]);
      const ended = await follow(use, project, begun.id);
      if (ended.state === 'failed') {
        use.print(ended, () => [`erasure ${ended.id} failed: ${ended.error ?? ''}`]);
        return 1;
      }
      if (certificate !== undefined && !dryRun)
        writeFileSync(certificate, await use.client().text('GET', path`/projects/${project}/erasures/${ended.id}/certificate.md`));
      if (dryRun) return use.print(ended, () => placeLines(ended.places, 'ROWS HELD'));
      const data = await use.client().get<Certificate>(path`/projects/${project}/erasures/${ended.id}/certificate`);
      use.print(ended, () => summary(ended.id, data));
    },
  );

  const governance = root.command('governance').description('what is held of whom, for what, and how long');
  act<[string], { markdown?: true }>(
    program,
    governance
      .command('certificate')
      .description('the certificate of an erasure, in Markdown; with --json as data')
      .argument('<erasure>', 'its id'),
    async (use, id) => {
      const project = await use.project();
      const data = await use.client().get(path`/projects/${project}/erasures/${id}/certificate`);
      const text = await use.client().text('GET', path`/projects/${project}/erasures/${id}/certificate.md`);
      use.print(data, () => text.trimEnd().split('\n'));
    },
  );
  act(program, governance.command('erasures').description('erasures of the project, newest first'), async (use) => {
    const items: Erasure[] = [];
    for await (const e of use.client().all<Erasure>(path`/projects/${await use.project()}/erasures`)) items.push(e);
    use.print(items, () =>
      table(items, [
        { title: 'ERASURE', value: (e) => e.id },
        { title: 'STATE', value: (e) => (e.dryRun ? `${e.state} (dry run)` : e.state) },
        { title: 'KIND', value: (e) => e.subject.kind },
        { title: 'SUBJECT', value: (e) => e.subject.hmac.slice(0, 12) },
        { title: 'REQUESTED', value: (e) => e.requestedAt },
      ]),
    );
  });
  act<[string]>(
    program,
    governance.command('erasure').description('state of an erasure').argument('<erasure>', 'its id'),
    async (use, id) => {
      const erasure = await use.client().get<Erasure>(path`/projects/${await use.project()}/erasures/${id}`);
      use.print(erasure, () => [
        `${erasure.id}: ${erasure.state}${erasure.progress ? ` (${erasure.progress})` : ''}`,
        ...(erasure.error ? [erasure.error] : []),
      ]);
    },
  );
  act<[string], { reason: string }>(
    program,
    governance
      .command('subject')
      .description('where rows of a subject are held, and who asked about it before; the question is recorded')
      .argument('<subject>', 'kind=value, for example tailnum=N14228')
      .requiredOption('--reason <text>', 'why you ask; it is kept'),
    async (use, subject) => {
      const found = await use
        .client()
        .post<Lookup>(path`/projects/${await use.project()}/subjects/look-up`, { subject, reason: use.options.reason });
      use.print(found, () => [
        ...placeLines(found.places, 'ROWS HELD'),
        found.suppressed ? 'suppressed: it was erased, and is left out of what comes in' : 'not suppressed',
        '',
        ...table(found.accesses, [
          { title: 'ACCESS', value: (a) => a.kind },
          { title: 'BY', value: (a) => a.actor.id },
          { title: 'WHEN', value: (a) => a.recordedAt },
          { title: 'FOR', value: (a) => a.ref },
          { title: 'REASON', value: (a) => a.reason },
        ]),
      ]);
    },
  );
  act(
    program,
    governance.command('record').description('record of processing activities, in Markdown; with --json as data; what is missing is named'),
    async (use) => {
      const project = await use.project();
      const data = await use.client().get(path`/projects/${project}/processing-record`);
      const text = await use.client().text('GET', path`/projects/${project}/processing-record.md`);
      use.print(data, () => text.trimEnd().split('\n'));
    },
  );
  act<[], { dryRun?: true }>(
    program,
    root
      .command('retention')
      .description('remove what is older than "retention:" says, in event time; happens each day by itself')
      .option('--dry-run', 'count, and change nothing'),
    async (use) => {
      const { items } = await use
        .client()
        .post<{ items: { what: string; before: string; files: number; rows: number }[] }>(
          path`/projects/${await use.project()}/retention`,
          {
            ...(use.options.dryRun ? { dryRun: true } : {}),
          },
        );
      use.print(items, () =>
        table(items, [
          { title: 'WHAT', value: (k) => k.what },
          { title: 'BEFORE', value: (k) => k.before },
          { title: 'FILES', value: (k) => count(k.files), right: true },
          { title: use.options.dryRun ? 'ROWS TO GO' : 'ROWS REMOVED', value: (k) => count(k.rows), right: true },
        ]),
      );
    },
  );
}
