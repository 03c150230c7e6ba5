// Who asks, from the headers of HTTP or the metadata of gRPC, and the problem that stands for whatever went wrong.
import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from '../../../kernel/errors.ts';
import { isLoopbackHost } from '../../../kernel/http/loopback.ts';
import { newId } from '../../../kernel/ids.ts';
import { fail } from '../errors.ts';
import type { LivePlan } from '../plane/live-plan.ts';
import type { ServingCaller } from './protocol.ts';

export interface Gate {
  readonly plan: () => Pick<LivePlan, 'number' | 'access' | 'tokens'>;
  readonly now: () => number;
  /** Listening on a loopback address: nobody needs a token, unless the plan says otherwise. */
  readonly loopback: boolean;
  /** Of web pages of other sites that may ask. */
  readonly origins?: ReadonlySet<string>;
}

let passed = '';
// Nearly every request names the host that the one before it named.
const isOwnHost = (host: string): boolean => {
  if (host === passed && host !== '') return true;
  if (!isLoopbackHost(host)) return false;
  passed = host;
  return true;
};

/** Raises `serving-token-refused` or `serving-origin-refused`. */
export function identify(headers: IncomingHttpHeaders, { plan, now, loopback, origins }: Gate): ServingCaller {
  const { access, tokens } = plan();
  const { host = '', origin, authorization } = headers;
  if (origin !== undefined && !origins?.has(origin) && !(URL.canParse(origin) && new URL(origin).host === host))
    fail('serving-origin-refused', { what: 'The Origin header' });
  const workspace = headers['x-gyre-workspace'];
  // The plan is the control plane's word for its own address; on another one the Host header is anybody's to choose.
  if (loopback && (access?.open ?? true)) {
    if (!isOwnHost(host)) fail('serving-origin-refused', { what: 'The Host header' });
    return { workspace: typeof workspace === 'string' ? workspace : 'default', endpoints: '*' };
  }
  const bearer = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
  if (bearer === undefined) return fail('serving-token-refused', { why: 'This server answers only with a token.' });
  const token = tokens.get(hash('sha256', bearer, 'hex'));
  if (!token || (token.expiresMs !== null && token.expiresMs <= now()))
    return fail('serving-token-refused', { why: 'The token is not known here, or it has expired.' });
  if (typeof workspace === 'string' && workspace !== token.workspace)
    return fail('serving-token-refused', { why: 'The token is for another workspace.' });
  return { workspace: token.workspace, endpoints: token.endpoints };
}

export const defect = (): Problem => {
  const id = newId('err');
  return new Problem(
    'internal',
    {
      status: 500,
      title: 'Internal error',
      detail: () => `Something went wrong on our side. The log of the data plane has the details under ${id}.`,
    },
    { id },
  );
};
