// Delivery metrics in Markdown. Pure.
import type { Delivery, Deployment, EndpointDelivery } from './delivery.ts';
import { code, figureText, minute, percent, plain, span, table, tableOr } from './markdown.ts';

export function renderDelivery(d: Delivery): string {
  return `${[
    `# Delivery of ${plain(d.project)}`,
    `${minute(d.fromUs)} to ${minute(d.toUs)}, event time. A median has the interval of order statistics (from six values on), a share Wilson’s, both at about 95 %.`,
    ...(d.endpoints.length === 0 ? ['The project has no endpoint.'] : d.endpoints.flatMap((e) => endpointText(e, d.failWithinUs))),
  ].join('\n\n')}\n`;
}

const endpointText = (e: EndpointDelivery, failWithinUs: number): string[] => [
  `## ${plain(e.endpoint)}`,
  table(
    ['Measure', 'Figure'],
    [
      [
        'Deployment frequency',
        `${e.frequency.perWeek.toFixed(2)} a week, n = ${e.frequency.n} in ${e.frequency.weeks.toFixed(1)} weeks (${kinds(e.deployments)})`,
      ],
      ['Lead time, commit to serving (wall clock)', figureText(e.leadTimeUs.commit, span)],
      ['Lead time, newest training row to serving', figureText(e.leadTimeUs.data, span)],
      ['Lead time, alert to new version serving', figureText(e.leadTimeUs.alert, span)],
      [`Change fail rate (within ${span(failWithinUs)})`, figureText(e.changeFailRate, percent)],
      ['Recovery time', figureText(e.recoveryUs, span)],
      ['Rework rate', figureText(e.reworkRate, percent)],
    ],
  ),
  tableOr(
    ['Served since', 'Kind', 'Model version', 'Release', 'Outcome', 'Failed'],
    e.deployments.map((x) => [
      minute(x.servedUs),
      x.kind,
      code(x.modelVersion),
      code(x.release),
      x.outcome,
      x.failed ? `${x.failed.why} (${code(x.failed.evidence)})` : 'no',
    ]),
    'Nothing was deployed in this time.',
  ),
];

const kinds = (deployments: readonly Deployment[]): string =>
  (['change', 'retraining', 'rollback'] as const).map((k) => `${deployments.filter((d) => d.kind === k).length} ${k}`).join(', ');
