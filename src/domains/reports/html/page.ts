// A report as one file that needs nothing else: no script, no request, readable on a phone, in print, in the dark.
import type { Report } from '../model.ts';
import { dataSection } from './data.ts';
import { evaluationSection } from './evaluation.ts';
import { moment } from './format.ts';
import { html, type Html } from './html.ts';
import { lineageSection } from './lineage.ts';
import { liveSection } from './live.ts';
import { loopSection } from './loop.ts';
import { style } from './style.ts';
import { summary } from './summary.ts';

// Nothing may be fetched or run, whatever ends up in the page.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

export async function renderReport(r: Report): Promise<string> {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="generator" content="Gyre" />
        <title>${r.project}: report</title>
        <style>
          ${style}
        </style>
      </head>
      <body>
        <header>
          <h1>${r.project}</h1>
          ${summary(r)}
          <nav aria-label="Sections">
            <ol>
              <li><a href="#loop">The loop</a></li>
              <li><a href="#data">Data</a></li>
              <li><a href="#evaluation">Evaluation</a></li>
              <li><a href="#gate">Gate</a></li>
              <li><a href="#live">Predictions against truth</a></li>
              <li><a href="#lineage">The chain behind one prediction</a></li>
              <li><a href="#next">How to go on</a></li>
            </ol>
          </nav>
        </header>
        <main>
          ${await loopSection(r.loop)} ${dataSection(r.datasets)} ${await evaluationSection(r.evaluation, r.gate)}
          ${await liveSection(r.live)} ${lineageSection(r.chain)} ${next(r)}
        </main>
        <footer>
          Made by Gyre on ${moment(r.madeMs * 1000)} from project revision ${r.revision.number} <span class="id">${r.revision.id}</span>${
            r.model &&
            html`, model version
              <span class="id">${r.model.id}</span
              >${r.model.digest !== null && html`, model files sha256 <span class="id">${r.model.digest}</span>`}`
          }.
          Everything on this page can be asked for again with the commands above.
        </footer>
      </body>
    </html> `;
  return page.text;
}

const next = ({ commands }: Report): Html =>
  html`<section id="next">
    <h2>How to go on</h2>
    <div class="scroll">
      <table class="commands">
        <thead>
          <tr>
            <th scope="col">Command</th>
            <th scope="col">What it shows or does</th>
          </tr>
        </thead>
        <tbody>
          ${commands.map(
            (c) =>
              html`<tr>
                <td><code>${c.command}</code></td>
                <td>${c.what}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
