// What MLflow refuses before it looks anything up, in its words and its order.
import { posix } from 'node:path';
import type { Rule } from '../../proto.ts';
import { invalid, type Args } from '../../wire.ts';

export const required: readonly Rule[] = ['required', 'string'];
export const text: readonly Rule[] = ['string'];

const lookUp = (name: string): string =>
  `Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '${name}'`;

const LONGEST_NAME = 256;

/** The name of a model. */
export function nameOf(a: Args, parameter = 'name'): string {
  const name = a.text(parameter);
  if (name.trim() === '') invalid(`Missing value for required parameter '${parameter}'.`);
  if (/[/:]/.test(name)) invalid(`Invalid model name '${name}'. Names cannot contain '/' or ':'.`);
  if (name === '.' || name.startsWith('..')) invalid(`Invalid value "${name}" for parameter 'name' supplied: ${lookUp(name)}`);
  if (name.length > LONGEST_NAME) invalid(`'name' exceeds the maximum length of ${LONGEST_NAME} characters`);
  return name;
}

/** A version is a number, and MLflow's clients send it as text. */
export function numberOf(a: Args): number {
  const given = a.text('version');
  if (!/^\s*[-+]?\d+\s*$/.test(given)) invalid(`Parameter 'version' must be an integer, got '${given}'.`);
  return Number(given);
}

const LONGEST_KEY = 250;
const LONGEST_VALUE = 100_000;
const badKey = 'Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).';

export function checkTagKey(key: string): void {
  if (!/^[\p{L}\p{N}_\-. /:]*$/u.test(key)) invalid(`Invalid value ${JSON.stringify(key)} for parameter 'key' supplied: ${badKey}`);
  const resolved = posix.normalize(key);
  if (resolved !== key || resolved === '.' || /^(\.\.|\/)/.test(resolved))
    invalid(`Invalid value ${JSON.stringify(key)} for parameter 'key' supplied: ${lookUp(resolved)}`);
}

/** A tag of a model or version; of a prompt's text the limit is told otherwise. */
export function checkTag({ key, value }: { key: string; value: string }): { key: string; value: string } {
  checkTagKey(key);
  if (key.length > LONGEST_KEY) invalid(`'key' exceeds the maximum length of ${LONGEST_KEY} characters`);
  if (value.length <= LONGEST_VALUE) return { key, value };
  return key === 'mlflow.prompt.text'
    ? invalid(`Prompt text exceeds max length of ${LONGEST_VALUE} characters.`)
    : invalid(`'value' exceeds the maximum length of ${LONGEST_VALUE} characters`);
}

/** Of the same key the last one counts. */
export function tagsOf(a: Args): { key: string; value: string }[] {
  const tags = a.list('tags');
  // Each is a statement of one transaction, which others wait for.
  if (tags.length > MOST_TAGS)
    return invalid(`Invalid value for parameter 'tags' supplied: at most ${MOST_TAGS} tags, got ${tags.length}.`);
  return [...new Map(tags.map(({ at }) => [at.text('key'), checkTag({ key: at.text('key'), value: at.text('value') })])).values()];
}

const MOST_TAGS = 1000;

const LONGEST_ALIAS = 255;

/** The name of an alias, for reading it as well. */
export function aliasOf(a: Args): string {
  const alias = a.text('alias');
  if (!/^[\p{L}\p{N}_-]*$/u.test(alias))
    invalid(`Invalid alias name: '${alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).`);
  if (alias.length > LONGEST_ALIAS) invalid(`'Registered model alias name' exceeds the maximum length of ${LONGEST_ALIAS} characters`);
  return alias;
}

/** The name of an alias that is set. */
export function newAliasOf(a: Args): string {
  const alias = aliasOf(a);
  if (alias.toLowerCase() === 'latest') invalid("'latest' alias name (case insensitive) is reserved.");
  if (/^v\d+$/i.test(alias)) invalid(`Version alias name '${alias}' is reserved.`);
  return alias;
}
