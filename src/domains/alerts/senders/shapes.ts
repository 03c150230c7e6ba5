// The same message in the shapes that others read. Pure but for the moment of sending.
import { figuresOf, headline, type Message } from '../service/tell.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

const labelsOf = (m: Message): Record<string, string> => ({
  alertname: m.status === 'test' ? 'GyreTest' : m.alert.rule,
  ...m.alert.labels,
});

const annotationsOf = (m: Message): Record<string, string> => ({
  summary: headline(m),
  description: figuresOf(m),
  ...(m.evidence.window === null ? {} : { window: m.evidence.window }),
});

/** Alertmanager takes no alert that begins after now; a replay may run ahead of the clock. */
const startOf = (m: Message, nowMs: number): string => iso(Math.min(nowMs, Date.parse(m.alert.firedAt ?? m.at)));

/** How long Alertmanager holds an alert for firing that it hears no more of: five of our minutes. */
export const HELD_MS = 5 * 60_000;

/** Body of `POST /api/v2/alerts` (Alertmanager v4 API): what fires ends by itself unless it is sent again. */
export const alertmanagerPush = (m: Message, base: string, nowMs: number): unknown => [
  {
    labels: labelsOf(m),
    annotations: annotationsOf(m),
    startsAt: startOf(m, nowMs),
    endsAt: iso(m.status === 'resolved' ? nowMs : nowMs + (m.status === 'test' ? 60_000 : HELD_MS)),
    ...(base === '' ? {} : { generatorURL: base + m.link }),
  },
];

/** What Alertmanager itself sends to webhooks (version "4"), for tools that expect that. */
export function alertmanagerWebhook(m: Message, base: string, nowMs: number): unknown {
  const status = m.status === 'resolved' ? 'resolved' : 'firing';
  const labels = labelsOf(m);
  return {
    version: '4',
    groupKey: `{}:{alertname="${labels.alertname}", project="${m.project}"}`,
    truncatedAlerts: 0,
    status,
    receiver: m.receiver,
    groupLabels: { alertname: labels.alertname, project: m.project },
    commonLabels: labels,
    commonAnnotations: annotationsOf(m),
    externalURL: base,
    alerts: [
      {
        status,
        labels,
        annotations: annotationsOf(m),
        startsAt: startOf(m, nowMs),
        endsAt: m.status === 'resolved' ? (m.alert.endedAt ?? m.at) : '0001-01-01T00:00:00Z',
        generatorURL: base === '' ? '' : base + m.link,
        fingerprint: m.alert.fingerprint,
      },
    ],
  };
}

const COLOURS: Readonly<Record<string, string>> = { page: '#d32f2f', warn: '#f9a825', info: '#1976d2' };

// Slack reads these three as markup.
const plain = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

export const slackMessage = (m: Message, base: string): unknown => ({
  text: plain(headline(m)),
  attachments: [
    {
      color: m.status === 'firing' ? (COLOURS[m.alert.severity] ?? COLOURS.warn) : '#2e7d32',
      title: plain(m.alert.when),
      ...(base === '' ? {} : { title_link: base + m.link }),
      text: plain(figuresOf(m)),
      fields: [
        { title: 'Monitor', value: plain(`${m.project}/${m.alert.monitor}`), short: true },
        { title: 'Severity', value: m.alert.severity, short: true },
        { title: 'Event time', value: m.at, short: true },
        { title: 'Alert', value: m.alert.id, short: true },
      ],
    },
  ],
});

export const mailText = (m: Message, base: string): string =>
  [
    headline(m),
    '',
    `Rule:         ${m.alert.rule} (${m.alert.when})`,
    `Monitor:      ${m.project}/${m.alert.monitor}`,
    `Severity:     ${m.alert.severity}`,
    `Figures:      ${figuresOf(m)}`,
    `Window:       ${m.evidence.window ?? 'none'}`,
    `Event time:   ${m.at}`,
    `Firing since: ${m.alert.firedAt ?? '-'}${m.alert.endedAt === null ? '' : `, ended ${m.alert.endedAt}`}`,
    `Alert:        ${m.alert.id}`,
    ...(base === '' ? [] : [`Link:         ${base}${m.link}`]),
    '',
  ].join('\n');
