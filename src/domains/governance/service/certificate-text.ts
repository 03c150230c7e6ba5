// The certificate as a document for people. Pure.
import type { Certificate } from '../model.ts';

const short = (digest: string | null): string => (digest === null ? '-' : `\`${digest.slice(0, 12)}\``);
const row = (cells: readonly (string | number)[]): string => `| ${cells.map((c) => String(c).replaceAll('|', '\\|')).join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] =>
  rows.length === 0 ? ['none', ''] : [row(head), row(head.map(() => '---')), ...rows.map(row), ''];

export function certificateText(c: Certificate): string {
  return [
    `# Certificate of erasure ${c.erasure}`,
    '',
    `One ${c.subject.kind} was erased from project "${c.project}" (workspace "${c.workspace}").`,
    '',
    `- subject: HMAC-SHA-256 \`${c.subject.hmac}\` under the key of the data folder; the value is not kept`,
    `- asked for by ${c.actor.kind} "${c.actor.id}" at ${c.requestedAt}: ${c.reason}`,
    `- completed at ${c.completedAt}; ${c.rowsRemoved} rows or records were removed`,
    c.head ? `- chain of events at that moment: number ${c.head.seq}, \`${c.head.hash}\`` : '- chain of events at that moment: empty',
    '',
    '## Rewritten',
    '',
    'Rows that stayed are as they were: their number, columns and the sum of their hashes were compared when each file was written. "Cleared" counts rows and texts that stayed with `[erased]` where the value stood: a note about somebody else that named the subject.',
    '',
    ...table(
      ['place', 'old digest', 'new digest', 'rows before', 'rows removed', 'cleared', 'digest of the rows that stayed'],
      c.rewritten.map((f) => [
        f.place,
        short(f.digest),
        short(f.newDigest),
        f.rowsBefore ?? '-',
        f.rowsRemoved,
        f.rowsCleared,
        short(f.keptDigest),
      ]),
    ),
    '### Dataset versions',
    '',
    'A version keeps its id and number; its rows are of a new generation.',
    '',
    ...table(
      ['dataset', 'version', 'id', 'generation', 'rows before', 'rows after'],
      c.versions.map((v) => [v.dataset, v.number, v.id, v.generation, v.rowsBefore, v.rowsAfter]),
    ),
    '## Searched',
    '',
    ...table(
      ['place', 'searched', 'rows removed'],
      c.places.map((p) => [p.place, p.searched, p.rowsRemoved]),
    ),
    'Everything was looked at again at the end: what was still found is under "Not covered", and nothing else was.',
    '',
    `${c.cacheEntriesDropped} entries of the step cache were dropped.`,
    '',
    '## Models that saw rows of the subject',
    '',
    ...table(
      ['logged model', 'versions', 'run', 'rows'],
      c.modelsAffected.map((m) => [
        m.loggedModel,
        m.versions.map((v) => `${v.model} ${v.number}`).join(', ') || '-',
        m.pipelineRun,
        m.rows,
      ]),
    ),
    '## Not covered',
    '',
    ...c.notCovered.flatMap((n) => [
      `- **${n.what}**: ${n.why}. ${n.action}.${n.refs.length > 0 ? ` (${n.refs.map((r) => `\`${r}\``).join(', ')})` : ''}`,
    ]),
    '',
  ].join('\n');
}
