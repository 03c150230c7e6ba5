// HTML by template: whatever is put into a template is escaped, unless a template made it. There is no other
// way to make `Html` but `trusted`, which is for our own style sheet and for charts that were drawn here.

export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Part = Html | string | number | null | undefined | false | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '`': '&#96;' };

/** Text as it may stand between tags and inside a quoted attribute. Control characters, which HTML forbids, become U+FFFD. */
export const escapeText = (text: string): string =>
  text.replace(/[&<>"'`]/g, (c) => ENTITIES[c]!).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '\ufffd');

function render(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return String(part);
  return part.map(render).join('');
}

/** Quote every attribute: an unquoted one is not safe for any text. */
export const html = (strings: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  new Html(strings.reduce((text, s, i) => text + s + (i < parts.length ? render(parts[i]) : ''), ''));

/** An expression or a name as code; a short one stays on one line. */
export const code = (text: string): Html => html`<code>${text.length <= 40 ? text.replaceAll(' ', '\u00a0') : text}</code>`;

/** Markup of our own making. Never for text that came from outside. */
export const trusted = (text: string): Html => new Html(text);
