// One prediction over the data plane's own protocol.
import { request } from '../../kernel/cli/client.ts';

export interface Ask {
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
  readonly endpoint: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Event time of a replay, ISO. */
  readonly asOf?: string;
}

export interface Prediction {
  readonly predictionId: string;
  readonly score: number | null;
  readonly modelVersion: string;
  readonly variant: string;
}

/** Raises the data plane's problem. */
export async function predict({ url, token, workspace, endpoint, inputs, asOf }: Ask): Promise<Prediction> {
  const response = await request(url, `/endpoints/${encodeURIComponent(endpoint)}/predict`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(workspace === 'default' ? {} : { 'x-gyre-workspace': workspace }),
      ...(asOf ? { 'gyre-event-time': asOf } : {}),
    },
    body: JSON.stringify({ inputs }),
  });
  return (await response.json()) as Prediction;
}
