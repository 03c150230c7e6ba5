// The card of a dataset version: where it is from, what is in it, what it may be used for, what was made from it.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import type { StoredEvent } from '../../../kernel/events/subscribers.ts';
import { contractsOf, currentVersion, getVersion, type DatasetVersion } from '../../datasets/public.ts';
import { walk } from '../../lineage/public.ts';
import { currentRevision, type DatasetDefinition } from '../../projects/public.ts';
import { sourceFile } from '../chain.ts';
import { DocumentWriter, say, type RecordedDocument, type Section } from '../documents/document.ts';
import { count, day, span } from '../documents/markdown.ts';
import { listEvents } from '../documents/queries.ts';
import { fail } from '../errors.ts';

const MAX_NAMED = 20;

/** `number`: default the current version. Raises `project-not-found`, `report-dataset-missing`, `dataset-empty`. */
export async function makeDatasetCard(ctx: Ctx, project: string, dataset: string, number?: number): Promise<RecordedDocument> {
  const revision = await currentRevision(ctx, project);
  const definition = Object.hasOwn(revision.definition.datasets, dataset) ? revision.definition.datasets[dataset]! : undefined;
  if (!definition) return fail('report-dataset-missing', { project, dataset: number === undefined ? dataset : `${dataset}@${number}` });
  const events = await listEvents(ctx.db, ctx.workspace, project, ['dataset-version', 'erasure']);
  const born = events.filter(
    (e) => e.payload.dataset === dataset && (e.type === 'dataset-version.created' || e.type === 'dataset-version.quarantined'),
  );
  const wanted = born.find((e) => e.payload.number === number);
  if (number !== undefined && !wanted) fail('report-dataset-missing', { project, dataset: `${dataset}@${number}` });
  const version = wanted ? await getVersion(ctx, wanted.subject.id) : await currentVersion(ctx, project, dataset);
  const event = born.find((e) => e.subject.id === version.id);
  const self = { kind: 'dataset-version', id: version.id };
  const applied = { kind: 'project-revision', id: revision.id };
  const contract = (await contractsOf(ctx, revision)).get(dataset);
  const columns = new Map(contract?.columns.map((c) => [c.name, c]));
  const subjects = Object.entries(revision.definition.subjects).flatMap(([kind, names]) =>
    version.columns.filter((c) => names.includes(c.name)).map((c) => `${c.name} names one ${kind}`),
  );
  const naming = new Set(Object.values(revision.definition.subjects).flat());
  const erasures = events.filter((e) => e.type === 'erasure.completed' && e.edges.some((x) => x.to.id === version.id));
  return new DocumentWriter()
    .section('What it is', [
      definition.description === ''
        ? { missing: 'a description of the dataset ("description:" in gyre.yaml)' }
        : say(definition.description, applied),
      say(
        `Version ${version.number} of ${dataset}, ${version.state}, ${count(version.rows)} rows, recorded on ${day(version.recordedMs * 1000)} by ${version.actor}.`,
        self,
      ),
      say(`Its logical digest, whatever its files are, is ${version.logicalDigest}.`, self),
      definition.key.length === 0
        ? { missing: 'a key, by which rows are told apart' }
        : say(`A row is told by ${definition.key.join(', ')}.`, applied),
      definition.occurredAt === null ? null : say(`A row happened at: ${definition.occurredAt}`, applied),
      definition.knownAt === null ? null : say(`A row was known from: ${definition.knownAt}`, applied),
    ])
    .section('Origin', await originOf(ctx, definition, version, event, applied))
    .section('Versions', [], {
      head: ['Version', 'State at birth', 'Rows', 'Broken rules', 'Recorded', 'Id'],
      rows: born
        .slice(-MAX_NAMED)
        .map((e) => [
          String(e.payload.number),
          e.type === 'dataset-version.created' ? 'accepted' : 'quarantined',
          count(Number(e.payload.rows)),
          String(e.payload.violations),
          day(e.recordedMs * 1000),
          e.subject.id,
        ]),
    })
    .section('Columns', [], {
      head: ['Column', 'Type', 'Missing', 'Distinct, about', 'Lowest', 'Highest', 'Mean', 'Classification'],
      rows: version.profile.map((c) => {
        const personal = columns.get(c.name)?.classification ?? (naming.has(c.name) ? 'names a subject' : null);
        return [
          c.name,
          c.type,
          c.rows === 0 ? '' : `${((100 * c.nulls) / c.rows).toFixed(2)} %`,
          count(c.approxDistinct),
          // The least and the greatest value of a personal column are somebody's.
          personal === null ? (c.min ?? '') : '(personal)',
          personal === null ? (c.max ?? '') : '(personal)',
          c.mean === null ? '' : String(Number(c.mean.toPrecision(5))),
          personal ?? '',
        ];
      }),
    })
    .section('Contract', [
      definition.contract === null
        ? { missing: 'a data contract' }
        : say(
            `Held against ${definition.contract}: ${contract!.columns.length} columns, ${contract!.rules.length} rules.`,
            { kind: 'contract', id: `${project}/${definition.contract}` },
            applied,
          ),
      definition.contract === null
        ? null
        : version.violations.length === 0
          ? say('It breaks none of them.', self)
          : say(
              `It breaks ${version.violations.length}: ${version.violations.map((v) => `${v.column === null ? '' : `${v.column} `}${v.rule} (${v.failingRows} rows)`).join('; ')}.`,
              self,
            ),
    ])
    .section('People and purposes', [
      definition.purposes === null
        ? { missing: 'purposes ("purposes:"); any purpose is allowed' }
        : say(`It may be used for: ${definition.purposes.join(', ')}.`, applied),
      definition.legalBasis === null
        ? { missing: 'a legal basis ("legal_basis:")' }
        : say(`Legal basis: ${definition.legalBasis}.`, applied),
      definition.retentionUs === null
        ? { missing: 'a retention period ("retention:"); versions are kept for ever' }
        : say(`Kept for ${span(definition.retentionUs)}.`, applied),
      [...columns.values()].some((c) => c.classification !== null) ? null : { missing: 'a classification of any column (in its contract)' },
      ...subjects.map((text) => say(`${text}.`, applied)),
      ...erasures.map((e) =>
        say(`Rows of one ${String(e.payload.subjectKind)} were erased from it on ${day(e.recordedMs * 1000)}.`, {
          kind: 'erasure',
          id: e.subject.id,
        }),
      ),
    ])
    .section('What was made from it', ...(await usesOf(ctx, version)))
    .end(`Dataset card: ${dataset}, version ${version.number}`);
}

