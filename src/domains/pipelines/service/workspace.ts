// What a step is given: its code, inputs, parameters, variables, secrets and environment.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { findBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { realiseEnvironment } from '../../environments/public.ts';
import type { RunStep } from '../../projects/public.ts';
import { modelFiles } from '../../tracking/public.ts';
import type { StagedFile, StepEngine, Workspace } from '../engine.ts';
import { fail } from '../errors.ts';
import { substitute, substituteInShell, type StepOutput } from '../model.ts';
import { codeFiles, secretsOf } from './key-parts.ts';
import { environmentOf, filesOfSnapshot, loadRun, outputOf, type RunContext } from './run-context.ts';

/** Raises `step-failed` if an input is not there, `secret-missing`, and what making the environment raises. */
export async function workspaceOf(
  ctx: Ctx,
  context: RunContext,
  definition: RunStep,
  variables: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, string>>,
): Promise<Workspace> {
  const { run } = context;
  const environment = await environmentOf(ctx, context, definition.environment);
  const realised = environment ? await realiseEnvironment(ctx, environment.resolved, environment.text, environment.file) : null;
  return {
    command: substituteInShell(definition.command, run.params),
    files: await stagedFiles(ctx, context, definition),
    variables: {
      ...Object.fromEntries(Object.entries(definition.env).map(([name, value]) => [name, substitute(value, run.params)])),
      ...variables,
    },
    secrets: { ...secretsOf(definition), ...secrets },
    bin: realised?.bin ?? null,
  };
}

async function stagedFiles(ctx: Ctx, context: RunContext, definition: RunStep): Promise<StagedFile[]> {
  const code = codeFiles(definition, await filesOfSnapshot(ctx, context));
  const wanted = Object.entries(code).map(([path, digest]) => ({ path, digest }));
  for (const ref of definition.inputs) {
    const folder = `in/${ref.replace('.', '-')}`;
    wanted.push(...(await filesOf(ctx, outputOf(context, ref))).map((f) => ({ path: `${folder}/${f.path}`, digest: f.digest })));
  }
  for (const { path } of wanted)
    if (path.startsWith('/') || path.split('/').some((part) => part === '..' || part === '.' || part === '' || part.includes('\0')))
      fail('step-failed', { step: definition.name, why: `the path "${path}" leaves the folder of the step` });
  const entries = await findBlobs(ctx.db, ctx.workspace, [...new Set(wanted.map((w) => w.digest))]);
  return wanted.map(({ path, digest }) => ({
    path,
    entry: entries.get(digest) ?? fail('step-failed', { step: definition.name, why: `the bytes of ${path} are not in the store` }),
  }));
}

async function filesOf(ctx: Ctx, output: StepOutput): Promise<readonly { path: string; digest: string }[]> {
  if (output.kind === 'table' || output.kind === 'folder') return output.files;
  return output.kind === 'logged-model' ? modelFiles(ctx, output.id) : [];
}

export interface StagedStep {
  /** Folder on the server's machine. */
  readonly dir: string;
  readonly bin: string | null;
  readonly command: string;
  readonly variables: Readonly<Record<string, string>>;
  /** Names only: a secret never leaves the process that uses it. */
  readonly secrets: readonly string[];
  readonly outputs: readonly string[];
  readonly files: readonly { readonly path: string; readonly digest: string; readonly sizeBytes: number }[];
}

/** The exact folder and environment of a step, staged and not run. Raises `run-not-found`, `step-not-found`, `step-without-workspace`. */
export async function stageStep(ctx: Ctx, runId: string, name: string, engine: StepEngine): Promise<StagedStep> {
  const context = await loadRun(ctx, runId);
  const definition = context.stepDefinitions.get(name) ?? fail('step-not-found', { run: runId, step: name });
  if (definition.kind !== 'run') return fail('step-without-workspace', { step: name, kind: definition.kind });
  const workspace = await workspaceOf(ctx, context, definition, { GYRE_RUN_ID: runId }, {});
  const dir = join(ctx.settings.dir, 'attempts', runId, `${name}-shell-${randomBytes(4).toString('hex')}`);
  return {
    dir: await engine.stage(dir, workspace),
    bin: workspace.bin,
    command: workspace.command,
    variables: workspace.variables,
    secrets: Object.keys(workspace.secrets),
    outputs: Object.keys(definition.outputs),
    files: workspace.files.map(({ path, entry }) => ({ path, digest: entry.digest, sizeBytes: entry.sizeBytes })),
  };
}
