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

process.exit(args[0] === 'serve' ? await serveAlone() : await (await import('./cli.ts')).runCli(args));
