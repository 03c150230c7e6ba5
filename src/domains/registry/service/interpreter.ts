// The interpreter of a model in Python: of the environment that trained it where that is recorded, else of the one that its
// folder describes. It is made here, before anything is scored or served.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { isGuarded } from '../../access/public.ts';
import { getEnvironment, lockOf, realiseRequirements } from '../../environments/public.ts';
import { modelInterpreter, runtimeOf } from '../../serving/public.ts';
import { fail } from '../errors.ts';
import { findingsInWords, isRefused, worstOf } from '../scan/findings.ts';
import type { Evidence, ModelVersion } from '../model.ts';
import { join } from 'node:path';
import { versionFolder } from './versions.ts';

/**
 * Undefined for a model of ONNX, which needs none. Raises `model-code-not-trusted`, `python-environment-missing`, and what making an
 * environment raises.
 */
export async function interpreterOf(ctx: Ctx, folder: string, environment?: Evidence['environment']): Promise<string | undefined> {
  if (runtimeOf(folder) === 'onnx') return undefined;
  if (!ctx.settings.trustProcessEngine && (await isGuarded(ctx))) return fail('model-code-not-trusted', {});
  const options = { ...ctx.settings, signal: ctx.signal };
  if (environment) {
    try {
      const { packages, python } = await getEnvironment(ctx, environment.digest);
      return (await realiseRequirements(lockOf(packages, python), options)).python;
    } catch (error) {
      // A version that came from elsewhere names an environment that was never declared here.
      if (!isProblem(error, 'environment-not-found')) throw error;
    }
  }
  return modelInterpreter(folder, options);
}

/** That of a sealed version, whose files the policy still lets run. Raises what `interpreterOf` raises, and `model-not-loadable`. */
export async function versionInterpreter(ctx: Ctx, version: ModelVersion): Promise<string | undefined> {
  const folder = join(ctx.settings.dir, await versionFolder(ctx, version));
  if (runtimeOf(folder) === 'python' && version.scan && isRefused(ctx.settings.picklePolicy, version.scan))
    fail('model-not-loadable', {
      model: `${version.model} version ${version.number}`,
      why: `loading it would run code that is ${worstOf(version.scan)}: ${findingsInWords(version.scan)}; GYRE_PICKLE_POLICY is "refuse"`,
    });
  return interpreterOf(ctx, folder, version.evidence.environment);
}
