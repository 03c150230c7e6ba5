// gyre models, report: versions, their gates, and what to show of them.
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { path } from '../../kernel/cli/client.ts';
import { exitCodes } from '../../kernel/cli/exit-codes.ts';
import { table } from '../../kernel/cli/terminal.ts';
import { act, moment, type Program } from './command.ts';
import { convertCommand } from './predict/convert-model.ts';
import { pullRequestOptions, pullRequestReport, type PullRequestOptions } from './evidence/documents.ts';

interface Version {
  readonly id: string;
  readonly number: number;
  readonly state: string;
  readonly createdAt: string;
  readonly digest: string | null;
}
interface GateResult {
  readonly passed: boolean;
  readonly found: string;
  readonly why: string;
  readonly gate: { readonly metric: string; readonly slice?: string; readonly floor?: number; readonly ceiling?: number };
}
export interface Decision {
  readonly id: string;
  readonly outcome: string;
  readonly reason: string;
  readonly results: readonly GateResult[];
}

interface Shown extends Version {
  readonly model: string;
  readonly stage: string;
  readonly source: string;
  readonly description: string | null;
  readonly unsealedBecause: string | null;
  readonly unservableBecause: string | null;
  readonly trackingRunId: string | null;
  readonly loggedModelId: string | null;
  readonly manifest: { readonly flavors: readonly string[] } | null;
  readonly scan: {
    readonly files: readonly {
      readonly path: string;
      readonly unread: string | null;
      readonly findings: readonly { readonly callable: string; readonly verdict: string }[];
    }[];
  } | null;
  readonly verdict: string | null;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly aliases: readonly string[];
  readonly files: readonly { readonly path: string; readonly digest: string; readonly sizeBytes: number }[];
  readonly decision: Decision | null;
}

/** A version for reading; `--json` has all of it. */
const versionLines = (v: Shown): string[] => [
  `${v.model} version ${v.number}: ${v.state}${v.aliases.length > 0 ? `, ${v.aliases.map((a) => `@${a}`).join(' ')}` : ''}${v.stage === 'None' ? '' : `, stage ${v.stage}`}`,
  ...(v.unsealedBecause === null ? [] : [`  not sealed: ${v.unsealedBecause}`]),
  ...(v.unservableBecause === null ? [] : [`  not served here: ${v.unservableBecause}`]),
  ...(v.description ? [`  ${v.description}`] : []),
  `  source        ${v.source}`,
  ...(v.digest ? [`  digest        ${v.digest}`] : []),
  ...(v.manifest ? [`  flavors       ${v.manifest.flavors.join(', ')}`] : []),
  ...(v.trackingRunId ? [`  run           ${v.trackingRunId}`] : []),
  ...(v.loggedModelId ? [`  logged model  ${v.loggedModelId}`] : []),
  ...Object.entries(v.evidence).map(([key, value]) => `  ${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`),
  ...(v.verdict === null ? [] : [`  executes on load: ${v.verdict}`]),
  ...(v.scan?.files ?? []).flatMap((f) => [
    ...f.findings.filter((x) => x.verdict !== 'safe').map((x) => `    ${x.verdict}  ${x.callable}  in ${f.path}`),
    ...(f.unread === null ? [] : [`    unknown  ${f.path}: ${f.unread}`]),
  ]),
  ...v.files.map((f) => `  ${f.digest.slice(0, 12)}  ${f.sizeBytes} B  ${f.path}`),
  ...(v.decision ? decisionLines(v.decision) : []),
];

/** A decision in lines: each gate with what it found. */
export const decisionLines = (d: Decision): string[] => [
  `${d.outcome} (${d.id})`,
  ...d.results.map((r) => `  ${r.passed ? 'passed' : 'FAILED'}  ${r.found}: ${r.why}`),
];

