// A model card (M. Mitchell et al., "Model Cards for Model Reporting", 2019) in Markdown. Pure.
import type { Figure } from '../../stats/figure.ts';
import { code, day, plain, span, table } from './documents/markdown.ts';
import type { EvaluationView, GateView, MetricRow, ModelView } from './model.ts';

export interface CardView {
  readonly model: ModelView;
  readonly task: string;
  readonly project: { readonly name: string; readonly revision: number; readonly revisionId: string } | null;
  readonly endpoints: readonly string[];
  readonly training: {
    readonly datasets: readonly {
      readonly name: string;
      readonly number: number;
      readonly id: string;
      readonly rows: number;
      readonly logicalDigest: string;
    }[];
    readonly pipelineRun: string | null;
    readonly trackingRun: string | null;
    readonly loggedModel: string | null;
    readonly codeSnapshot: string | null;
    readonly commit: string | null;
  };
  readonly environment: {
    readonly digest: string;
    readonly lockDigest: string;
    readonly lockFile: string;
    readonly python: string;
    readonly platform: string;
    readonly packages: number;
  } | null;
  readonly evaluation: EvaluationView | null;
  readonly gate: GateView | null;
  readonly life: CardLife;
}

/** What became of the version since it was registered. */
export interface CardLife {
  /** What monitoring compares with. */
  readonly baseline: { readonly columns: number; readonly rows: number | null } | null;
  readonly baselines: readonly {
    readonly id: string;
    readonly rows: number;
    readonly windowUs: number;
    readonly lacks: readonly string[];
  }[];
  readonly releases: readonly {
    readonly id: string;
    readonly endpoint: string;
    readonly state: string;
    readonly atUs: number;
    readonly reason: string;
  }[];
  readonly windows: {
    readonly count: number;
    readonly findings: number;
    readonly last: { readonly id: string; readonly toUs: number } | null;
  };
  readonly alerts: readonly {
    readonly id: string;
    readonly rule: string;
    readonly severity: string;
    readonly firedUs: number;
    readonly resolvedUs: number | null;
  }[];
  /** Requests that it is known to have harmed. */
  readonly harms: readonly {
    readonly release: string;
    readonly requests: number;
    readonly errors: number;
    readonly beyondStable: number;
  }[];
  readonly erasures: readonly string[];
}

const number = (f: Figure): string => (f.ok ? f.value.toFixed(4) : `none (${plain(f.reason)})`);
const interval = (f: Figure): string =>
  f.ok && f.interval
    ? `${f.interval.low.toFixed(4)} to ${f.interval.high.toFixed(4)} (${f.interval.level * 100} %, ${plain(f.interval.method)})`
    : 'not computed';

