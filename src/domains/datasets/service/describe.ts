// What is known of a dataset now, for reports: its current version, its files, and how its contract fared.
import type { Ctx } from '../../../kernel/ctx.ts';
import { snapshotText, type DatasetDefinition, type Revision } from '../../projects/public.ts';
import { parseContract, type Contract } from '../contract.ts';
import type { DatasetVersion, VersionFile, Violation } from '../model.ts';
import * as store from '../store.ts';

export interface DatasetDescription {
  readonly definition: DatasetDefinition;
  readonly version: DatasetVersion;
  readonly files: readonly VersionFile[];
  /** Columns and rules of the contract that the version was held against; 0 without a contract. */
  readonly checks: number;
  /** The newest version, if it broke the contract and so is not the current one. */
  readonly quarantined: { readonly number: number; readonly violations: readonly Violation[] } | null;
}

/** Datasets of a revision that have a current version, in the order of the project file. */
export async function describeDatasets(ctx: Ctx, revision: Revision): Promise<DatasetDescription[]> {
  const found = await Promise.all(Object.values(revision.definition.datasets).map((d) => describe(ctx, revision, d)));
  return found.filter((d) => d !== undefined);
}

async function describe(ctx: Ctx, revision: Revision, definition: DatasetDefinition): Promise<DatasetDescription | undefined> {
  const version = await store.findCurrent(ctx.db, ctx.workspace, revision.project, definition.name);
  if (!version) return undefined;
  const [newest] = await store.listVersions(ctx.db, ctx.workspace, revision.project, definition.name, Number.MAX_SAFE_INTEGER, 1);
  return {
    definition,
    version,
    files: await store.listFiles(ctx.db, ctx.workspace, version),
    checks: definition.contract === null ? 0 : await countChecks(ctx, revision.snapshot, definition.contract),
    quarantined: newest?.state === 'quarantined' ? { number: newest.number, violations: newest.violations } : null,
  };
}

async function countChecks(ctx: Ctx, snapshot: string, file: string): Promise<number> {
  const contract = parseContract((await snapshotText(ctx, snapshot, file)).text, file);
  return contract.columns.length + contract.rules.length;
}

/** Contracts of the revision by dataset. Raises `contract-invalid`. */
export async function contractsOf(ctx: Ctx, revision: Revision): Promise<Map<string, Contract>> {
  const contracts = new Map<string, Contract>();
  for (const { name, contract: file } of Object.values(revision.definition.datasets))
    if (file !== null) contracts.set(name, parseContract((await snapshotText(ctx, revision.snapshot, file)).text, file));
  return contracts;
}

/** Names of the columns that a contract of the revision classifies as personal. Raises `contract-invalid`. */
export async function personalColumns(ctx: Ctx, revision: Revision): Promise<string[]> {
  const names = new Set<string>();
  for (const contract of (await contractsOf(ctx, revision)).values()) {
    for (const column of contract.columns) if (column.classification?.trim().toLowerCase() === 'personal') names.add(column.name);
  }
  return [...names];
}
