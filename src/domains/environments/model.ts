import type { LockedPackage } from './lock.ts';

/** A lock as it was resolved for an interpreter on a platform. */
export interface Environment {
  readonly digest: string;
  readonly lockDigest: string;
  readonly lockFile: string;
  readonly packages: readonly LockedPackage[];
  readonly python: string;
  readonly platform: string;
}
