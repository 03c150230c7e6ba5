// The record of processing as a document for people. Pure.
import type { Processing, ProcessingRecord } from './record.ts';

const days = (us: number): string => `${Math.round(us / 86_400_000_000)} days`;
const orMissing = (text: string): string => (text === '' ? '**missing**' : text);

const activity = (a: Processing): string[] => [
  `## ${a.dataset}`,
  '',
  a.description === '' ? '**Missing: a description.**' : a.description,
  '',
  `- personal columns: ${orMissing(a.personalColumns.join(', '))}`,
  `- subjects: ${a.subjects.map((s) => `${s.kind} (${s.columns.join(', ')})`).join('; ') || 'none named'}`,
  `- purposes: ${orMissing(a.purposes.join(', '))}`,
  `- legal basis: ${orMissing(a.legalBasis ?? '')}`,
  `- kept for: ${a.retentionUs === null ? '**missing**' : days(a.retentionUs)}`,
  `- processed by: ${
    a.processedBy
      .map(
        (p) => `pipeline ${p.pipeline} (${p.purpose ?? 'no purpose said'}; ${p.runs} runs${p.lastAt === null ? '' : `, last ${p.lastAt}`})`,
      )
      .join('; ') || 'nothing yet'
  }`,
  `- served by: ${a.servedBy.map((e) => `endpoint ${e}`).join(', ') || 'nothing'}`,
  ...(a.missing.length > 0 ? [`- missing: ${a.missing.join('; ')}`] : []),
  '',
];

export const recordText = (r: ProcessingRecord): string =>
  [
    `# Record of processing: ${r.project}`,
    '',
    `Made from what is declared in revision \`${r.revision}\` and what the events tell.`,
    '',
    ...(r.activities.length === 0 ? ['No dataset has a personal column or names a subject.', ''] : r.activities.flatMap(activity)),
    '## Recipients',
    '',
    ...(r.recipients.length > 0 ? r.recipients.map((x) => `- ${x}`) : ['none declared']),
    '',
    '## Measures',
    '',
    ...r.measures.map((m) => `- ${m}`),
    `- ${r.erasures.completed} erasures were completed; ${r.erasures.suppressed} subjects are left out of what comes in`,
    '',
    '## Missing',
    '',
    ...r.missing.map((m) => `- ${m}`),
    '',
  ].join('\n');
