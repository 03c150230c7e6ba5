// Sends what the server does not have yet: blobs by digest, the code snapshot, dataset files.
import { path, type Client } from '../../kernel/cli/client.ts';
import { startProgress } from '../../kernel/cli/progress.ts';
import type { Terminal } from '../../kernel/cli/terminal.ts';
import { codeFiles, gitState, type LocalFile, type LocalProject } from './local-project.ts';

const AT_ONCE = 4;
const MISSING_AT_ONCE = 5000;

/** Uploads the blobs that are not there; answers how many bytes travelled. */
export async function uploadMissing(client: Client, terminal: Terminal, what: string, files: readonly LocalFile[]): Promise<number> {
  const byDigest = new Map(files.map((f) => [f.digest, f]));
  const digests = [...byDigest.keys()];
  const missing: LocalFile[] = [];
  for (let i = 0; i < digests.length; i += MISSING_AT_ONCE) {
    const reply = await client.post<{ missing: string[] }>('/blobs/missing', { digests: digests.slice(i, i + MISSING_AT_ONCE) });
    missing.push(...reply.missing.map((d) => byDigest.get(d)!));
  }
  const total = missing.reduce((sum, f) => sum + f.sizeBytes, 0);
  if (missing.length === 0) return 0;
  const progress = startProgress(terminal, `upload ${what}`, 'KiB', Math.ceil(total / 1024));
  let sent = 0;
  const queue = [...missing];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      await client.upload(path`/blobs/${file.digest}`, file.full);
      sent += file.sizeBytes;
      progress.update(Math.ceil(sent / 1024));
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, missing.length) }, worker));
  progress.end();
  return total;
}

export interface Applied {
  readonly created: boolean;
  readonly revision: { readonly id: string; readonly number: number; readonly project: string };
  readonly changes: readonly {
    readonly kind: string;
    readonly name: string;
    readonly change: string;
    readonly differs?: readonly string[];
  }[];
}

/**
 * Sends the code snapshot and makes the next revision, if anything differs. Without a `baseRevision` it is the one of
 * now: a revision that somebody else makes while the files travel is a conflict, and faults show before they do.
 */
export async function applyLocal(client: Client, terminal: Terminal, local: LocalProject, baseRevision?: number): Promise<Applied> {
  const files = await codeFiles(local);
  const seen = baseRevision ?? (await client.post<{ baseRevision: number }>('/projects/plan', { text: local.text })).baseRevision;
  await uploadMissing(client, terminal, 'code', files);
  const { id } = await client.post<{ id: string }>('/snapshots', { files: Object.fromEntries(files.map((f) => [f.path, f.digest])) });
  return client.post<Applied>('/projects/apply', {
    text: local.text,
    snapshot: id,
    ...gitState(local.folder),
    baseRevision: seen,
  });
}

export interface PushedVersion {
  readonly created: boolean;
  readonly version: {
    readonly id: string;
    readonly dataset: string;
    readonly number: number;
    readonly rows: number;
    readonly state: string;
    readonly columns: readonly unknown[];
  };
}

/** Sends a dataset's files and makes a version of them. */
export async function pushDataset(
  client: Client,
  terminal: Terminal,
  project: string,
  dataset: string,
  files: readonly LocalFile[],
  acceptSchemaChange = false,
): Promise<PushedVersion & { sentBytes: number }> {
  const sentBytes = await uploadMissing(client, terminal, dataset, files);
  const pushed = await client.post<PushedVersion>(path`/projects/${project}/datasets/${dataset}/versions`, {
    files: files.map(({ path: name, digest }) => ({ path: name, digest })),
    ...(acceptSchemaChange ? { acceptSchemaChange } : {}),
  });
  return { ...pushed, sentBytes };
}
