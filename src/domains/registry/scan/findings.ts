// What loading a file would run, and how a policy takes it. Pure.

/** safe = of the libraries that models are made of; dangerous = runs commands, code or opens connections. */
export const verdicts = ['safe', 'unknown', 'dangerous'] as const;
export type Verdict = (typeof verdicts)[number];

export interface Finding {
  /** What is imported and may be called, as "module.name". */
  readonly callable: string;
  readonly verdict: Verdict;
}

/** How a file executes. */
export type Execution = 'pickle' | 'keras-lambda' | 'python';

export interface ScannedFile {
  /** In the version; within an archive "archive!entry". */
  readonly path: string;
  readonly kind: Execution;
  readonly findings: readonly Finding[];
  /** Why it was not read to its end; then it counts as unknown. */
  readonly unread: string | null;
}

export interface Scan {
  readonly executesOnLoad: boolean;
  /** Files that execute when they are loaded. */
  readonly files: readonly ScannedFile[];
}

export const picklePolicies = ['allow', 'warn', 'refuse'] as const;
export type PicklePolicy = (typeof picklePolicies)[number];

const rank = (verdict: Verdict): number => verdicts.indexOf(verdict);

/** The worst verdict of a file. */
export const verdictOf = (file: ScannedFile): Verdict =>
  file.findings.reduce<Verdict>(
    (worst, f) => (rank(f.verdict) > rank(worst) ? f.verdict : worst),
    file.unread === null ? 'safe' : 'unknown',
  );

export const worstOf = (scan: Scan): Verdict =>
  scan.files.map(verdictOf).reduce<Verdict>((worst, v) => (rank(v) > rank(worst) ? v : worst), 'safe');

const MOST_WORDS = 5;

/** The findings that are not safe, as many as one reads; "" if there are none. */
export function findingsInWords(scan: Scan): string {
  const found = scan.files.flatMap((f) => f.findings.filter((x) => x.verdict !== 'safe').map((x) => `${x.callable} in ${f.path}`));
  return found.slice(0, MOST_WORDS).join(', ') + (found.length > MOST_WORDS ? ` and ${found.length - MOST_WORDS} more` : '');
}

/** The verdict on all files with what it rests on; undefined where nothing executes. */
export function scanInWords(scan: Scan): string | undefined {
  const words = findingsInWords(scan);
  return scan.executesOnLoad ? `${worstOf(scan)}${words === '' ? '' : `: ${words}`}` : undefined;
}

/** Whether a policy keeps such files from being sealed. */
export const isRefused = (policy: PicklePolicy, scan: Scan): boolean => policy === 'refuse' && worstOf(scan) !== 'safe';
