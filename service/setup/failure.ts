/** Ends set-up. The message is one line that says what is wrong and what to do. */
export class SetupError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SetupError';
  }
}

const ADVICE: ReadonlyArray<readonly [RegExp, string]> = [
  [/^(ENOSPC|EDQUOT)$/, 'the disk is full: free about 2 GB and run the command again'],
  [/^(ENOTDIR|EEXIST)$/, 'a file has the name of a directory: set CACHE_DIR to another directory'],
  [/^(EACCES|EPERM|EROFS)$/, 'no permission to write: set CACHE_DIR to a directory that you can write to'],
  [
    /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR|E5\d\d)$/,
    'the network cannot be reached: check the connection and proxy settings, and run the command again',
  ],
  [
    /^EINTEGRITY$/,
    'the download does not have the expected hash: a proxy or mirror may have changed it; use another network or registry',
  ],
  [/^(E404)$/, 'the registry does not have it: check the registry setting of npm'],
  [
    /^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY_LEAF_SIGNATURE|DEPTH_ZERO_SELF_SIGNED_CERT)$/,
    'the server certificate is not trusted: set NODE_EXTRA_CA_CERTS to the CA bundle of your network',
  ],
];

/** Codes that stop set-up: the machine is at fault, or a download does not have its hash. */
const FATAL_CODES = /^(ENOSPC|EDQUOT|EACCES|EPERM|EROFS|EINTEGRITY)$/;

/** The first system code (ENOSPC, ENOTFOUND, …) of an error or of its causes. */
function codeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && code !== '') return code;
  }
  return undefined;
}

/** A thrown value as one line: `doing`, what is wrong, what to do. */
export function describeFailure(error: unknown, doing?: string): string {
  const prefix = doing === undefined ? '' : `${doing}: `;
  if (error instanceof SetupError) return error.message;
  const code = codeOf(error);
  const advice = ADVICE.find(([pattern]) => code !== undefined && pattern.test(code))?.[1];
  const path = (error as NodeJS.ErrnoException | undefined)?.path;
  if (advice !== undefined) return `${prefix}${advice} (${code}${path ? `, ${path}` : ''})`;
  const message = error instanceof Error ? error.message : String(error);
  return prefix + (message.split('\n').find((line) => line.trim() !== '') ?? 'unknown failure').trim();
}

/** True if the disk is full or not writable, or a download does not have its hash: no fallback may hide that. */
export function isFatal(error: unknown): boolean {
  return FATAL_CODES.test(codeOf(error) ?? '');
}
