// An erasure, step by step, and what it certifies. Pure.

/** waiting -> linking -> rewriting -> clearing -> verifying -> completed; any of them -> failed; failed -> waiting (tried again). */
export const erasureStates = ['waiting', 'linking', 'rewriting', 'clearing', 'verifying', 'completed', 'failed'] as const;
export type ErasureState = (typeof erasureStates)[number];

export interface Erasure {
  readonly id: string;
  readonly project: string;
  readonly subjectKind: string;
  /** HMAC of the value under a key of the data folder; the value itself is never kept. */
  readonly subjectHmac: string;
  /** The subject, encrypted under a key of the data folder, until the erasure has ended. */
  readonly sealedSubject: string | null;
  readonly reason: string;
  readonly dryRun: boolean;
  readonly state: ErasureState;
  readonly findings: Findings;
  readonly certificate: Certificate | null;
  readonly error: string | null;
  readonly actor: { readonly kind: string; readonly id: string };
  readonly createdMs: number;
  readonly finishedMs: number | null;
  readonly version: number;
}

/** What the steps leave to each other and to the certificate. */
export interface Findings {
  readonly versions?: readonly VersionChange[];
  readonly models?: readonly ModelAffected[];
  readonly evaluations?: readonly string[];
  readonly cacheEntries?: number;
  readonly places?: readonly PlaceCount[];
  readonly notCovered?: readonly NotCovered[];
}

export interface VersionChange {
  readonly id: string;
  readonly dataset: string;
  readonly number: number;
  readonly generation: number;
  readonly rowsBefore: number;
  readonly rowsAfter: number;
  readonly logicalDigestBefore: string;
  readonly logicalDigestAfter: string;
}
export interface ModelAffected {
  readonly loggedModel: string;
  readonly versions: readonly { readonly id: string; readonly model: string; readonly number: number }[];
  readonly pipelineRun: string;
  readonly datasetVersions: readonly string[];
  /** Rows of the subject that it was trained on. */
  readonly rows: number;
}
export interface PlaceCount {
  readonly place: string;
  /** Files, tables or stores that were searched; 0 = not counted. */
  readonly searched: number;
  readonly rowsRemoved: number;
}
export interface NotCovered {
  readonly what: string;
  /** Ids, digests or paths; none of them holds the subject's value. */
  readonly refs: readonly string[];
  readonly why: string;
  readonly action: string;
}
export interface FileChange {
  readonly place: string;
  readonly digest: string;
  readonly newDigest: string | null;
  readonly rowsBefore: number | null;
  readonly rowsRemoved: number;
  /** Rows or texts that stayed, with a mark where the value stood. */
  readonly rowsCleared: number;
  /** Logical digest of the rows that stayed, the same before and after; null for what is no table. */
  readonly keptDigest: string | null;
}

export interface Certificate {
  readonly format: 1;
  readonly erasure: string;
  readonly workspace: string;
  readonly project: string;
  readonly subject: { readonly kind: string; readonly hmac: string };
  readonly actor: { readonly kind: string; readonly id: string };
  readonly reason: string;
  readonly requestedAt: string;
  readonly completedAt: string;
  readonly rewritten: readonly FileChange[];
  readonly versions: readonly VersionChange[];
  readonly places: readonly PlaceCount[];
  readonly modelsAffected: readonly ModelAffected[];
  readonly evaluationsMadeBefore: readonly string[];
  readonly cacheEntriesDropped: number;
  readonly notCovered: readonly NotCovered[];
  readonly rowsRemoved: number;
  /** The end of the chain of events when it was written. */
  readonly head: { readonly seq: number; readonly hash: string } | null;
}

/** Adds counts of the same place up, in the order of their first. */
export function addPlaces(...lists: readonly (readonly PlaceCount[])[]): PlaceCount[] {
  const sums = new Map<string, PlaceCount>();
  for (const { place, searched, rowsRemoved } of lists.flat()) {
    const before = sums.get(place);
    sums.set(place, {
      place,
      searched: Math.max(before?.searched ?? 0, searched),
      rowsRemoved: (before?.rowsRemoved ?? 0) + rowsRemoved,
    });
  }
  return [...sums.values()];
}
