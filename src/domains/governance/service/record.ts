// The record of processing activities (GDPR article 30), from what is declared and what happened alone. What is not
// recorded is named as missing; nothing is guessed.
import type { Ctx } from '../../../kernel/ctx.ts';
import { contractsOf, newestVersion } from '../../datasets/public.ts';
import { currentRevision, datasetsOfPipeline, datasetsOfService, limitsOf, type ProjectDefinition } from '../../projects/public.ts';
import { holds, listSuppressions } from '../../subjects/public.ts';
import { countRuns } from '../queries.ts';
import * as store from '../store.ts';

export interface Processing {
  readonly dataset: string;
  readonly description: string;
  readonly personalColumns: readonly string[];
  /** Kinds of subject whose identifier it holds, with the columns. */
  readonly subjects: readonly { readonly kind: string; readonly columns: readonly string[] }[];
  readonly purposes: readonly string[];
  readonly legalBasis: string | null;
  readonly retentionUs: number | null;
  readonly processedBy: readonly {
    readonly pipeline: string;
    readonly purpose: string | null;
    readonly runs: number;
    readonly lastAt: string | null;
  }[];
  readonly servedBy: readonly string[];
  /** What the law asks for and nobody recorded. */
  readonly missing: readonly string[];
}
export interface ProcessingRecord {
  readonly project: string;
  readonly revision: string;
  readonly activities: readonly Processing[];
  readonly recipients: readonly string[];
  readonly measures: readonly string[];
  readonly erasures: { readonly completed: number; readonly suppressed: number };
  readonly missing: readonly string[];
}

/** Raises `project-not-found`. */
export async function processingRecord(ctx: Ctx, project: string): Promise<ProcessingRecord> {
  const revision = await currentRevision(ctx, project);
  const { definition } = revision;
  const contracts = await contractsOf(ctx, revision);
  const runs = await countRuns(ctx.db, ctx.workspace, project);
  const activities: Processing[] = [];
  for (const dataset of Object.values(definition.datasets)) {
    const columns = (await newestVersion(ctx, project, dataset.name).catch(() => undefined))?.columns.map((c) => c.name) ?? [];
    const contract = contracts.get(dataset.name);
    const personalColumns = (contract?.columns ?? [])
      .filter((c) => c.classification?.trim().toLowerCase() === 'personal')
      .map((c) => c.name);
    const subjects = Object.entries(definition.subjects).flatMap(([kind, names]) => {
      const own = columns.filter((c) => names.some((n) => holds(c, n)));
      return own.length > 0 ? [{ kind, columns: own }] : [];
    });
    if (personalColumns.length === 0 && subjects.length === 0) continue;
    const purposes = [...new Set(limitsOf(definition, dataset.name).flatMap((l) => l.purposes))].sort();
    const legalBasis = dataset.legalBasis ?? inherited(definition, dataset.name);
    activities.push({
      dataset: dataset.name,
      description: dataset.description,
      personalColumns: personalColumns.sort(),
      subjects,
      purposes,
      legalBasis,
      retentionUs: dataset.retentionUs,
      processedBy: Object.values(definition.pipelines)
        .filter((p) => datasetsOfPipeline(definition, p).some((d) => madeFrom(definition, d).has(dataset.name)))
        .map((p) => {
          const of = runs.get(p.name);
          return { pipeline: p.name, purpose: p.purpose, runs: of?.runs ?? 0, lastAt: of ? new Date(of.lastMs).toISOString() : null };
        }),
      servedBy: Object.values(definition.endpoints)
        .filter(
          (e) => e.service !== null && datasetsOfService(definition, e.service).some((d) => madeFrom(definition, d).has(dataset.name)),
        )
        .map((e) => e.name),
      missing: [
        ...(purposes.length === 0 ? ['purposes ("purposes:" of the dataset)'] : []),
        ...(legalBasis === null ? ['legal basis ("legal_basis:" of the dataset)'] : []),
        ...(dataset.retentionUs === null ? ['time limit for erasure ("retention:" of the dataset)'] : []),
        ...(contract ? [] : ['classification of columns (a contract)']),
        ...(dataset.description === '' ? ['description'] : []),
      ],
    });
  }
  const erasures = await store.listErasures(ctx.db, ctx.workspace, project, '~', 10_000);
  return {
    project,
    revision: revision.id,
    activities,
    recipients: Object.values(definition.endpoints).map((e) => `callers of endpoint ${e.name}`),
    measures: measuresOf(definition, personalNames(activities)),
    erasures: {
      completed: erasures.filter((e) => e.state === 'completed' && !e.dryRun).length,
      suppressed: (await listSuppressions(ctx.db, ctx.workspace, project)).length,
    },
    missing: [
      'name and contact details of the controller, the representative and the data protection officer (not kept here)',
      'recipients outside of this system, transfers to third countries and their safeguards (not kept here)',
    ],
  };
}

/** A dataset and all that SQL makes it from. */
const madeFrom = (definition: ProjectDefinition, dataset: string): Set<string> => {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    for (const from of definition.datasets[name]?.from ?? []) visit(from);
  };
  visit(dataset);
  return found;
};

const inherited = (definition: ProjectDefinition, dataset: string): string | null => {
  const bases = [...madeFrom(definition, dataset)].flatMap((d) => definition.datasets[d]?.legalBasis ?? []);
  return bases.length === 0 ? null : [...new Set(bases)].sort().join(', ');
};

const personalNames = (activities: readonly Processing[]): string[] => [...new Set(activities.flatMap((a) => a.personalColumns))].sort();

function measuresOf(definition: ProjectDefinition, personal: readonly string[]): string[] {
  const endpoints = Object.values(definition.endpoints);
  return [
    'who may do what is given by roles; what is done is recorded in a chain of events',
    ...(personal.length > 0 && endpoints.length > 0 ? [`in the inference log these columns are pseudonyms: ${personal.join(', ')}`] : []),
    'events, errors and logs hold no values of columns',
    'subjects are erased on request from everything that is held, with a certificate, and left out of what comes in later',
  ];
}
