// One prediction over the data plane's own protocol.
import { request } from '../../../kernel/cli/client.ts';
import { isProblem } from '../../../kernel/errors.ts';

interface Endpoint {
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
  readonly endpoint: string;
}

export interface Ask extends Endpoint {
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
      ...headersOf(token, workspace),
      ...(asOf ? { 'gyre-event-time': asOf } : {}),
    },
    body: JSON.stringify({ inputs }),
  });
  return (await response.json()) as Prediction;
}

/**
 * Columns of an endpoint's request with their types in the Open Inference Protocol; none if the data plane does
 * not say, which the prediction then tells better.
 */
export async function columnTypes({ url, token, workspace, endpoint }: Endpoint): Promise<ReadonlyMap<string, string>> {
  try {
    const response = await request(url, `/v2/models/${encodeURIComponent(endpoint)}`, { headers: headersOf(token, workspace) });
    const { inputs } = (await response.json()) as { inputs: readonly { name: string; datatype: string }[] };
    return new Map(inputs.map(({ name, datatype }) => [name, datatype]));
  } catch (error) {
    if (!isProblem(error, 'reply-not-understood')) throw error;
    return new Map();
  }
}

const headersOf = (token: string, workspace: string): Record<string, string> => ({
  ...(token ? { authorization: `Bearer ${token}` } : {}),
  ...(workspace === 'default' ? {} : { 'x-gyre-workspace': workspace }),
});
