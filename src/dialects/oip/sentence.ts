// An error as the one sentence that this protocol has for it. Tests of the clients of Triton look for its own words, so these
// stand in front of ours where they are true.
import type { Problem } from '../../kernel/errors.ts';

const text = (value: unknown): string => String(value).slice(0, 200);

const words: Readonly<Record<string, (params: Readonly<Record<string, unknown>>) => string>> = {
  'endpoint-not-served': ({ endpoint }) => `Request for unknown model: '${text(endpoint)}' is not found. `,
  'served-version-not-found': ({ endpoint, version }) =>
    `Request for unknown model: '${text(endpoint)}' version ${text(version)} is not found. `,
  'payload-too-large': () => 'The size of the request exceeds the maximum allowed value. ',
  'serving-overloaded': () => 'Exceeds maximum queue size. ',
  'serving-deadline-exceeded': () => 'Request timeout expired. ',
};

export function sentenceOf({ code, params, message, faults }: Problem): string {
  const front = words[code]?.(params) ?? '';
  return front + [message, ...(faults.length > 1 ? faults.map((f) => f.detail) : [])].join('; ');
}
