// gyre datasets, features, env: data on its way in, and what is known of it.
import type { Command } from 'commander';
import { path } from '../../kernel/cli/client.ts';
import { count, table } from '../../kernel/cli/terminal.ts';
import { fail } from '../../kernel/errors.ts';
import { act, assignments, moment, type Program } from './command.ts';
import { filesUnder } from './local-project.ts';
import { pushDataset } from './upload.ts';

interface Version {
  readonly id: string;
  readonly dataset: string;
  readonly number: number;
  readonly state: string;
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly recordedAt: string;
}
interface Profile {
  readonly name: string;
  readonly [figure: string]: unknown;
}
interface Violation {
  readonly rule: string;
  readonly detail?: string;
}

const versionColumns = [
  { title: 'VERSION', value: (v: Version) => v.number, right: true },
  { title: 'STATE', value: (v: Version) => v.state },
  { title: 'ROWS', value: (v: Version) => count(v.rows), right: true },
  { title: 'COLUMNS', value: (v: Version) => v.columns.length, right: true },
  { title: 'RECORDED', value: (v: Version) => v.recordedAt },
  { title: 'ID', value: (v: Version) => v.id },
] as const;

export function datasetCommands(program: Program, root: Command): void {
  const datasets = root.command('datasets').description('versions, profiles and differences of data');
  act(program, datasets.command('list').description('datasets and their current versions'), async (use) => {
    const { items } = await use
      .client()
      .get<{ items: { name: string; current: Version | null }[] }>(path`/projects/${await use.project()}/datasets`);
    use.print(items, () =>
      table(items, [
        { title: 'DATASET', value: (d) => d.name },
        { title: 'VERSION', value: (d) => d.current?.number, right: true },
        { title: 'ROWS', value: (d) => (d.current ? count(d.current.rows) : null), right: true },
        { title: 'ID', value: (d) => d.current?.id },
      ]),
    );
  });
  act<[string]>(
    program,
    datasets.command('versions').description('versions of a dataset, newest first').argument('<dataset>', 'its name in gyre.yaml'),
    async (use, dataset) => {
      const items: Version[] = [];
      for await (const version of use.client().all<Version>(path`/projects/${await use.project()}/datasets/${dataset}/versions`))
        items.push(version);
      use.print(items, () => table(items, versionColumns));
    },
  );
  act<[string]>(
    program,
    datasets
      .command('show')
      .description('a version with its files, its profile per column, and what broke its contract')
      .argument('<version>', 'a version’s id'),
    async (use, id) => {
      const version = await use
        .client()
        .get<
          Version & { profile: readonly Profile[]; violations: readonly Violation[]; files: readonly { path: string; digest: string }[] }
        >(path`/dataset-versions/${id}`);
      use.print(version, () => [
        `${version.dataset} version ${version.number} (${version.state}), ${count(version.rows)} rows, ${version.files.length} files`,
        ...version.columns.map((c) => {
          const { name: _name, ...figures } = version.profile.find((p) => p.name === c.name) ?? { name: c.name };
          return `  ${c.name} ${c.type}  ${JSON.stringify(figures)}`;
        }),
        ...version.violations.map((v) => `  broken: ${JSON.stringify(v)}`),
      ]);
    },
  );
  act<[string], { files?: string[]; acceptSchemaChange?: true }>(
    program,
    datasets
      .command('push')
      .description('send the files of a dataset and make a version of them; only bytes the server lacks travel')
      .argument('<dataset>', 'its name in gyre.yaml')
      .option('--files <glob...>', 'these files instead of those that "source:" names')
      .option('--accept-schema-change', 'columns may vanish or change their type'),
    async (use, dataset) => {
      const local = await use.local();
      const definition = local.definition.datasets[dataset] ?? fail('not-found', { kind: 'dataset', id: dataset });
      const files = await filesUnder(local.folder, use.options.files ?? definition.source);
      const pushed = await pushDataset(use.client(), use.terminal, await use.project(), dataset, files, use.options.acceptSchemaChange);
      use.print(pushed, () => [
        pushed.created
          ? `${dataset} version ${pushed.version.number}: ${count(pushed.version.rows)} rows in ${files.length} files, ${count(pushed.sentBytes)} bytes sent (${pushed.version.id})`
          : `${dataset}: nothing changed, still version ${pushed.version.number} (${pushed.version.id})`,
      ]);
    },
  );
  act(program, datasets.command('refresh').description('build the SQL datasets whose inputs or SQL changed'), async (use) => {
    const { items } = await use.client().post<{ items: Version[] }>(path`/projects/${await use.project()}/datasets/refresh`);
    use.print(items, () =>
      items.length === 0
        ? ['every SQL dataset is up to date']
        : items.map((v) => `${v.dataset} version ${v.number}: ${count(v.rows)} rows (${v.id})`),
    );
  });
  act<[string, string]>(
    program,
    datasets
      .command('diff')
      .description('schema, statistics and rows that differ between two versions')
      .argument('<before>', 'a version’s id')
      .argument('<after>', 'a version’s id'),
    async (use, before, after) => {
      const diff = await use.client().get(path`/dataset-versions/${before}/diff/${after}`);
      use.print(diff, () => [JSON.stringify(diff, null, 2)]);
    },
  );
  act<[string]>(
    program,
    datasets
      .command('contract')
      .description('the contract as ODCS YAML; a first draft if there is none')
      .argument('<dataset>', 'its name in gyre.yaml'),
    async (use, dataset) => {
      const yaml = await use.client().text('GET', path`/projects/${await use.project()}/datasets/${dataset}/contract`);
      use.print({ contract: yaml }, () => [yaml.trimEnd()]);
    },
  );
  act<[string], { limit?: string }>(
    program,
    datasets
      .command('rows')
      .description('the first rows of a version')
      .argument('<version>', 'a version’s id')
      .option('--limit <n>', 'how many', '20'),
    async (use, id) => {
      const { items } = await use
        .client()
        .get<{ items: unknown[] }>(`${path`/dataset-versions/${id}/rows`}?limit=${use.options.limit ?? 20}`);
      use.print(items, () => items.map((row) => JSON.stringify(row)));
    },
  );

  const features = root.command('features').description('feature values, offline and online');
  act(program, features.command('materialise').description('bring the online store up to the current dataset versions'), async (use) => {
    const result = await use.client().post(path`/projects/${await use.project()}/features/materialise`);
    use.print(result, () => ['the online store is up to date']);
  });
  act<[string, string[]], { asOf?: string }>(
    program,
    features
      .command('get')
      .description('online values of entities as known at a moment')
      .argument('<service>', 'a feature service, by its name in gyre.yaml')
      .argument('<entity...>', 'key=value pairs, comma between the keys of one entity')
      .option('--as-of <moment>', 'UTC; otherwise event time now'),
    async (use, service, entities) => {
      const parsed = entities.map((e) => assignments(e.split(',')));
      const result = await use.client().post(path`/projects/${await use.project()}/features/${service}/online`, {
        entities: parsed,
        ...(use.options.asOf ? { asOf: moment(use.options.asOf) } : {}),
      });
      use.print(result, () => [JSON.stringify(result, null, 2)]);
    },
  );

  const env = root.command('env').description('locked environments');
  act(program, env.command('list').description('environments that were declared'), async (use) => {
    const { items } = await use
      .client()
      .get<{ items: { digest: string; lockDigest: string; python: string; packages: number }[] }>('/environments');
    use.print(items, () =>
      table(items, [
        { title: 'ENVIRONMENT', value: (e) => e.digest?.slice(0, 12) },
        { title: 'LOCK', value: (e) => e.lockDigest?.slice(0, 12) },
        { title: 'PYTHON', value: (e) => e.python },
        { title: 'PACKAGES', value: (e) => e.packages, right: true },
      ]),
    );
  });
  act<[string]>(
    program,
    env.command('show').description('an environment with its packages').argument('<digest>', 'or its first characters'),
    async (use, id) => {
      const environment = await use.client().get(path`/environments/${id}`);
      use.print(environment, () => [JSON.stringify(environment, null, 2)]);
    },
  );
  act<[string, string]>(
    program,
    env
      .command('diff')
      .description('what differs between two environments')
      .argument('<a>', 'a digest, or its first characters')
      .argument('<b>', 'a digest, or its first characters'),
    async (use, a, b) => {
      const diff = await use.client().get(path`/environments/${a}/diff/${b}`);
      use.print(diff, () => [JSON.stringify(diff, null, 2)]);
    },
  );
}
