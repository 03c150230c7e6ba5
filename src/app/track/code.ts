// The code that a command starts from: commit and changes where there is git, else the files themselves.
import { createHash } from 'node:crypto';
import { copyFile, lstat, readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative } from 'node:path';
import { createGzip } from 'node:zlib';
import { isSecretFile, withoutCredentials, type Redact } from './secrets.ts';
import { ask, askText } from './tool.ts';

const DIFF_BYTES = 16 * 1024 * 1024;
const FILE_BYTES = 1024 * 1024;
const FOLDER_BYTES = 20 * 1024 * 1024;
const FOLDER_FILES = 2000;
const SEEN_FILES = 50_000;

export interface Code {
  readonly kind: 'git' | 'folder';
  /** The top of the working tree, or the folder. */
  readonly root: string;
  readonly tags: Readonly<Record<string, string>>;
  /** code.diff or code.tar.gz; none if the commit is all there is. */
  readonly artifact: { readonly name: string; readonly content: Buffer } | null;
  readonly leftOut: readonly string[];
}

export interface CodeOptions {
  /** Where scratch files may be written. */
  readonly scratch: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly redact: Redact;
  /** Folders and files that are results, not code; absolute. */
  readonly outputs: readonly string[];
}

/** The top of the git working tree that a folder is in. */
export const gitRoot = (cwd: string, env: CodeOptions['env']): Promise<string | undefined> =>
  askText('git', ['rev-parse', '--show-toplevel'], { cwd, env: { ...env } });

export async function codeOf(folder: string, root: string | undefined, options: CodeOptions): Promise<Code> {
  return (root === undefined ? undefined : await gitCode(root, options)) ?? folderCode(folder, options.outputs);
}

async function gitCode(root: string, { scratch, env, redact }: CodeOptions): Promise<Code | undefined> {
  // Another index, so that new files can be shown in the diff without touching the user's own.
  const index = join(scratch, 'index');
  const settings = { cwd: root, env: { ...env, GIT_OPTIONAL_LOCKS: '0', GIT_LITERAL_PATHSPECS: '0' } };
  const git = (...args: string[]) => askText('git', args, settings);
  const [commit, branch, remote, path, untracked] = await Promise.all([
    git('rev-parse', 'HEAD'),
    git('symbolic-ref', '--short', '-q', 'HEAD'),
    git('config', '--get', 'remote.origin.url'),
    git('rev-parse', '--git-path', 'index'),
    git('ls-files', '--others', '--exclude-standard', '-z'),
  ]);
  if (commit === undefined || path === undefined) return undefined;
  await copyFile(join(path.startsWith('/') ? '' : root, path), index).catch(() => undefined);
  const withIndex = { ...settings, env: { ...settings.env, GIT_INDEX_FILE: index } };
  const fresh: string[] = [];
  const leftOut: string[] = [];
  for (const file of (untracked ?? '').split('\0').filter(Boolean)) {
    const found = await lstat(join(root, file)).catch(() => undefined);
    if (found?.isFile() && found.size <= FILE_BYTES && !isSecretFile(basename(file)) && fresh.length < FOLDER_FILES) fresh.push(file);
    else leftOut.push(file);
  }
  for (let i = 0; i < fresh.length; i += 200)
    await ask('git', ['--literal-pathspecs', 'add', '--intent-to-add', '--', ...fresh.slice(i, i + 200)], withIndex);
  const changed = ((await askText('git', ['diff', 'HEAD', '--name-only', '-z', '--no-ext-diff'], withIndex)) ?? '')
    .split('\0')
    .filter(Boolean);
  const secret = changed.filter((file) => isSecretFile(basename(file)));
  const diff =
    changed.length === 0
      ? undefined
      : await ask(
          'git',
          [
            'diff',
            'HEAD',
            '--binary',
            '--no-color',
            '--no-ext-diff',
            '--no-textconv',
            '--',
            '.',
            ...secret.map((f) => `:(exclude,literal)${f}`),
          ],
          { ...withIndex, mostBytes: DIFF_BYTES },
        );
  const text = diff && !diff.cut ? diff.out.toString('latin1') : '';
  // Secrets are looked for in the text as it is read; a diff with other bytes keeps them.
  const shown = Buffer.from(text, 'latin1').toString('utf8');
  const clean = redact(shown);
  const content = clean === shown ? Buffer.from(text, 'latin1') : Buffer.from(clean);
  return {
    kind: 'git',
    root,
    tags: {
      'mlflow.source.git.commit': commit,
      ...(branch === undefined ? {} : { 'mlflow.source.git.branch': branch }),
      ...(remote === undefined ? {} : { 'mlflow.source.git.repoURL': withoutCredentials(remote) }),
      'mlflow.source.git.dirty': changed.length > 0 ? 'True' : 'False',
      ...(content.length === 0 ? {} : { 'gyre.code.diff_sha256': createHash('sha256').update(content).digest('hex') }),
      ...(clean === shown ? {} : { 'gyre.code.redacted': 'true' }),
      ...(diff?.cut ? { 'gyre.code.diff': `not kept: more than ${DIFF_BYTES} bytes` } : {}),
    },
    artifact: content.length === 0 ? null : { name: 'code.diff', content },
    leftOut: [...leftOut, ...secret],
  };
}

