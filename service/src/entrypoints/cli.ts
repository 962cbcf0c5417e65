#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EXIT, type ExitStatus, interrupted, toCommandError } from '../cli/failure.ts';
import { createProgram } from '../cli/program.ts';
import { createTerminal, failureMark, type Terminal } from '../cli/ui/terminal.ts';
import { loadCliConfig } from '../config/cli.ts';
import { printable } from '../domain/printable.ts';

// The first signal aborts the command, the second one exits at once.
const stop = new AbortController();
const endOn = (signal: NodeJS.Signals, status: ExitStatus) =>
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(status);
    stop.abort(interrupted(`stopped by ${signal}`, status));
  });
endOn('SIGINT', EXIT.interrupted);
endOn('SIGTERM', EXIT.terminated);

let terminal: Terminal | undefined;
try {
  const config = loadCliConfig();
  terminal = createTerminal(config.NO_COLOR !== undefined);
  const exit = (status: ExitStatus) => {
    process.exitCode = status;
  };
  await createProgram({ config, terminal, signal: stop.signal, exit }).parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    // Commander has reported it.
    process.exitCode = thrown.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    const { code, message, exitStatus } = toCommandError(thrown);
    const mark = terminal ? failureMark(terminal) : 'error:';
    process.stderr.write(`${mark} ${printable(message)} [${code}]\n`);
    process.exitCode = exitStatus;
  }
}
