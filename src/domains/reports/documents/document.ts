// A document made from records alone: statements, each with the records that it rests on, and what is missing. The
// same records give the same bytes. Pure.
import { code, plain, table } from './markdown.ts';

export interface Evidence {
  readonly kind: string;
  readonly id: string;
}

export interface Statement {
  readonly text: string;
  /** Records that `gyre lineage` or the API can be asked about; empty = it rests on the file of the project alone. */
  readonly evidence: readonly Evidence[];
}

export interface Section {
  readonly title: string;
  readonly statements: readonly Statement[];
  readonly table?: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
}

export interface RecordedDocument {
  readonly title: string;
  readonly sections: readonly Section[];
  /** What a reader should find here and no record says. */
  readonly missing: readonly string[];
}

export const say = (text: string, ...evidence: readonly (Evidence | null | undefined)[]): Statement => ({
  text,
  evidence: evidence.filter((e) => e !== null && e !== undefined),
});

/** Gathers statements; what has no record goes to `missing` instead. */
export class DocumentWriter {
  readonly #sections: Section[] = [];
  readonly #missing: string[] = [];

  section(title: string, statements: readonly (Statement | { readonly missing: string } | null)[], rows?: Section['table']): this {
    const told: Statement[] = [];
    for (const s of statements) {
      if (s === null) continue;
      if ('missing' in s) this.#missing.push(s.missing);
      else told.push(s);
    }
    this.#sections.push({ title, statements: told, ...(rows && rows.rows.length > 0 ? { table: rows } : {}) });
    return this;
  }

  end(title: string): RecordedDocument {
    return { title, sections: this.#sections, missing: this.#missing };
  }
}

const evidenceText = (evidence: readonly Evidence[]): string =>
  evidence.length === 0 ? '' : ` (${evidence.map((e) => `${plain(e.kind)} ${code(e.id)}`).join(', ')})`;

/** An id stays as it is, so that it can be copied. */
const cellText = (cell: string): string => (/^[a-z]{2,4}_[0-9a-z]{20,}$/.test(cell) ? code(cell) : plain(cell));

export function renderDocument(d: RecordedDocument): string {
  return `${[
    `# ${plain(d.title)}`,
    ...d.sections.flatMap(({ title, statements, table: rows }) => [
      `## ${plain(title)}`,
      ...(statements.length === 0 && !rows ? ['Nothing is recorded.'] : []),
      ...(statements.length === 0 ? [] : [statements.map((s) => `- ${plain(s.text)}${evidenceText(s.evidence)}`).join('\n')]),
      ...(rows
        ? [
            table(
              rows.head.map(plain),
              rows.rows.map((cells) => cells.map(cellText)),
            ),
          ]
        : []),
    ]),
    '## Missing evidence',
    d.missing.length === 0 ? 'Nothing that this document should say is missing.' : d.missing.map((m) => `- ${plain(m)}`).join('\n'),
  ].join('\n\n')}\n`;
}