export function modelCommands(program: Program, root: Command): void {
  const models = root.command('models').description('registered models, their versions, gates and aliases');
  act(program, models.command('list').description('registered models'), async (use) => {
    const { items } = await use.client().get<{ items: { name: string; project: string | null; createdAt: string }[] }>('/models?limit=500');
    use.print(items, () =>
      table(items, [
        { title: 'MODEL', value: (m) => m.name },
        { title: 'PROJECT', value: (m) => m.project },
        { title: 'CREATED', value: (m) => m.createdAt },
      ]),
    );
  });
  act<[string]>(
    program,
    models.command('versions').description('versions of a model, newest first').argument('<model>', 'its name'),
    async (use, model) => {
      const { items } = await use.client().get<{ items: Version[] }>(`${path`/models/${model}/versions`}?limit=500`);
      use.print(items, () =>
        table(items, [
          { title: 'VERSION', value: (v) => v.number, right: true },
          { title: 'STATE', value: (v) => v.state },
          { title: 'CREATED', value: (v) => v.createdAt },
          { title: 'DIGEST', value: (v) => v.digest?.slice(0, 12) },
          { title: 'ID', value: (v) => v.id },
        ]),
      );
    },
  );
  act<[string, string]>(
    program,
    models
      .command('show')
      .description('a version with its evidence, what it would run on loading, and its newest decision')
      .argument('<model>', 'its name')
      .argument('[version]', 'number, alias or latest', 'latest'),
    async (use, model, version) => {
      const found = await use.client().get<Shown>(path`/models/${model}/versions/${version}`);
      use.print(found, () => versionLines(found));
    },
  );
  act<[string, string]>(
    program,
    models
      .command('seal')
      .description('seal a version whose files have come since it was registered; it never changes again')
      .argument('<model>', 'its name')
      .argument('<version>', 'number, alias or latest'),
    async (use, model, version) => {
      const sealed = await use.client().post<Version>(path`/models/${model}/versions/${version}/seal`);
      use.print(sealed, () => [`${model} version ${sealed.number} is sealed: ${sealed.digest}`]);
    },
  );
  convertCommand(program, models);
  act<[string, string]>(
    program,
    models
      .command('decide')
      .description('judge the gates on a version’s evaluation and record the decision')
      .argument('<model>', 'its name')
      .argument('<version>', 'number, alias or latest'),
    async (use, model, version) => {
      const decision = await use.client().post<Decision>(path`/models/${model}/versions/${version}/decide`);
      use.print(decision, () => decisionLines(decision));
      return decision.outcome === 'failed' ? exitCodes.failed : exitCodes.ok;
    },
  );
  act<[string, string], { reason: string }>(
    program,
    models
      .command('override')
      .description('let a version pass against its gates; recorded with your name')
      .argument('<model>', 'its name')
      .argument('<version>', 'number, alias or latest')
      .requiredOption('--reason <text>', 'why, in a sentence'),
    async (use, model, version) => {
      const decision = await use
        .client()
        .post<Decision>(path`/models/${model}/versions/${version}/override`, { reason: use.options.reason });
      use.print(decision, () => decisionLines(decision));
    },
  );
  act<[string, string, string]>(
    program,
    models
      .command('alias')
      .description('point an alias at a version')
      .argument('<model>', 'its name')
      .argument('<alias>', 'for example champion')
      .argument('<version>', 'its number'),
    async (use, model, alias, version) => {
      await use.client().send('PUT', path`/models/${model}/aliases/${alias}`, { version: Number(version) });
      use.print({ model, alias, version: Number(version) }, () => [`${model}@${alias} is version ${version}`]);
    },
  );
  act<[string, string], { output?: string }>(
    program,
    models
      .command('card')
      .description('the model card of a version, in Markdown')
      .argument('<model>', 'its name')
      .argument('[version]', 'number, alias or latest', 'latest')
      .option('-o, --output <file>', 'write it there'),
    async (use, model, version) => {
      const card = await use.client().text('GET', path`/models/${model}/versions/${version}/card`);
      if (use.options.output === undefined) return use.print({ card }, () => [card.trimEnd()]);
      writeFileSync(use.options.output, card);
      use.print({ file: use.options.output }, () => [use.options.output!]);
    },
  );

  act<[], PullRequestOptions & { output?: string; endpoint?: string; from?: string; to?: string }>(
    program,
    pullRequestOptions(
      root
        .command('report')
        .description('data, evaluation, predictions against truth and lineage, in one HTML file; with --json its figures as data')
        .option('-o, --output <file>', 'where; otherwise report.html')
        .option('--endpoint <name>', 'or the monitor of a model served elsewhere; otherwise the first of the project')
        .option('--from <moment>', 'first moment of the predictions shown')
        .option('--to <moment>', 'moment after the last'),
    ),
    async (use) => {
      if (use.options.markdown) return pullRequestReport(use, use.options.output);
      const { output = 'report.html', endpoint, from, to, json } = use.options;
      const route = path`/projects/${await use.project()}/report`;
      const asked = {
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(from ? { from: moment(from) } : {}),
        ...(to ? { to: moment(to) } : {}),
      };
      if (json) return use.print(await use.client().post(route, { ...asked, format: 'json' }), () => []);
      const html = await use.client().text('POST', route, asked);
      writeFileSync(output, html);
      use.terminal.out(output);
    },
  );
}
