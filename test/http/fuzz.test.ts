import { readFileSync } from 'node:fs';
import { hash } from '@node-rs/argon2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Accounts } from '../../src/accounts/accounts.js';
import { LOGIN_RULES } from '../../src/accounts/login-limits.js';
import { DEFAULT_PLANS } from '../../src/accounts/plans.js';
import { Recipients } from '../../src/accounts/recipients.js';
import { BufferedRequest, handle } from '../../src/gateway/transport/request.js';
import { authRoutes } from '../../src/http/auth.js';
import { keyRoutes } from '../../src/http/keys.js';
import { createRouter } from '../../src/http/router.js';
import { ruleRoutes } from '../../src/http/rules.js';
import { signalRoutes } from '../../src/http/signals.js';
import { userRoutes } from '../../src/http/users.js';
import { AudiencePublisher } from '../../src/signals/audience.js';
import { Desk } from '../../src/signals/desk.js';
import { LocalHints } from '../../src/signals/hints.js';
import { RuleService } from '../../src/signals/rules/service.js';
import { RuleStore } from '../../src/signals/rules/store.js';
import { Signals } from '../../src/signals/signals.js';
import { SignalStore } from '../../src/signals/store.js';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../src/wire/http.js';
import { type AccountsDatabase, accountsDatabase, accountsOn, logIn, newUser, PASSWORD } from '../accounts/support.js';
import { ManualClock } from '../feed/manual-clock.js';
import { ListLog } from '../gateway/transport-kit.js';
import { type Bent, bend, type Good, generator, hostileTo, placesIn, valueAt, withAt } from './hostile.js';

const SEED = 20_261_123;
const BENT = 1000;
/** Unknown addresses are compared with a hash at full cost: few of them are. */
const RULES = { ...LOGIN_RULES, perAddress: 8, registrationsPerAddress: 2 };

