import type { Client } from '../../../kernel/cli/client.ts';

const quoted = (text: string): string => (text.includes("'") ? `"${text}"` : `'${text}'`);

/** The id of an experiment that is named by its id or its name. */
export async function experimentId(client: Client, given: string): Promise<string> {
  if (/^\d+$/.test(given)) return given;
  const query = new URLSearchParams({ filter: `name = ${quoted(given)}`, lifecycle: 'all', limit: '1' });
  const { items } = await client.get<{ items: { readonly id: string }[] }>(`/experiments?${query}`);
  // Who names none is told so by the server.
  return items[0]?.id ?? given;
}