export function renderCard(c: CardView): string {
  const { model: m, evaluation: e, gate: g, training: t, environment: env } = c;
  return `${[
    `# Model card: ${plain(m.name)}, version ${m.number}`,
    m.description === '' ? 'The project gives no description of this model.' : plain(m.description),
    '## Intended use',
    [
      `- Task: ${c.task}${e?.label ? `; the label is ${code(e.label)}` : ''}`,
      `- Served at: ${c.endpoints.length === 0 ? 'no endpoint' : c.endpoints.map(code).join(', ')}`,
      `- Inputs: ${m.inputs.map((i) => `${code(i.name)} (${plain(i.type)})`).join(', ') || 'not known'}`,
      '- Out of scope: any use on rows unlike those of the training data below, and any decision for which the intervals below are too wide.',
    ].join('\n'),
    '## Training data',
    [
      m.trainingRows === null
        ? 'The version does not say how many rows it was trained on.'
        : `${m.trainingRows} rows${m.trainingCutoffUs === null ? '' : `, whose outcomes were all known by ${day(m.trainingCutoffUs)}`}.`,
      ...(t.datasets.length === 0
        ? []
        : [
            '',
            table(
              ['Dataset', 'Version', 'Rows', 'Id', 'Logical digest'],
              t.datasets.map((d) => [plain(d.name), String(d.number), String(d.rows), code(d.id), code(d.logicalDigest)]),
            ),
          ]),
    ].join('\n'),
    '## Training',
    table(
      ['What', 'Value'],
      [
        ...m.parameters.map(([name, value]) => [`parameter ${code(name)}`, code(value)]),
        ...(env
          ? [
              ['Python', plain(env.python)],
              ['platform', plain(env.platform)],
              ['lock file', `${code(env.lockFile)}, ${env.packages} packages`],
              ['lock digest', code(env.lockDigest)],
              ['environment digest', code(env.digest)],
            ]
          : [['environment', 'not recorded']]),
      ],
    ),
    '## Evaluation',
    e ? evaluation(e) : 'This version has no evaluation made by Gyre.',
    '## Gate',
    g
      ? [
          `Decision: **${g.outcome}** on ${day(g.recordedMs * 1000)} by ${plain(g.actor)} (${code(g.id)}). ${plain(g.reason)}`,
          '',
          table(
            ['Rule', 'Threshold', 'Found', 'Verdict'],
            g.rows.map((r) => [plain(r.rule), plain(r.threshold), plain(r.found), r.passed ? 'passed' : `failed: ${plain(r.why)}`]),
          ),
        ].join('\n')
      : 'No decision about this version is recorded.',
    '## In service',
    inService(c.life),
    '## Known harms',
    harms(c.life),
    '## Limits',
    limits(c)
      .map((x) => `- ${x}`)
      .join('\n'),
    '## Lineage',
    table(
      ['What', 'Id'],
      (
        [
          ['model version', m.id],
          ['model files (SHA-256)', m.digest],
          ['training table (SHA-256)', m.trainingTable],
          ['evaluation', e?.id ?? null],
          ['gate decision', g?.id ?? null],
          ['pipeline run', t.pipelineRun],
          ['tracking run', t.trackingRun],
          ['logged model', t.loggedModel],
          ['code snapshot (SHA-256)', t.codeSnapshot],
          ['commit', t.commit],
          ['project revision', c.project ? `${c.project.revisionId}` : null],
        ] as const
      ).flatMap(([what, id]) => (id === null ? [] : [[what, code(id)]])),
    ),
  ].join('\n\n')}\n`;
}

function baselineLines(profile: CardLife['baseline'], baselines: CardLife['baselines']): string[] {
  if (baselines.length > 0)
    return baselines.flatMap((b) => [
      `- Monitoring compares windows of ${span(b.windowUs)} with ${b.rows} rows, fixed when it was registered (${code(b.id)}).`,
      ...b.lacks.map((what) => `- Missing in that baseline: ${plain(what)}.`),
    ]);
  return profile === null
    ? ['- Missing: a reference profile of its training data; monitoring has nothing to compare with.']
    : [
        `- A profile of ${profile.columns} columns${profile.rows === null ? '' : ` of ${profile.rows} rows`} of its training data was kept when it was registered.`,
        '- Missing: a baseline of monitoring that was made from it.',
      ];
}

function inService({ baseline, baselines, releases, windows, alerts }: CardLife): string {
  return [
    ...baselineLines(baseline, baselines),
    windows.count === 0
      ? '- Missing: a closed window of a monitor in which it answered most requests.'
      : `- ${windows.count} windows of monitors were led by it, with ${windows.findings} findings; the last ended on ${day(windows.last!.toUs)} (${code(windows.last!.id)}).`,
    releases.length === 0 ? '- It was never released.' : '',
    ...(releases.length === 0
      ? []
      : [
          table(
            ['Release', 'Endpoint', 'State', 'When', 'Why'],
            releases.map((r) => [code(r.id), plain(r.endpoint), r.state, day(r.atUs), plain(r.reason)]),
          ),
          '',
        ]),
    ...(alerts.length === 0
      ? ['- No alert was raised on windows that it led.']
      : [
          table(
            ['Alert', 'Rule', 'Severity', 'Fired', 'Resolved'],
            alerts.map((a) => [
              code(a.id),
              plain(a.rule),
              a.severity,
              day(a.firedUs),
              a.resolvedUs === null ? 'not yet' : day(a.resolvedUs),
            ]),
          ),
        ]),
  ].join('\n');
}

function harms({ harms: found, erasures }: CardLife): string {
  return [
    ...(found.length === 0
      ? ['- No request is known that it harmed in a canary. Only staged releases count them.']
      : found.map(
          (h) =>
            `- It answered ${h.requests} requests in release ${code(h.release)} and failed ${h.errors} of them, ${Number(h.beyondStable.toFixed(1))} more than the version beside it would have.`,
        )),
    ...(erasures.length === 0
      ? []
      : [
          `- Its training data held rows of subjects that have been erased since (${erasures.map(code).join(', ')}); its weights were made with them.`,
        ]),
  ].join('\n');
}

const metricLines = (rows: readonly MetricRow[]): string =>
  table(
    ['Metric', 'Value', 'Interval', 'n', 'Better', 'What it says'],
    rows.map((m) => [plain(m.title), number(m.figure), interval(m.figure), String(m.figure.n), m.better, m.meaning]),
  );

function evaluation(e: EvaluationView): string {
  return [
    `Gyre scored the sealed model with the serving runtime on ${e.rows} rows of ${plain(e.dataset.name)} (${code(e.dataset.id)}), ${day(e.window.fromUs)} to ${day(e.window.toUs - 1)}, UTC. The training saw none of them.`,
    '',
    metricLines(e.metrics),
    ...(e.slices.length === 0
      ? []
      : [
          '',
          `### Slices: ${e.primary.title}`,
          '',
          table(
            ['Column', 'Value', 'n', e.primary.title, 'Interval'],
            e.slices.map((s) => [plain(s.column), plain(s.value), String(s.figure.n), number(s.figure), interval(s.figure)]),
          ),
        ]),
  ].join('\n');
}

/** What follows from the record itself; a person should add what only people know. */
function limits({ evaluation: e, environment, gate, model }: CardView): string[] {
  const thin = e?.slices.filter((s) => !s.figure.ok || (s.figure.interval && s.figure.interval.high - s.figure.interval.low > 0.2)) ?? [];
  const drop = e?.metrics.find((m) => m.metric === 'calibration_error')?.figure;
  return [
    ...(e
      ? [`The figures hold for rows like those from ${day(e.window.fromUs)} to ${day(e.window.toUs - 1)}; later data may differ.`]
      : ['Nothing is known of how well it predicts.']),
    ...(thin.length > 0
      ? [
          `Too few rows to judge (no figure, or an interval wider than 0.2): ${thin.map((s) => `${plain(s.column)} = ${plain(s.value)} (n = ${s.figure.n})`).join(', ')}.`,
        ]
      : []),
    ...(drop?.ok
      ? [
          `A predicted probability is off by ${(drop.value * 100).toFixed(1)} percentage points on average (calibration error over ten bins, n = ${drop.n}).`,
        ]
      : []),
    ...(gate?.outcome === 'overridden' ? ['It did not pass its gate; it was let through by hand.'] : []),
    ...(environment ? [] : ['The environment it was trained in is not recorded, so training cannot be repeated exactly.']),
    ...(model.state === 'sealed' ? [] : ['Its files are not sealed: it passes no gate and is served nowhere.']),
    'No analysis of fairness or of harm to people was made by this record.',
  ];
}