const CORPUS = readFileSync(new URL('../fixtures/fuzz/http-requests.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '');

let at: AccountsDatabase;
let accounts: Accounts;
let router: HttpHandler;
const log = new ListLog();
const tokens: Record<string, string> = {};
const words: Record<string, string> = { password: PASSWORD, id: '019ab000-0000-7000-8000-000000000000' };
let bystander: string;

beforeAll(async () => {
  at = await accountsDatabase('embedded');
  const { pool: sql } = at;
  const clock = new ManualClock(Date.UTC(2026, 10, 22, 12));
  ({ accounts } = accountsOn(sql, { log, loginRules: RULES, clock }));
  await accounts.start();
  const recipients = new Recipients(sql, clock, DEFAULT_PLANS);
  const store = new SignalStore(sql, clock);
  const signals = new Signals({ store, hints: new LocalHints() });
  const audience = { recipients: (symbol: string, after: string | null) => recipients.having(symbol, after) };
  const toAll = new AudiencePublisher({ sql, sink: signals, audience, clock });
  const desk = new Desk(signals, { limits: (ids) => recipients.entitlements(ids) }, toAll);
  const newestClosed = async (symbol: string) => (symbol === 'XRPETH' ? 1_570_752_000_000 : undefined);
  const rules = new RuleService({ store: new RuleStore(sql), newestClosed, onChange: () => {}, clock });
  const addressOf = (one: HttpRequest) => one.header('x-test-address') ?? '';
  const options = { auth: accounts, allowedOrigins: [], addressOf, log };
  router = createRouter([
    ...authRoutes(accounts.logins, options),
    ...keyRoutes(accounts, options),
    ...userRoutes(accounts.administration, options),
    ...signalRoutes(signals, desk, options),
    ...ruleRoutes(rules, options),
  ]);
  const [user, admin, other] = [await newUser(sql), await newUser(sql, 'admin'), await newUser(sql)];
  // Verified in no time: the fuzzer logs in often.
  const cheap = await hash(PASSWORD, { algorithm: 2, memoryCost: 64, timeCost: 1, parallelism: 1 });
  await sql.query('UPDATE users SET password_hash = $1', [cheap]);
  await sql.query(
    `INSERT INTO subscriptions (id, user_id, plan, start_date) VALUES (gen_random_uuid(), $1, 'pro', '2026-01-01')`,
    [user.id],
  );
  const login = await logIn(accounts, user.email);
  Object.assign(words, { email: user.email, userId: user.id, otherId: other.id });
  Object.assign(words, { deviceToken: login.deviceToken, refreshToken: login.refreshToken });
  tokens.user = login.accessToken;
  tokens.admin = (await logIn(accounts, admin.email)).accessToken;
  const made = (path: string, body: object) => ask(good('POST', path, 'user', body));
  tokens.key = String((await made('/v1/auth/keys', { name: 'bot', scopes: ['rules'] })).key);
  const rule = { symbol: 'XRPETH', interval: '1m', when: { type: 'price', op: 'above', level: '1' } };
  words.ruleId = String((await made('/v1/rules', rule)).id);
  bystander = (await newUser(sql)).id;
  await sql.query('UPDATE users SET password_hash = $1 WHERE id = $2', [cheap, bystander]);
});
afterAll(async () => {
  await accounts.stop();
  await at.stop();
});

const good = (method: string, path: string, token: string, body: unknown): Bent => ({
  method,
  path,
  query: '',
  headers: headersOf({ method, path, token: token as 'user' }),
  body: Buffer.from(JSON.stringify(body)),
});

function headersOf({ token, headers = {} }: Good): Record<string, string> {
  const own = { host: 'localhost:8080', 'content-type': 'application/json', ...headers };
  return token === undefined ? own : { ...own, authorization: `Bearer ${tokens[token]}` };
}

/** As the transport does it: what is thrown becomes a 500. */
async function send({ method, path, query, headers, body }: Bent): Promise<HttpResponse> {
  const sent = new BufferedRequest(method, path, query, new Map(Object.entries(headers)), '192.0.2.1');
  sent.body = body;
  return handle(router, sent, log);
}

async function ask(sent: Bent): Promise<Record<string, unknown>> {
  return JSON.parse(String((await send(sent)).body));
}

let sent = 0;
function filled(line: string): Good {
  sent++;
  return JSON.parse(
    line.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => (name === 'n' ? String(sent) : (words[name] ?? ''))),
  );
}

/** What is wrong with an answer; null: nothing. */
function fault({ status, headers, body }: HttpResponse): string | null {
  const type = headers['content-type'] ?? '';
  if (status >= 500) return `${status} ${String(body)}`;
  if (status === 204) return body === '' ? null : '204 with a body';
  const answer = JSON.parse(String(body)) as Record<string, unknown>;
  if (status < 300) return type.startsWith('application/json') ? null : `${status} as ${type}`;
  if (type !== 'application/problem+json' || answer.status !== status || typeof answer.detail !== 'string')
    return `${status} ${body}`;
  return null;
}

async function expectLawful(requests: Iterable<Bent>): Promise<Map<number, number>> {
  const answers = new Map<number, number>();
  const faults: string[] = [];
  for (const request of requests) {
    const answer = await send(request);
    answers.set(answer.status, (answers.get(answer.status) ?? 0) + 1);
    const wrong = fault(answer);
    if (wrong !== null)
      faults.push(
        `${request.method} ${request.path}?${request.query} ${String(request.body).slice(0, 300)} → ${wrong}`,
      );
  }
  expect(faults.slice(0, 20)).toEqual([]);
  expect(log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  return answers;
}

test('each value of each good request, replaced by hostile ones, makes no answer but a lawful one', async () => {
  const random = generator(SEED);
  function* requests(): Generator<Bent> {
    for (const line of CORPUS.filter((one) => one.includes('"body"'))) {
      for (const path of placesIn(filled(line).body)) {
        for (const text of hostileTo(valueAt(filled(line).body, path), random)) {
          const one = filled(line);
          // What is limited by address is limited for each place by itself.
          const headers = { ...headersOf(one), 'x-test-address': path.join('.') };
          yield { ...one, query: '', headers, body: Buffer.from(withAt(one.body, path, text)) };
        }
      }
    }
  }
  const answers = await expectLawful(requests());
  for (const status of [200, 201, 400, 401]) expect(answers.get(status)).toBeGreaterThan(10);
});

test(`${BENT} requests bent at random: the same, and nobody else is touched`, async () => {
  const random = generator(SEED);
  function* requests(): Generator<Bent> {
    for (let i = 0; i < BENT; i++) {
      const one = filled(CORPUS[random(CORPUS.length)] ?? '');
      yield bend({ ...one, headers: headersOf(one) }, random);
    }
  }
  const answers = await expectLawful(requests());
  for (const status of [200, 400, 401, 404, 405]) expect(answers.get(status)).toBeGreaterThan(10);
  const { rows } = await at.pool.query(
    `SELECT role, (SELECT count(*) FROM rules WHERE user_id = $1) AS rules, (SELECT count(*) FROM api_keys WHERE user_id = $1) AS keys,
       (SELECT count(*) FROM sessions WHERE user_id = $1) AS sessions FROM users WHERE id = $1`,
    [bystander],
  );
  expect(rows).toEqual([{ role: 'user', rules: 0, keys: 0, sessions: 0 }]);
});
