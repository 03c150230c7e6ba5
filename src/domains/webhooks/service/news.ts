// What the log of events says of the registry, in the words and with the data that MLflow sends. The log holds
// no texts, so they are read as they are now; what is gone already is told without them.
import { isProblem } from '../../../kernel/errors.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { StoredEvent } from '../../../kernel/events/subscribers.ts';
import { findVersion, getModel, withDetails, withTags, type FoundModel, type FoundVersion } from '../../registry/public.ts';
import type { WebhookEvent } from '../model.ts';
import { tell } from './deliver.ts';

const IS_PROMPT = 'mlflow.prompt.is_prompt';
const PROMPT_TEXT = 'mlflow.prompt.text';
const PROMPT_TYPE = '_mlflow_prompt_type';

type Tags = Readonly<Record<string, string>>;
interface Told {
  readonly event: WebhookEvent;
  readonly data: unknown;
}

const tagsOf = (found: FoundModel | FoundVersion | undefined): Tags => Object.fromEntries((found?.tags ?? []).map((t) => [t.key, t.value]));
const without = (tags: Tags, ...keys: readonly string[]): Tags =>
  Object.fromEntries(Object.entries(tags).filter(([k]) => !keys.includes(k)));
const isPrompt = (tags: Tags): boolean => (tags[IS_PROMPT] ?? '').toLowerCase() === 'true';

async function orGone<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isProblem(error) && error.status === 404) return undefined;
    throw error;
  }
}
const modelOf = (ctx: Ctx, name: string): Promise<FoundModel | undefined> =>
  orGone(getModel(ctx, name).then(async (model) => (await withDetails(ctx, [model]))[0]!));
const versionOf = (ctx: Ctx, name: string, number: number): Promise<FoundVersion | undefined> =>
  orGone(findVersion(ctx, name, String(number)).then(async (version) => (await withTags(ctx, [version]))[0]!));

async function modelCreated(ctx: Ctx, name: string): Promise<Told> {
  const found = await modelOf(ctx, name);
  const tags = tagsOf(found);
  const description = found?.model.description ?? '';
  return isPrompt(tags)
    ? { event: 'prompt.created', data: { name, tags: without(tags, IS_PROMPT, PROMPT_TYPE), description } }
    : { event: 'registered_model.created', data: { name, tags, description } };
}

async function versionCreated(ctx: Ctx, name: string, number: number): Promise<Told> {
  const found = await versionOf(ctx, name, number);
  const tags = tagsOf(found);
  const [version, description] = [String(number), found?.version.description || null];
  if (isPrompt(tags)) {
    const shown = without(tags, IS_PROMPT, PROMPT_TEXT, PROMPT_TYPE);
    return { event: 'prompt_version.created', data: { name, version, template: tags[PROMPT_TEXT] ?? '', tags: shown, description } };
  }
  const { source = '', trackingRunId = null } = found?.version ?? {};
  return { event: 'model_version.created', data: { name, version, source, run_id: trackingRunId, tags, description } };
}

async function tagged(ctx: Ctx, name: string, number: number, key: string, what: 'set' | 'deleted'): Promise<Told | undefined> {
  const model = await modelOf(ctx, name);
  const prompt = isPrompt(tagsOf(model));
  // MLflow tells nothing of the tags of a model that is no prompt.
  if (number === 0 && !prompt) return undefined;
  const value = tagsOf(number === 0 ? model : await versionOf(ctx, name, number))[key];
  // It was taken away again; that is told next.
  if (what === 'set' && value === undefined) return undefined;
  const entity = number === 0 ? 'prompt_tag' : prompt ? 'prompt_version_tag' : 'model_version_tag';
  return {
    event: `${entity}.${what}`,
    data: { name, ...(number === 0 ? {} : { version: String(number) }), key, ...(what === 'set' ? { value } : {}) },
  };
}

async function aliased(ctx: Ctx, name: string, alias: string, number: number, what: 'created' | 'deleted'): Promise<Told> {
  const entity = isPrompt(tagsOf(await modelOf(ctx, name))) ? 'prompt_alias' : 'model_version_alias';
  return { event: `${entity}.${what}`, data: { name, alias, ...(what === 'created' ? { version: String(number) } : {}) } };
}

type Reader = (ctx: Ctx, event: StoredEvent) => Promise<Told | undefined>;
const created: Reader = (ctx, { payload: p }) => versionCreated(ctx, String(p.model), Number(p.number));

/** Events of the registry, what they may become, and how. */
const READERS: Readonly<Record<string, readonly [readonly WebhookEvent[], Reader]>> = {
  'model.created': [['registered_model.created', 'prompt.created'], (ctx, e) => modelCreated(ctx, e.subject.id)],
  'model-version.created': [['model_version.created', 'prompt_version.created'], created],
  // One that is sealed when it is registered was created then; a later seal is no news here.
  'model-version.sealed': [
    ['model_version.created', 'prompt_version.created'],
    async (ctx, e) => (e.payload.state === undefined ? undefined : created(ctx, e)),
  ],
  'model-tag.set': [
    ['model_version_tag.set', 'prompt_tag.set', 'prompt_version_tag.set'],
    (ctx, { subject, payload: p }) => tagged(ctx, subject.id, Number(p.number), String(p.key), 'set'),
  ],
  'model-tag.removed': [
    ['model_version_tag.deleted', 'prompt_tag.deleted', 'prompt_version_tag.deleted'],
    (ctx, { subject, payload: p }) => tagged(ctx, subject.id, Number(p.number), String(p.key), 'deleted'),
  ],
  'alias.set': [
    ['model_version_alias.created', 'prompt_alias.created'],
    (ctx, { subject, payload: p }) => aliased(ctx, subject.id, String(p.alias), Number(p.number), 'created'),
  ],
  'alias.removed': [
    ['model_version_alias.deleted', 'prompt_alias.deleted'],
    (ctx, { subject, payload: p }) => aliased(ctx, subject.id, String(p.alias), 0, 'deleted'),
  ],
};

export const newsTypes = Object.keys(READERS);

export const handleNews = (tx: Ctx, event: StoredEvent): Promise<void> => {
  const [events, read] = READERS[event.type]!;
  return tell(tx, events, async () => {
    const told = await read(tx, event);
    return told && { ...told, id: event.id, atMs: event.recordedMs };
  });
};
