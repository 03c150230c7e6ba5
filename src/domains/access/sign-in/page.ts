// The pages of sign-in: plain HTML in the look of the reports, no script, nothing from elsewhere, fit for a phone.
import { Reply } from '../../../kernel/http/route.ts';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '`': '&#96;' };
/** Text as it may stand between tags and inside a quoted attribute. */
export const escaped = (text: string): string => text.replace(/[&<>"'`]/g, (c) => ENTITIES[c]!).replace(/[\u0000-\u001f\u007f]/g, '\ufffd');

const style = `
:root{color-scheme:light dark;--paper:#fff;--panel:#f6f8fa;--ink:#1b2430;--muted:#566272;--line:#c3ccd6;--first:#1f5f9e;--on-first:#fff;--bad:#b3261e;--bad-bg:#fdecea}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--panel:#1a2028;--ink:#e5eaf0;--muted:#9eabba;--line:#3d4856;--first:#7db3ef;--on-first:#12161c;--bad:#ff9389;--bad-bg:#3a1b19}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:420px;margin:0 auto;padding:min(12vh,90px) 20px 40px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
p{margin:0 0 14px}
.lead,.note{color:var(--muted)}
.note{font-size:.88rem;overflow-wrap:anywhere}
form,.panel{border:1px solid var(--line);border-radius:8px;background:var(--panel);padding:18px;margin:18px 0 0}
label{display:block;font-size:.9rem;font-weight:600;margin:0 0 4px}
input{display:block;width:100%;font:inherit;color:inherit;background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:10px 12px;margin:0 0 14px}
button,.button{display:block;width:100%;font:inherit;font-weight:600;text-align:center;text-decoration:none;border:1px solid var(--first);border-radius:6px;padding:10px 12px;cursor:pointer;background:var(--first);color:var(--on-first)}
.second{background:transparent;color:var(--first);margin-top:10px}
:focus-visible{outline:3px solid var(--first);outline-offset:2px}
.code{font:600 1.5rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;letter-spacing:.08em;text-align:center;margin:0 0 14px}
.bad{color:var(--bad);background:var(--bad-bg);border-radius:6px;padding:10px 12px;margin:16px 0}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.9em;overflow-wrap:anywhere}
`;

export interface Page {
  readonly title: string;
  /** HTML of our own making; what came from outside went through `escaped`. */
  readonly body: string;
  readonly error?: string | undefined;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
}

export const page = ({ title, body, error, status = 200, headers = {}, cookies = [] }: Page): Reply =>
  new Reply(
    status,
    `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escaped(title)} · Gyre</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
${error === undefined ? '' : `<p class="bad" role="alert">${escaped(error)}</p>`}
${body}
</main>
</body>
</html>
`,
    { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', ...headers },
    cookies,
  );

export const redirect = (to: string, cookies: readonly string[] = []): Reply =>
  new Reply(303, undefined, { location: to, 'cache-control': 'no-store' }, cookies);

const hidden = (name: string, value: string): string => `<input type="hidden" name="${name}" value="${escaped(value)}">`;

/** Name and password, and the way to the provider where there is one. */
export function signInForm(next: string, name: string, provider: string | undefined): string {
  const sso =
    provider === undefined
      ? ''
      : `<p style="margin-top:18px"><a class="button" href="/login/oidc?next=${encodeURIComponent(next)}">Sign in with ${escaped(provider)}</a></p>`;
  return `<p class="lead">Sign in to this server.</p>
${sso}
<form method="post" action="/login">
${hidden('next', next)}
<label for="name">User name</label>
<input id="name" name="name" value="${escaped(name)}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="127" required${name === '' ? ' autofocus' : ''}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1000" required${name === '' ? '' : ' autofocus'}>
<button type="submit"${provider === undefined ? '' : ' class="second"'}>Sign in</button>
</form>`;
}

export const signedIn = (
  name: string,
  workspace: string,
  csrf: string,
): string => `<p class="lead">You are signed in as <b>${escaped(name)}</b>.</p>
<p class="note">Workspace ${escaped(workspace)}. Programs use a token: <code>gyre login</code>, or <code>gyre tokens create</code>.</p>
<form method="post" action="/logout">
${hidden('csrf', csrf)}
<button type="submit" class="second" style="margin:0">Sign out</button>
</form>`;

/** Asks for the code that a program shows. */
export const codeForm = (): string => `<p class="lead">Enter the code that the program shows.</p>
<form method="get" action="/device">
<label for="code">Code</label>
<input id="code" name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="20" placeholder="ABCD-EFGH" required autofocus>
<button type="submit">Go on</button>
</form>`;

export const confirmDevice = (
  code: string,
  device: string,
  name: string,
  csrf: string,
): string => `<p class="lead">A program asks to act as <b>${escaped(name)}</b>.</p>
<form method="post" action="/device">
${hidden('csrf', csrf)}
${hidden('code', code)}
<p class="code">${escaped(code)}</p>
<p>It calls itself <b>${escaped(device)}</b>. Allow it only if you have just started it yourself, and it shows this very code.</p>
<button type="submit" name="answer" value="allow">Allow</button>
<button type="submit" name="answer" value="refuse" class="second">Refuse</button>
</form>`;

/** After the logout here: the provider still knows the person. A link, for browsers hold a form to this server (form-action). */
export const signedOut = (there: string, provider: string): string => `<p class="lead">You are signed out of this server.</p>
<p class="note">${escaped(provider)} still knows you, so the next login may ask for nothing.</p>
<p><a class="button" href="${escaped(there)}">Sign out of ${escaped(provider)} too</a></p>
<p><a class="button second" href="/login">Back to the login</a></p>`;
