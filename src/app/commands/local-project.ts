// The project on this disk: its file, the code it names, the data it points at.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join, matchesGlob, relative, resolve, sep } from 'node:path';
import { defineErrors } from '../../kernel/errors.ts';
import type { ProjectDefinition } from '../../domains/projects/public.ts';

const { fail } = defineErrors({
  'project-file-missing': {
    status: 404,
    title: 'No project file',
    detail: (p: { where: string }) =>
      `There is no gyre.yaml in ${p.where} or a folder above. Begin one with "gyre init", or name it with --file.`,
  },
  'project-files-missing': {
    status: 400,
    title: 'Files that the project names are not there',
    detail: (p: { files: readonly string[] }) => `gyre.yaml names ${p.files.join(', ')}, and there is no such file beside it.`,
  },
});

export interface LocalProject {
  readonly file: string;
  readonly folder: string;
  readonly text: string;
  readonly definition: ProjectDefinition;
}

/** The project file, given or found upwards from here. Raises `project-file-missing`, `project-invalid`. */
export async function findProject(given?: string): Promise<LocalProject> {
  const file = fileOf(given) ?? fail('project-file-missing', { where: given ?? process.cwd() });
  const text = readFileSync(file, 'utf8');
  const { parseProject } = await loadParser();
  return { file, folder: dirname(file), text, definition: parseProject(text, relative(process.cwd(), file) || file) };
}

/** The project's name alone, where the file says it plainly: what only asks the server needs no more. */
export function projectName(given?: string): string | undefined {
  const file = fileOf(given);
  return file === undefined ? undefined : /^project:[ \t]*([a-z][a-z0-9-]*)[ \t]*(?:#.*)?$/m.exec(readFileSync(file, 'utf8'))?.[1];
}

// The parser of project files brings much with it that most commands do not need.
const loadParser = () => import('../../domains/projects/public.ts');

function fileOf(given: string | undefined): string | undefined {
  const file = given === undefined ? searchUpwards(process.cwd()) : resolve(given);
  return file !== undefined && statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined;
}

function searchUpwards(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'gyre.yaml');
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

export interface LocalFile {
  /** Relative to the project's folder, with "/". */
  readonly path: string;
  readonly full: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** The code: tracked, or untracked and not ignored, under the declared globs; and every file that gyre.yaml names. */
export async function codeFiles({ folder, definition }: LocalProject): Promise<LocalFile[]> {
  const named = (await loadParser()).namedFiles(definition);
  const missing = named.filter((path) => !existsSync(join(folder, path)));
  if (missing.length > 0) fail('project-files-missing', { files: missing });
  const listed =
    gitFiles(folder) ??
    globSync('**/*', { cwd: folder, exclude: (name) => /(^|\/)(\.git|\.gyre|node_modules|__pycache__|\.venv)$/.test(String(name)) });
  const wanted = listed
    .map((path) => path.split(sep).join('/'))
    .filter((path) => definition.code.some((glob) => matchesGlob(path, glob)) && isFile(join(folder, path)));
  return Promise.all([...new Set([...named, ...wanted])].sort().map((path) => describeFile(folder, path)));
}

/** Files under a glob of the project's folder, by name. */
export const filesUnder = (folder: string, globs: readonly string[]): Promise<LocalFile[]> =>
  Promise.all(
    [...new Set(globs.flatMap((glob) => globSync(glob, { cwd: folder })))]
      .filter((path) => isFile(join(folder, path)))
      .sort()
      .map((path) => describeFile(folder, path)),
  );

/** Where the code stands: the commit, and a digest of what differs from it. */
export function gitState(folder: string): { commit?: string; dirtyDigest?: string } {
  const commit = git(folder, ['rev-parse', 'HEAD'])?.trim();
  if (!commit) return {};
  const status = git(folder, ['status', '--porcelain', '--', '.']) ?? '';
  if (status === '') return { commit };
  const diff = (git(folder, ['diff', 'HEAD', '--binary', '--', '.']) ?? '') + status;
  return { commit, dirtyDigest: createHash('sha256').update(diff).digest('hex') };
}

const gitFiles = (folder: string): string[] | undefined =>
  git(folder, ['ls-files', '--cached', '--others', '--exclude-standard', '-z', '--', '.'])
    ?.split('\0')
    .filter((path) => path !== '');

function git(folder: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 256 * 1024 * 1024 });
  } catch {
    return undefined;
  }
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

async function describeFile(folder: string, path: string): Promise<LocalFile> {
  const full = join(folder, path);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of createReadStream(full) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { path: path.split(sep).join('/'), full, digest: hash.digest('hex'), sizeBytes };
}
