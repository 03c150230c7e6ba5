// Endpoints and releases. Pure.

/** started -> promoted | failed. (Staged releases add their steps between.) */
export const releaseStates = ['started', 'promoted', 'failed'] as const;
export type ReleaseState = (typeof releaseStates)[number];

export interface Variant {
  readonly id: string;
  readonly versionId: string;
  readonly model: string;
  readonly number: number;
  /** Share of the traffic; the weights of a revision sum to 1. */
  readonly weight: number;
}

export interface EndpointRevision {
  readonly id: string;
  readonly project: string;
  readonly endpoint: string;
  readonly number: number;
  readonly variants: readonly Variant[];
  readonly projectRevision: string;
  readonly decision: string;
  readonly createdMs: number;
}

export interface Release {
  readonly id: string;
  readonly project: string;
  readonly endpoint: string;
  readonly revision: string;
  readonly previous: string | null;
  readonly state: ReleaseState;
  readonly reason: string;
  readonly planNumber: number;
  readonly createdMs: number;
  readonly finishedMs: number | null;
}
