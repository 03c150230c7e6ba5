// Metrics of several processes as one text for Prometheus: every series gets the label `process`. Reference: Prometheus
// documentation, "Text-based format".
interface Family {
  readonly head: string[];
  readonly series: string[];
}

/** `texts` by the name of the process. */
export function mergeMetrics(texts: ReadonlyMap<string, string>): string {
  const families = new Map<string, Family>();
  for (const [name, text] of texts) {
    let family: Family = { head: [], series: [] };
    for (const line of text.split('\n')) {
      const head = /^# (?:HELP|TYPE) (\S+)/.exec(line);
      if (head) {
        family = families.get(head[1]!) ?? { head: [], series: [] };
        families.set(head[1]!, family);
        if (!family.head.includes(line)) family.head.push(line);
      } else if (line !== '') family.series.push(labelled(line, name));
    }
  }
  return [...families.values()].flatMap(({ head, series }) => [...head, ...series, '']).join('\n');
}

function labelled(line: string, process: string): string {
  const [, name = '', labels] = /^([a-zA-Z_:][\w:]*)(\{)?/.exec(line) ?? [];
  const rest = line.slice(name.length);
  return labels === undefined ? `${name}{process="${process}"}${rest}` : `${name}{process="${process}",${rest.slice(1)}`;
}
