// Where a command ran: host, GPUs, Python and its packages, lock files, chosen variables.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, hostname, release, totalmem, type as systemType } from 'node:os';
import { join } from 'node:path';
import { isSecretName } from './secrets.ts';
import { askText } from './tool.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Host {
  readonly name: string;
  readonly os: string;
  readonly arch: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly gpus: readonly string[];
}

export async function hostOf(cwd: string, env: Environment): Promise<Host> {
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'];
  const gpus = await askText('nvidia-smi', query, { cwd, env: { ...env } });
  return {
    name: hostname(),
    os: `${systemType()} ${release()}`,
    arch: arch(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    gpus: gpus ? gpus.split('\n').map((line) => line.trim()) : [],
  };
}

const LOCKS =
  /^(requirements[\w.-]*\.(txt|lock|in)|uv\.lock|poetry\.lock|pdm\.lock|Pipfile\.lock|pylock[\w.-]*\.toml|conda-lock\.yml|environment\.ya?ml|pixi\.lock|pyproject\.toml|setup\.(py|cfg)|renv\.lock|package-lock\.json)$/;

/** Files that say which packages are wanted, with SHA-256, in the folders named. */
export async function lockFiles(folders: readonly string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const folder of new Set(folders))
    for (const name of (await readdir(folder).catch(() => [])).filter((n) => LOCKS.test(n)).sort()) {
      const content = await readFile(join(folder, name)).catch(() => undefined);
      if (content) found[join(folder, name)] = createHash('sha256').update(content).digest('hex');
    }
  return found;
}

// importlib.metadata is there without pip; the record of an editable or direct install says where it came from.
const PACKAGES = `
import importlib.metadata as m, json
found = {}
for d in m.distributions():
    name = d.metadata["Name"]
    if not name or name.lower().replace("_", "-") in found:
        continue
    line = name + "==" + d.version
    try:
        direct = json.loads(d.read_text("direct_url.json") or "{}")
        vcs = direct.get("vcs_info")
        if vcs:
            line = name + " @ " + vcs["vcs"] + "+" + direct["url"] + "@" + vcs["commit_id"]
        elif direct.get("url"):
            line = name + " @ " + direct["url"]
    except Exception:
        pass
    found[name.lower().replace("_", "-")] = line
print("\\n".join(found[k] for k in sorted(found)))
`;

/** Installed packages of an interpreter as requirements, one a line; undefined if it does not tell. */
export const packagesOf = (python: string, cwd: string, env: Environment): Promise<string | undefined> =>
  askText(python, ['-c', PACKAGES], { cwd, env: { ...env }, mostBytes: 8 * 1024 * 1024 });

const KEPT = [
  'CUDA_VISIBLE_DEVICES',
  'OMP_NUM_THREADS',
  'MKL_NUM_THREADS',
  'OPENBLAS_NUM_THREADS',
  'NUMEXPR_NUM_THREADS',
  'PYTHONHASHSEED',
  'TOKENIZERS_PARALLELISM',
  'CUBLAS_WORKSPACE_CONFIG',
  'WORLD_SIZE',
  'RANK',
  'LOCAL_RANK',
  'SLURM_JOB_ID',
  'CONDA_DEFAULT_ENV',
  'VIRTUAL_ENV',
];

/** Variables that change how training runs, and those asked for by name. No other is looked at. */
export function keptVariables(env: Environment, asked: readonly string[]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of new Set([...KEPT, ...asked])) {
    const value = env[name];
    if (value !== undefined) kept[name] = isSecretName(name) ? '(redacted)' : value;
  }
  return kept;
}
