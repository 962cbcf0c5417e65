import { main, parseCommandLine, USAGE } from '../lib/command-line.ts';
import { describeCosts } from '../lib/cost.ts';

// `npm run infra`: lists the parameters and their cost.
await main(async (args) => {
  const { parameters, help } = parseCommandLine(args);
  console.log(
    help || args.length === 0 ? `${USAGE}\n\n${describeCosts(parameters)}` : describeCosts(parameters),
  );
  return 0;
});
