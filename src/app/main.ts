// The program `gyre`. A data plane alone starts with what it needs, and not with every command.
const args = process.argv.slice(2);

async function serveAlone(): Promise<number> {
  const [{ rootCommand, runCommandLine }, { serveCommand }] = await Promise.all([
    import('./commands/command-line.ts'),
    import('./commands/serve.ts'),
  ]);
  const build: Parameters<typeof runCommandLine>[0] = (program) => {
    const root = rootCommand();
    serveCommand(program, root);
    return root;
  };
  return runCommandLine(build, args);
}

const code = args[0] === 'serve' ? await serveAlone() : await (await import('./cli.ts')).runCli(args);
// What was written into a pipe has left the process when it was read; "| jq" would get the first 64 KiB otherwise. A
// server has no data on its streams, and does not wait for who reads its log.
if (args[0] !== 'serve' && args[0] !== 'up')
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))));
process.exit(code);
