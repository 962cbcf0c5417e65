/**
 * The host name in a Host header or authority: `localhost:8080` -> `localhost`, `[::1]:8080` -> `[::1]`, in lower case and
 * without the dot that may end it. Undefined if it is not well formed.
 */
export function hostNameOf(authority: string): string | undefined {
  const match = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::\d{1,5})?$/.exec(authority.toLowerCase());
  return match?.[1]?.replace(/\.$/, '');
}

/** True for names and addresses that lead to this machine whatever a DNS server says; `::1` with or without brackets. */
export function isLoopbackName(name: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/.test(name);
}
