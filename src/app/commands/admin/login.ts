// gyre login, logout: a token of one's own for this machine, allowed in a browser.
import { spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { openClient, path } from '../../../kernel/cli/client.ts';
import { findCredential, forgetCredential, keepCredential } from '../../../kernel/cli/credentials.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { act, type Program } from '../command.ts';

interface Begun {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUrlComplete: string;
  readonly intervalS: number;
}
type Claimed =
  | { readonly state: 'waiting' }
  | {
      readonly user: string;
      readonly workspace: string;
      readonly token: { readonly id: string; readonly expiresAt: string | null };
      readonly secret: string;
    };

// Nothing depends on it: the address is printed as well.
function openBrowser(url: string): void {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  spawn(program, [url], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
}

export function loginCommands(program: Program, root: Command): void {
  act<[], { browser: boolean }>(
    program,
    root
      .command('login')
      .description('get a token of your own, allowed in a browser')
      .option('--no-browser', 'only print the address to open'),
    async (use) => {
      const { url } = use.client();
      // What was kept before may have ended; asking without it always works.
      const client = openClient({ url, token: '', workspace: 'default' });
      const begun = await client.post<Begun>('/device-logins', { name: `gyre on ${hostname()}` });
      use.terminal.say(`Open ${begun.verificationUrlComplete}\nand see that it shows the code ${begun.userCode}`);
      if (use.options.browser && use.terminal.interactive) openBrowser(begun.verificationUrlComplete);
      // The server ends it: a code that nobody answered is unknown after a while.
      for (;;) {
        await delay(begun.intervalS * 1000);
        const claimed = await client.post<Claimed>('/device-logins/claim', { deviceCode: begun.deviceCode });
        if ('state' in claimed) continue;
        const { user, workspace, token, secret } = claimed;
        const file = keepCredential(url, { user, workspace, tokenId: token.id, token: secret });
        use.print({ url, user, workspace, expiresAt: token.expiresAt, file }, () => [
          `You are logged in to ${url} as ${user} (workspace ${workspace})${token.expiresAt ? ` until ${token.expiresAt.slice(0, 10)}` : ''}.`,
        ]);
        return;
      }
    },
  );
  act(program, root.command('logout').description('revoke the token that "gyre login" got, and forget it'), async (use) => {
    const { url } = use.client();
    const kept = findCredential(url);
    if (kept) {
      const client = openClient({ url, token: kept.token, workspace: 'default' });
      try {
        await client.send('DELETE', path`/me/tokens/${kept.tokenId}`);
      } catch (error) {
        // One that has ended already needs no end; while no server answers it is kept, so that it can be tried again.
        if (!isProblem(error, 'unauthenticated') && !isProblem(error, 'token-not-found')) throw error;
      }
      forgetCredential(url);
    }
    use.print({ url, user: kept?.user ?? null }, () => [
      kept ? `${kept.user} is logged out of ${url}.` : `You were not logged in to ${url}.`,
    ]);
  });
}
