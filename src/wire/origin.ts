/**
 * Whether a page may connect: one of this host, or of an origin that is allowed ("https://app.example.com"; "*" allows all).
 * Programs that are no browsers send no Origin.
 * @param host the Host header
 */
export function isOriginAllowed(
  origin: string | undefined,
  host: string | undefined,
  allowed: ReadonlySet<string>,
): boolean {
  if (origin === undefined || allowed.has('*') || allowed.has(origin)) return true;
  const from = parse(origin);
  // Sandboxed pages and files have the origin "null".
  if (from === null || host === undefined) return false;
  if (allowed.has(from.origin)) return true;
  return parse(`${from.protocol}//${host}`)?.host === from.host;
}

function parse(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') ? url : null;
}
