// Requests as a client in the field sends them: it may hear no answer, and asks again.
import { setTimeout as delay } from 'node:timers/promises';

export interface Heard {
  readonly status: number;
  readonly body: unknown;
  /** A member by its path, for example "run.info.run_id". */
  readonly get: <T = string>(path: string) => T;
}

/** No answer came: the request may have had its effect or not. */
export class Unanswered extends Error {}

export interface Ask {
  readonly url: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly key?: string;
  readonly patienceMs?: number;
}

export async function ask({ url, method, body, key, patienceMs = 30_000 }: Ask): Promise<Heard> {
  const raw = Buffer.isBuffer(body);
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(body === undefined ? {} : { 'content-type': raw ? 'application/octet-stream' : 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: raw ? new Uint8Array(body) : JSON.stringify(body) }),
      signal: AbortSignal.timeout(patienceMs),
    });
    status = response.status;
    text = await response.text();
  } catch (error) {
    throw new Unanswered(String((error as { cause?: unknown }).cause ?? error));
  }
  const parsed: unknown = /^[[{]/.test(text) ? JSON.parse(text) : text;
  return {
    status,
    body: parsed,
    get: <T>(path: string) =>
      path.split('.').reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], parsed) as T,
  };
}

/** Asks until there is an answer, or nobody wants it any more. Only for requests that may be repeated. */
export async function insist(request: Ask, signal?: AbortSignal): Promise<Heard> {
  for (;;) {
    try {
      return await ask(request);
    } catch (error) {
      if (!(error instanceof Unanswered) || signal?.aborted) throw error;
      await delay(60);
    }
  }
}
