import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { getVersion } from '../../datasets/public.ts';
import { viewKey } from '../../features/public.ts';
import type { SpineDefinition } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import type { RunContext } from './run-context.ts';

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** Digests of the rows of a dataset and of the views of a service. */
export async function tableInputs(
  ctx: Ctx,
  context: RunContext,
  service: string | null,
  spine: Pick<SpineDefinition, 'dataset'>,
): Promise<Record<string, string>> {
  const { definition, run } = context;
  const version = (dataset: string) =>
    getVersion(
      ctx,
      run.datasets[dataset] ??
        fail('step-failed', { step: service ?? spine.dataset, why: `dataset "${dataset}" had no version when the run began` }),
    );
  const inputs: Record<string, string> = { [spine.dataset]: (await version(spine.dataset)).logicalDigest };
  for (const name of service === null ? [] : definition.services[service]!.views) {
    const view = definition.views[name]!;
    inputs[`view ${name}`] = sha256([
      await viewKey(ctx, { definition, snapshot: run.snapshot, view, version: await version(view.dataset) }),
      view.ttlUs,
    ]);
  }
  return inputs;
}
