// A staged release in words: where it stands, since when, what it lacks, and each guardrail with its figures.
import { table } from '../../../kernel/cli/terminal.ts';

export interface Guardrail {
  readonly metric: string;
  readonly step: number;
  readonly verdict: string;
  readonly then: string;
  readonly candidate: number | null;
  readonly stable: number | null;
  readonly difference: number | null;
  readonly interval: { readonly low: number; readonly level: number } | null;
  readonly n: number;
  readonly why: string;
}
export interface Figures {
  readonly state: string;
  readonly at: string;
  readonly looks: number;
  readonly candidate: { readonly requests: number; readonly errors: number };
  readonly stable: { readonly requests: number; readonly errors: number };
  readonly guardrails: readonly Guardrail[];
  readonly ratio: { readonly planned: number; readonly found: number | null; readonly units: number; readonly pValue: number };
  readonly harmed: { readonly requests: number; readonly errors: number; readonly beyondStable: number };
}
export interface ReleaseRow {
  readonly id: string;
  readonly endpoint: string;
  readonly revision: string;
  readonly state: string;
  readonly candidate: { readonly model: string; readonly number: number };
  readonly steps: readonly number[];
  readonly step: number;
  readonly share: number;
  readonly shadow: { readonly share: number; readonly minSample: number } | null;
  readonly bakeUs: number | null;
  readonly approve: readonly boolean[];
  readonly waiting: { readonly for: string; readonly since: string } | null;
  readonly minSample: number | null;
  readonly reason: string;
  readonly standing: string;
  readonly since: string;
  readonly createdAt: string;
  readonly figures: Figures | null;
}
export interface Story {
  readonly release: ReleaseRow;
  readonly transitions: readonly {
    readonly from: string;
    readonly to: string;
    readonly share: number;
    readonly actor: { readonly kind: string; readonly id: string };
    readonly reason: string;
    readonly at: string;
  }[];
}

export const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;
const figure = (value: number | null): string => (value === null ? '-' : String(Number(value.toPrecision(4))));

/** The way of a release, with where it stands in brackets; "!" is where a person has to let it in. */
function wayOf(r: ReleaseRow): string {
  const at = (isHere: boolean, text: string): string => (isHere ? `[${text}]` : text);
  const lastStep = r.steps.length - 1;
  return [
    at(r.state === 'warming', 'warm'),
    ...(r.shadow ? [at(r.state === 'shadow' || (r.state === 'paused' && r.step < 0), `shadow ${percent(r.shadow.share)}`)] : []),
    ...r.steps.map((s, i) => at(i === r.step && !['baking', 'promoted'].includes(r.state), `${r.approve[i] ? '!' : ''}${percent(s)}`)),
    ...(r.bakeUs === null ? [] : [at(r.state === 'baking' && r.step === lastStep, 'bake')]),
  ].join(' > ');
}

/** What a release ended or stands with, in one line. */
export const summaryOf = (r: ReleaseRow): string =>
  `${r.endpoint}: version ${r.candidate.number} ${r.state}, ${percent(r.share)} of the traffic since ${r.since}`;

const told: Readonly<Record<string, string>> = {
  approval: 'waits for a person: gyre release approve ENDPOINT --reason "..."',
  overdue: 'had too little data for too long and stays as it is: promote, abort or approve it',
};

export function describeRelease({ release: r, transitions }: Story): string[] {
  const lines = [`${r.id}  ${summaryOf(r)}`, ...(r.steps.length > 1 || r.shadow ? [`  ${wayOf(r)}`] : []), `  ${r.standing}`];
  if (r.waiting) lines.push(`  ${(told[r.waiting.for] ?? r.waiting.for).replace('ENDPOINT', r.endpoint)}`);
  const { figures } = r;
  if (figures) {
    const { candidate, stable, harmed, ratio } = figures;
    const sample = figures.state === 'shadow' ? (r.shadow?.minSample ?? null) : r.minSample;
    lines.push(
      `  sample: ${candidate.requests}${sample === null ? '' : ` of ${sample}`} ${figures.state === 'shadow' ? 'copies' : 'requests'}, ${candidate.errors} failed; stable ${stable.requests}, ${stable.errors} failed (look ${figures.looks}, ${figures.at})`,
      ...(figures.state === 'canary'
        ? [
            `  share found: ${ratio.found === null ? 'nothing yet' : `${percent(ratio.found)} of ${ratio.units}`}, planned ${percent(ratio.planned)} (p = ${figure(ratio.pValue)})`,
          ]
        : []),
      `  the candidate answered ${harmed.requests} requests since the release began, ${harmed.errors} failed, ${harmed.beyondStable} more than the stable variant would have`,
      ...table(figures.guardrails, [
        { title: '  GUARDRAIL', value: (g) => `  ${g.metric}` },
        { title: 'STEP', value: (g) => (g.step < 0 ? 'shadow' : String(g.step + 1)) },
        { title: 'VERDICT', value: (g) => g.verdict },
        { title: 'THEN', value: (g) => (g.verdict === 'reported' ? '-' : g.then) },
        { title: 'CANDIDATE', value: (g) => figure(g.candidate) },
        { title: 'STABLE', value: (g) => figure(g.stable) },
        { title: 'WORSE BY', value: (g) => figure(g.difference) },
        { title: 'AT LEAST', value: (g) => figure(g.interval?.low ?? null) },
        { title: 'N', value: (g) => String(g.n) },
      ]),
      ...figures.guardrails.filter((g) => g.verdict === 'harm' || g.verdict === 'too-little-data').map((g) => `  ${g.why}`),
    );
  }
  return [
    ...lines,
    ...transitions.map(
      (t) =>
        `  ${t.at}  ${t.from} -> ${t.to}, ${percent(t.share)}, by ${t.actor.kind === 'system' ? 'the policy' : t.actor.id}: ${t.reason}`,
    ),
  ];
}

export interface Frozen {
  readonly frozen: { readonly reason: string; readonly by: string; readonly since: string } | null;
  readonly calendar: { readonly reason: string; readonly until: string } | null;
}

/** Why an endpoint does not move now, also before a release that it holds has been judged anew. */
export const frozenLines = (endpoint: string, { frozen, calendar }: Frozen): string[] => [
  ...(frozen
    ? [`${endpoint} is frozen by ${frozen.by} since ${frozen.since}: ${frozen.reason} ("gyre unfreeze ${endpoint}" lets it move)`]
    : []),
  ...(calendar ? [`${endpoint} is frozen by its calendar until ${calendar.until}: ${calendar.reason}`] : []),
];
