// The port to where an attempt of a step runs: a process here; a container, Kubernetes or Ray elsewhere.
import type { BlobEntry } from '../../kernel/blobs/blob-store.ts';
import type { StoredFile } from './model.ts';

export interface StagedFile {
  /** Path within the step's folder, with "/". */
  readonly path: string;
  readonly entry: BlobEntry;
}

export interface Attempt {
  readonly attemptId: string;
  /** Grows with every claim of the attempt; a manifest is stored under it. */
  readonly fence: number;
  /** Folder of the attempt. An engine that finds its own earlier work there adopts it. */
  readonly dir: string;
  readonly outputs: readonly string[];
  readonly timeoutMs: number;
}

/** What a step is given; nothing else is there. */
export interface Workspace {
  readonly command: string;
  readonly files: readonly StagedFile[];
  readonly variables: Readonly<Record<string, string>>;
  /** Given to the process only; never written, and redacted by value in the log. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Folder with the programs of the step's environment, put first on PATH. */
  readonly bin: string | null;
}

/** `cancelled` is said by the domain, never by an engine. */
export type FailureReason = 'failed' | 'timed-out' | 'killed' | 'lost' | 'missing-output' | 'bad-output' | 'cancelled';

export type AttemptOutcome =
  | {
      readonly ok: true;
      readonly outputs: Readonly<Record<string, readonly StoredFile[]>>;
      readonly entries: readonly BlobEntry[];
      readonly wallMs: number;
    }
  | { readonly ok: false; readonly reason: FailureReason; readonly detail: string; readonly exitCode: number | null };

export interface StepEngine {
  readonly name: string;
  /**
   * Starts the attempt, or goes on with one that this engine began in the same folder, until it has ended;
   * `prepare` is asked only for an attempt that has not begun. When `signal` aborts, the engine looks away
   * and raises the signal's reason: the attempt itself goes on. Raises `storage-full`.
   */
  run(attempt: Attempt, prepare: () => Promise<Workspace>, signal: AbortSignal): Promise<AttemptOutcome>;
  /** Ends an attempt with everything that it started, if it still runs. */
  end(dir: string): Promise<void>;
  /** A step's folder as it would be staged, for `gyre shell`; nothing is run. */
  stage(dir: string, workspace: Workspace): Promise<string>;
}
