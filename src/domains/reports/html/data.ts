// The data profile: each dataset's current version, column by column.
import type { ColumnView, DatasetView } from '../model.ts';
import { brief, bytes, count, day, moment, percent, short, sample, some } from './format.ts';
import { code, html, type Html } from './html.ts';
import { sparkline } from './small-charts.ts';
import { verdict } from './summary.ts';

export const dataSection = (datasets: readonly DatasetView[]): Html =>
  html`<section id="data">
    <h2>Data</h2>
    <p>
      Each dataset is a chain of immutable versions. A version is checked against its contract before it becomes current; one that breaks it
      is kept aside and the version before stays in use. Shown are the current versions.
    </p>
    ${datasets.length === 0 ? html`<p>No dataset has a version yet.</p>` : datasets.map(dataset)}
  </section>`;

const dataset = (d: DatasetView): Html =>
  html`<h3 id="dataset-${d.name}">${d.name}, version ${d.version.number}</h3>
    ${d.description && html`<p>${d.description}</p>`}
    <p class="note">
      ${some(d.rows, 'row')}, ${some(d.columns.length, 'column')}, ${some(d.files, 'file')}, ${bytes(d.sizeBytes)}; made by
      ${code(d.madeBy)}, recorded ${day(d.version.recordedMs * 1000)}.
      <span class="id" title="${d.version.id}">${d.version.id}</span>, logical digest
      <span class="id" title="${d.version.logicalDigest}">${brief(d.version.logicalDigest)}</span>
    </p>
    <p>${contract(d)}</p>
    <div class="scroll">
      <table class="profile">
        <caption>
          <span>
            Columns of ${d.name}; ${sample(d.rows)}. Bars of numbers are of equal width, the outer ones hold what lies beyond; bars of words
            are the most frequent ten.
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Column</th>
            <th scope="col">Type</th>
            <th scope="col" class="n">Missing</th>
            <th scope="col" class="n">Distinct, about</th>
            <th scope="col">Distribution</th>
            <th scope="col">From, to</th>
            <th scope="col" class="n">Mean</th>
          </tr>
        </thead>
        <tbody>
          ${d.columns.map(column)}
        </tbody>
      </table>
    </div>`;

function contract({ contract: c }: DatasetView): Html {
  if (c.file === null) return html`<span class="small">No contract is declared.</span>`;
  if (c.broken.length === 0)
    return html`${verdict(true, 'contract kept')} <span class="small">${c.checks} checks of <code>${c.file}</code></span>`;
  return html`${verdict(false, c.quarantined === null ? 'contract broken' : `version ${c.quarantined} is in quarantine`)}
    <span class="small"><code>${c.file}</code>: ${c.broken.join('; ')}</span>`;
}

const TYPES: Readonly<Record<string, string>> = {
  VARCHAR: 'text',
  DOUBLE: 'number',
  FLOAT: 'number',
  BIGINT: 'integer',
  INTEGER: 'integer',
  SMALLINT: 'integer',
  TINYINT: 'integer',
  BOOLEAN: 'yes or no',
  DATE: 'date',
};
const typeOf = (type: string): string => (type.startsWith('TIMESTAMP') ? 'time' : (TYPES[type] ?? type.toLowerCase()));

const column = (c: ColumnView): Html =>
  html`<tr>
    <th scope="row">${c.name}</th>
    <td class="small" title="${c.type}">${typeOf(c.type)}</td>
    <td class="n">${c.missing === 0 ? 'none' : percent(c.missing)}</td>
    <td class="n">${count(c.distinct)}</td>
    <td>${c.distribution && sparkline(c.distribution)}</td>
    <td class="small">${range(c)}</td>
    <td class="n">${c.mean === null ? '' : short(c.mean)}</td>
  </tr>`;

function range(c: ColumnView): string {
  if (c.personal) return 'left out: personal';
  if (c.low === null || c.high === null) return '';
  const shown = (text: string): string => {
    if (c.type.startsWith('TIMESTAMP')) {
      const ms = Date.parse(`${text.replace(' ', 'T').replace(/([+-]\d{2})$/, '$1:00')}${/[+-]\d{2}(:?\d{2})?$/.test(text) ? '' : 'Z'}`);
      return Number.isNaN(ms) ? text : moment(ms * 1000).replace(' UTC', '');
    }
    const n = Number(text);
    if (c.mean !== null && Number.isFinite(n)) return short(n);
    return text.length > 24 ? `${text.slice(0, 23)}…` : text;
  };
  return `${shown(c.low)} to ${shown(c.high)}`;
}
