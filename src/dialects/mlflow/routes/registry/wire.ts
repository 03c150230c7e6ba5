// Models and versions as MLflow's clients read them.
import type { Ctx } from '../../../../kernel/ctx.ts';
import {
  getModel,
  scanInWords,
  withDetails,
  withTags,
  type FoundModel,
  type FoundVersion,
  type ModelVersion,
} from '../../../../domains/registry/public.ts';
import { omitEmpty } from '../../wire.ts';

const IS_PROMPT = 'mlflow.prompt.is_prompt';

/** MLflow's words for a model that is a prompt; its other tags say what is in it. */
export const isPrompt = (tags: readonly { key: string; value: string }[]): boolean =>
  tags.findLast((t) => t.key === IS_PROMPT)?.value.toLowerCase() === 'true';

// MLflow has no place of its own for either; a tag would be one that its user did not set.
function messageOf(v: ModelVersion): string | undefined {
  const why = v.unsealedBecause ?? v.unservableBecause;
  const executes = v.scan ? scanInWords(v.scan) : undefined;
  const parts = [
    ...(why === null ? [] : [`Not served here: ${why}.`]),
    ...(executes === undefined || v.unsealedBecause !== null ? [] : [`Loading it runs code (${executes}).`]),
  ];
  return parts.length === 0 ? undefined : parts.join(' ');
}

export const versionToWire = ({ version: v, tags, aliases }: FoundVersion) =>
  omitEmpty({
    name: v.model,
    version: String(v.number),
    creation_timestamp: v.createdMs,
    last_updated_timestamp: v.updatedMs,
    current_stage: v.stage,
    description: v.description,
    source: v.source,
    run_id: v.trackingRunId ?? '',
    // The client waits for anything else. Whether it is sealed is our own matter, told in the message.
    status: 'READY',
    status_message: isPrompt(tags) ? undefined : messageOf(v),
    run_link: v.runLink ?? '',
    model_id: v.loggedModelId,
    tags,
    aliases,
  });

export const oneToWire = async (ctx: Ctx, version: ModelVersion) => versionToWire((await withTags(ctx, [version]))[0]!);

export const modelToWire = ({ model: m, tags, aliases, latest }: FoundModel) =>
  omitEmpty({
    name: m.name,
    creation_timestamp: m.createdMs,
    last_updated_timestamp: m.updatedMs,
    description: m.description || undefined,
    latest_versions: latest.map((found) => versionToWire({ ...found, aliases: [] })),
    tags,
    aliases: aliases.map((a) => ({ alias: a.alias, version: String(a.number) })),
  });

export const modelNamed = async (ctx: Ctx, name: string) => modelToWire((await withDetails(ctx, [await getModel(ctx, name)]))[0]!);
