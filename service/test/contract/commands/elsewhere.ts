/** Why a block is not run here: the second word of its fence. */
export const MARKS: Readonly<Record<string, string>> = {
  aws: 'needs an AWS account',
  docker: 'needs Docker; npm run test:image builds and runs the image and the compose file',
  upload: 'uses values of the response to its first command; http/uploads.test.ts sends the same requests',
  recipe: 'needs the model of a recipe, which models/test/docs.slow.test.ts trains, serves and asks',
};

export interface Elsewhere {
  /** The command, without a comment behind it. */
  readonly command: string;
  /** Where it is run, and what stands there. */
  readonly file: string;
  readonly text: string;
}

/** Commands that another test or a step of CI runs. */
export const ELSEWHERE: readonly Elsewhere[] = [
  { command: 'npm test', file: '.ci/run', text: "tests 'tests' npm run -s test:all" },
  { command: 'npm run synth', file: '.ci/run', text: "step 'cdk synth, with cdk-nag' npm run -s synth" },
  {
    command: 'npm run infra -- --help',
    file: 'infra/test/commands.slow.test.ts',
    text: "for (const name of ['infra', 'deploy', 'destroy']) {\n      const { status, stdout, stderr } = run(name, ['--help']",
  },
  {
    command: 'npm run client -- --out ../ml-serverless-client',
    file: 'service/test/contract/clients.slow.test.ts',
    text: "documented('npm run client'",
  },
  {
    command:
      'java -jar openapi-generator-cli.jar generate -g python -i openapi.yaml -o ../ml-serverless-python --package-name ml_serverless_client',
    file: 'service/test/contract/clients.slow.test.ts',
    text: "documented('java -jar openapi-generator-cli.jar'",
  },
  {
    command: 'npm install ../ml-serverless-client',
    file: 'service/test/contract/clients.slow.test.ts',
    text: "documented('npm install ../ml-serverless-client'",
  },
  {
    command: 'pip install ../ml-serverless-python',
    file: 'service/test/contract/clients.slow.test.ts',
    text: "documented('pip install'",
  },
];

export const elsewhere = (line: string): Elsewhere | undefined =>
  ELSEWHERE.find(({ command }) => command === line.replace(/\s+#.*$/, ''));
