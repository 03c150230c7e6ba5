import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'monitor-served-here': {
    status: 409,
    title: 'The model is served here',
    detail: (p: { monitor: string; endpoint: string }) =>
      `Monitor "${p.monitor}" watches the endpoint "${p.endpoint}", whose predictions are logged as they are answered. Records are sent for models served elsewhere: monitors without an endpoint.`,
  },
  'batch-type-unsupported': {
    status: 415,
    title: 'The batch is of another type',
    detail: (p: { contentType: string }) =>
      `Content type "${p.contentType}" is not one of application/x-ndjson (one JSON object a line), application/json (an object or a list of them) and application/vnd.apache.parquet.`,
  },
  'batch-encoding-unsupported': {
    status: 415,
    title: 'The batch is compressed in another way',
    detail: (p: { encoding: string }) => `Content encoding "${p.encoding}" is not read here; send the batch as it is, or with gzip.`,
  },
  'batch-not-gzip': {
    status: 400,
    title: 'The batch is no whole gzip',
    detail: () => 'The content encoding says gzip, but the body is not gzip from beginning to end. Nothing was taken.',
  },
  'feedback-invalid': {
    status: 400,
    title: 'The labels cannot be used',
    detail: (p: { monitor: string; count: number; shown: number }) =>
      `${p.count} ${p.count === 1 ? 'fault' : 'faults'} in the labels for monitor "${p.monitor}"; "errors" names the first ${p.shown}. Nothing was taken.`,
  },
  'feedback-batch-not-found': {
    status: 404,
    title: 'No such batch',
    detail: (p: { monitor: string; batch: string }) => `Monitor "${p.monitor}" has no batch of labels "${p.batch}".`,
  },
});
