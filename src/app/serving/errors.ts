import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'model-given-twice': {
    status: 400,
    title: 'A model is given twice',
    detail: (p: { model: string; version: string; paths: readonly string[] }) =>
      `Version ${p.version} of the model "${p.model}" is given twice, as ${p.paths.join(' and ')}. Give each a version of its own: --model ${p.model}@2=PATH.`,
  },
  'model-folder-invalid': {
    status: 400,
    title: 'The folder is no MLflow model',
    detail: (p: { path: string; why: string }) =>
      `${p.path} cannot be served: ${p.why}. Give an ONNX file, or a folder as MLflow saves a model.`,
  },
  'token-file-invalid': {
    status: 400,
    title: 'The file of tokens cannot be used',
    detail: (p: { path: string; why: string }) => `The tokens in ${p.path} cannot be used: ${p.why}.`,
  },
  'open-without-tokens': {
    status: 400,
    title: 'Everybody could ask',
    detail: (p: { host: string }) =>
      `On ${p.host} other machines can reach this server, and it knows nobody. Add --token-file FILE with a token on each line, or leave --host out to answer only this machine.`,
  },
  'address-unusable': {
    status: 409,
    title: 'The address cannot be listened on',
    detail: (p: { address: string; why: string }) => `Nothing was started: ${p.address} ${p.why}.`,
  },
  'processes-unsupported': {
    status: 400,
    title: 'Several processes on one port are not to be had',
    detail: (p: { platform: string }) =>
      `Several processes share a port only on Linux, and this is ${p.platform}. Leave --processes and GYRE_SERVE_PROCESSES out.`,
  },
  'certificate-invalid': {
    status: 400,
    title: 'The certificate cannot be used',
    detail: (p: { why: string }) => `The certificate and its key cannot be used: ${p.why}.`,
  },
});