async function originOf(
  ctx: Ctx,
  definition: DatasetDefinition,
  version: DatasetVersion,
  event: StoredEvent | undefined,
  applied: { kind: string; id: string },
) {
  if (!event) return [{ missing: `the event that tells where version ${version.number} is from` }];
  const from = event.edges.filter((e) => e.from.id === version.id);
  const files = from.filter((e) => e.relation === 'source');
  const inputs = from.filter((e) => e.relation === 'input');
  return [
    definition.sql === null
      ? say(`Pushed from files: ${definition.source.join(', ')}.`, applied)
      : say(`Built by ${definition.sql} from ${definition.from.join(', ')}.`, applied),
    ...(await Promise.all(inputs.map(async (e) => say(`Made from ${await nameOf(ctx, e.to.id)}.`, e.to)))),
    ...files.slice(0, MAX_NAMED).map((e) => say(`Holds ${sourceFile(e.to.id).path}.`, { kind: 'source-file', id: e.to.id })),
    files.length > MAX_NAMED ? say(`and ${files.length - MAX_NAMED} more files.`, { kind: 'dataset-version', id: version.id }) : null,
    typeof event.payload.leftOut === 'number' && event.payload.leftOut > 0
      ? say(`${event.payload.leftOut} rows of erased subjects were left out when it came.`, { kind: 'dataset-version', id: version.id })
      : null,
  ];
}

/** Its name is not for a reader whom the dataset is closed to. */
async function nameOf(ctx: Ctx, id: string): Promise<string> {
  try {
    const { dataset, number } = await getVersion(ctx, id);
    return `${dataset} version ${number}`;
  } catch (error) {
    if (!isProblem(error) || error.status >= 500) throw error;
    return 'another dataset version';
  }
}

async function usesOf(ctx: Ctx, version: DatasetVersion): Promise<[Parameters<DocumentWriter['section']>[1], Section['table']?]> {
  const graph = await walk(ctx, { kind: 'dataset-version', id: version.id }, 'to', 3, { without: ['window', 'finding', 'column'] }).catch(
    (error: unknown) => {
      if (!isProblem(error, 'lineage-unknown')) throw error;
      return null;
    },
  );
  const shown = ['dataset-version', 'feature-view', 'pipeline-run', 'evaluation', 'model-version'];
  const made = (graph?.nodes ?? [])
    .filter((n) => n.id !== version.id && shown.includes(n.kind))
    .sort((a, b) => a.firstMs - b.firstMs || (a.id < b.id ? -1 : 1));
  if (made.length === 0) return [[say('Nothing was made from it yet.', { kind: 'dataset-version', id: version.id })]];
  return [
    [graph!.cut ? say('More than can be listed here; ask "gyre lineage dataset".') : null],
    { head: ['What', 'Name', 'Id'], rows: made.slice(0, 100).map((n) => [n.kind, n.label, n.id]) },
  ];
}
