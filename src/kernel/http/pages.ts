// Pages for browsers: what every one of them is sent with, and who asks for one.
import type { FastifyRequest } from 'fastify';

/** Nothing is run, fetched from elsewhere, framed or sniffed; a route's own headers win. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // Not "no-referrer": with it a form's own POST would carry the Origin "null".
  'referrer-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/** Whether a person opens a page, and would rather log in than read a problem. A program that sent credentials reads it. */
export const wantsPage = ({ method, headers }: FastifyRequest): boolean =>
  method === 'GET' && headers.authorization === undefined && /^\s*text\/html\b/.test(headers.accept ?? '');
