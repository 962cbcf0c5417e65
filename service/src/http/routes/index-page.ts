import type { App } from '../app.ts';
import { PAGE_CSP } from '../plugins/security.ts';

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ml-serverless</title>
<style>
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
  pre { padding: 1rem; overflow-x: auto; background: #f3f5f7; border-radius: 8px }
  dt { font: 14px/1.6 ui-monospace, monospace; margin-top: .6rem } dd { margin: 0 0 0 1rem; color: #57606a }
  @media (prefers-color-scheme: dark) { body { color: #e6e8eb; background: #14171a } pre { background: #22272e } dd { color: #9aa4af } a { color: #6cb6ff } }
</style>
<h1>ml-serverless</h1>
<p>Names what is in a picture.</p>
<pre>curl -F image=@picture.jpg http://HOST/predict</pre>
<dl>
  <dt>POST /predict</dt><dd>one image in, the likeliest classes out</dd>
  <dt><a href="/models">GET /models</a></dt><dd>what is loaded</dd>
  <dt><a href="/health/ready">GET /health/ready</a></dt><dd>is it ready?</dd>
  <dt><a href="/metrics">GET /metrics</a></dt><dd>for Prometheus</dd>
  <dt><a href="/docs">GET /docs</a></dt><dd>the API, to read and to try (<a href="/openapi.json">openapi.json</a>)</dd>
</dl>
</html>
`;

/** What may stand in a Host header and, unescaped, in the page. */
const PLAIN_HOST = /^[A-Za-z0-9.:[\]-]{1,255}$/;

/** GET /: where to begin. */
export function indexRoutes(app: App): void {
  app.get('/', { config: { public: true }, schema: { hide: true } }, async (request, reply) => {
    const host = PLAIN_HOST.test(request.host) ? request.host : 'localhost';
    reply.header('content-security-policy', PAGE_CSP);
    return reply.type('text/html; charset=utf-8').send(PAGE.replace('HOST', host));
  });
}