const SKIPPED = new Set([
  'node_modules',
  '__pycache__',
  'venv',
  'env',
  'site-packages',
  'mlruns',
  'mlartifacts',
  'wandb',
  'build',
  'dist',
  'target',
]);
const CODE = new Set(
  `.py .ipynb .r .rmd .jl .sh .bash .sql .c .cc .cpp .h .hpp .cu .rs .go .java .scala .kt .js .ts .mjs .rb .pl .lua .m
   .yaml .yml .toml .json .cfg .ini .conf .lock .in .mk .dockerfile .jinja .j2`.split(/\s+/),
);
const CODE_NAMES = /^(Makefile|Dockerfile|Pipfile|Snakefile|Justfile|requirements[\w.-]*\.txt|constraints[\w.-]*\.txt)$/;

async function folderCode(root: string, outputs: readonly string[]): Promise<Code> {
  const files: { path: string; content: Buffer; mode: number }[] = [];
  const leftOut: string[] = [];
  let bytes = 0;
  let seen = 0;
  const folders = [root];
  for (let folder = folders.shift(); folder !== undefined && seen < SEEN_FILES; folder = folders.shift()) {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      seen++;
      const path = join(folder, entry.name);
      if (entry.name.startsWith('.') || outputs.includes(path)) continue;
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name)) folders.push(path);
        continue;
      }
      if (!entry.isFile() || isSecretFile(entry.name)) continue;
      if (!CODE.has(extname(entry.name).toLowerCase()) && !CODE_NAMES.test(entry.name)) continue;
      const { size, mode } = await lstat(path);
      if (size > FILE_BYTES || bytes + size > FOLDER_BYTES || files.length >= FOLDER_FILES) leftOut.push(relative(root, path));
      else {
        const content = await readFile(path).catch(() => undefined);
        if (content === undefined) continue;
        bytes += content.length;
        files.push({ path: relative(root, path), content, mode: mode & 0o777 });
      }
    }
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const digest = createHash('sha256');
  const { pack } = await import('tar-stream');
  const archive = pack();
  for (const { path, content, mode } of files) {
    digest.update(`${createHash('sha256').update(content).digest('hex')}  ${path}\n`);
    archive.entry({ name: path, mode, mtime: new Date(0) }, content);
  }
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive.pipe(createGzip())) pieces.push(piece as Buffer);
  return {
    kind: 'folder',
    root,
    tags: { 'gyre.code.sha256': digest.digest('hex'), 'gyre.code.files': String(files.length) },
    artifact: files.length === 0 ? null : { name: 'code.tar.gz', content: Buffer.concat(pieces) },
    leftOut,
  };
}

/** The folder whose code counts: the script's, where it lies outside the working folder. */
export const codeFolder = (cwd: string, script: string | null): string =>
  script === null || script.startsWith(`${cwd}/`) ? cwd : dirname(script);
