// One prediction and everything it was made from.
import type { ChainView } from '../model.ts';
import { chainDrawings } from './chain-drawing.ts';
import { fixed, moment, some } from './format.ts';
import { html, type Html } from './html.ts';

export function lineageSection(chain: ChainView | { readonly absent: string }): Html {
  if ('absent' in chain)
    return html`<section id="lineage">
      <h2>The chain behind one prediction</h2>
      <p>${chain.absent}</p>
    </section>`;
  const { prediction: p } = chain;
  return html`<section id="lineage">
    <h2>The chain behind one prediction</h2>
    <p>
      Any prediction leads back to what it was made from: endpoint revision, model version, evaluation and gate, run, code, environment,
      dataset versions, files. This one was answered for ${moment(p.atUs)} with the score
      ${p.score === null ? 'none' : fixed(p.score)}${p.outcome === null ? '' : `; ${p.outcome}`}.
    </p>
    <dl>
      <dt>Prediction</dt>
      <dd class="id">${p.id}</dd>
      <dt>Asked with</dt>
      <dd>${p.request.map(([name, value], i) => html`${i > 0 && ', '}${name} <b>${value}</b>`)}</dd>
    </dl>
    ${chainDrawings(chain)}
    <p class="note">
      Each arrow points at what something was made from or with. Arrows that a longer way implies are not
      drawn${chain.folded > 0 ? `; steps, single files and what only groups things (${some(chain.folded, 'node')}) are folded in` : ''}.
    </p>
    <details>
      <summary>The same as a table, with whole ids and digests</summary>
      <div class="scroll">
        <table class="ids">
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">Name</th>
              <th scope="col">Id, SHA-256</th>
              <th scope="col">Files</th>
            </tr>
          </thead>
          <tbody>
            ${chain.nodes.map(
              (n) =>
                html`<tr>
                  <th scope="row" class="nowrap">${n.title}</th>
                  <td>${n.label}</td>
                  <td class="id">${n.id}${n.digest !== null && n.digest !== n.id && html`<br />${n.digest}`}</td>
                  <td class="small">${n.files.join(', ')}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>
  </section>`;
}
