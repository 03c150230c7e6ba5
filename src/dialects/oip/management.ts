// What the protocol's extensions tell of models, in the shapes of Triton, for both transports: configuration, statistics, the
// index of the repository, and the settings that its clients ask for and that are fixed here.
import type { Exchange, Plane } from '../../domains/serving/data-plane.ts';
import { servedNames, servedOf, type Served, type TensorSpec } from './served.ts';

/** Of the protocol's optional parts, those that are real here. */
export const extensions = ['binary_tensor_data', 'model_configuration', 'model_repository', 'parameters', 'statistics'] as const;

// --- Configuration -------------------------------------------------------------------------------------------

const dataType = (datatype: string): string => (datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`);

const inputOf = ({ name, datatype, shape }: TensorSpec) => ({
  name,
  data_type: dataType(datatype),
  format: 'FORMAT_NONE',
  dims: shape,
  is_shape_tensor: false,
  allow_ragged_batch: false,
  optional: false,
  is_non_linear_format_io: false,
});

const outputOf = ({ name, datatype, shape }: TensorSpec) => ({
  name,
  data_type: dataType(datatype),
  dims: shape,
  label_filename: '',
  is_shape_tensor: false,
  is_non_linear_format_io: false,
});

/** Dimensions are whole, so there is none for the batch: `max_batch_size` is 0. Every version that is given is served. */
export const configOf = ({ name, platform, lanes, inputs, outputs }: Served) => ({
  name,
  platform,
  backend: platform === 'mlflow_pyfunc' ? 'python' : 'onnxruntime',
  runtime: '',
  version_policy: { all: {} },
  max_batch_size: 0,
  input: inputs.map(inputOf),
  output: outputs.map(outputOf),
  batch_input: [],
  batch_output: [],
  instance_group: [
    {
      name: `${name}_0`,
      kind: 'KIND_CPU',
      count: lanes,
      gpus: [],
      secondary_devices: [],
      profile: [],
      passive: false,
      host_policy: '',
    },
  ],
  default_model_filename: platform === 'mlflow_pyfunc' ? 'MLmodel' : 'model.onnx',
  cc_model_filenames: {},
  metric_tags: {},
  parameters: {},
  model_warmup: [],
});

// --- Statistics ----------------------------------------------------------------------------------------------

interface Duration {
  readonly count: number;
  readonly ns: number;
}
const none: Duration = { count: 0, ns: 0 };

/** Of one version, one model or all of them. Raises `endpoint-not-served` and `served-version-not-found`. */
export function statisticsOf(plane: Plane, caller: Exchange['caller'], name: string | undefined, version: string | undefined) {
  const names = name === undefined ? servedNames(plane, caller) : [name];
  return {
    model_stats: names.flatMap((model) => {
      const { versions, variantsOf } = servedOf(plane, caller, model, version);
      return (version === undefined ? versions : [version]).map((v) => {
        const count = plane.statistics(model, variantsOf(v));
        const success = { count: count.succeeded, ns: Math.round(count.succeededSeconds * 1e9) };
        return {
          name: model,
          version: v,
          last_inference: count.lastMs,
          inference_count: count.rows,
          execution_count: count.succeeded,
          inference_stats: {
            success,
            fail: { count: count.failed, ns: 0 },
            queue: none,
            compute_input: none,
            // From the parsed request to the tensors of the answer; what waits and what runs is not told apart.
            compute_infer: success,
            compute_output: none,
            cache_hit: none,
            cache_miss: none,
          },
          response_stats: {},
          batch_stats: [],
          memory_usage: [],
        };
      });
    }),
  };
}

// --- Repository ----------------------------------------------------------------------------------------------

interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: 'READY' | 'UNAVAILABLE';
  readonly reason: string;
}

export function indexOf(plane: Plane, caller: Exchange['caller'], readyOnly: boolean): IndexEntry[] {
  const planned = plane
    .endpoints(caller)
    .flatMap(({ plan }) =>
      plan.variants.map(({ modelVersion: version }): IndexEntry => ({ name: plan.name, version, state: 'READY', reason: '' })),
    );
  const given = plane.repository.index(caller).map(({ name, version, loaded }): IndexEntry => ({
    name,
    version,
    state: loaded ? 'READY' : 'UNAVAILABLE',
    reason: loaded ? '' : 'unloaded',
  }));
  return [...planned, ...given].filter((entry) => !readyOnly || entry.state === 'READY');
}

// --- What is fixed -------------------------------------------------------------------------------------------

/** Nothing is traced in Triton's way. */
export const traceSettings: Readonly<Record<string, readonly string[]>> = {
  trace_file: [''],
  trace_level: ['OFF'],
  trace_rate: ['1000'],
  trace_count: ['-1'],
  log_frequency: ['0'],
  trace_mode: ['triton'],
};

export const logSettings = {
  log_file: '',
  log_info: true,
  log_warning: true,
  log_error: true,
  log_verbose_level: 0,
  log_format: 'default',
} as const;
