// An export is an archive as backups are (zstd, manifest, a digest for each entry), with other things in it:
//   paths/about.json                          which experiments, of which installation
//   paths/runs/<experiment>/<run>.json        what a run records
//   paths/points/<experiment>/<run>.jsonl     its metrics, one a line
//   paths/logged-models/<experiment>/<id>.json
//   paths/models/<number>.json                a registered model with its versions
//   paths/files/<run or logged-model>/<id>/…  artifacts
import type { SourceExperiment } from '../source.ts';

/** Unlike any schema of a database, so that nobody restores a server from it. */
export const SCHEMA = -1;
export const EXPORT_FORMAT = 1;

export interface About {
  readonly export: number;
  readonly identity: string;
  readonly place: string;
  readonly experiments: readonly SourceExperiment[];
  readonly counts: { readonly runs: number; readonly loggedModels: number; readonly models: number; readonly files: number };
}

/** Numbers that JSON has not are words. */
export const toText = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) => (typeof v === 'number' && !Number.isFinite(v) ? { number: String(v) } : v));
export const fromText = (text: string): unknown =>
  JSON.parse(text, (_key, v: unknown) =>
    typeof v === 'object' && v !== null && Object.keys(v).join() === 'number' && typeof (v as { number: unknown }).number === 'string'
      ? Number((v as { number: string }).number)
      : v,
  );
