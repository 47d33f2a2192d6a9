import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { JWT_SECRET, NOON } from './support.js';

/** What a good token is made of, to be bent. */
export interface Parts {
  readonly userId: string;
  readonly sessionId: string;
  /** A session of somebody else, which is alive. */
  readonly foreignSession: string;
  /** A good token, and one of a session that has ended. */
  readonly good: string;
  readonly revoked: string;
  readonly key: string;
  readonly revokedKey: string;
  readonly refreshToken: string;
}

type Json = Record<string, unknown>;

const SECRETS = new Map(JWT_SECRET.split(',').map((part) => part.split(':') as [string, string]));
const NOW = NOON / 1000;
const b64 = (value: Json | string | Buffer): string =>
  Buffer.from(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString(
    'base64url',
  );

export function hmac(text: string, secret: string | Buffer, hash = 'sha256'): string {
  return createHmac(hash, secret).update(text).digest('base64url');
}

/** With any header and claims, signed rightly unless told otherwise. */
export function forge(
  header: Json,
  claims: Json | string,
  sign = (text: string) => hmac(text, SECRETS.get('k1') ?? ''),
): string {
  const text = `${b64(header)}.${b64(claims)}`;
  return `${text}.${sign(text)}`;
}

export const HEADER = { alg: 'HS256', typ: 'at+jwt', kid: 'k1' };

export function goodClaims({ userId, sessionId }: Pick<Parts, 'userId' | 'sessionId'>): Json {
  const jti = '019ab000-0000-7000-8000-000000000000';
  return {
    iss: 'candlecast',
    aud: 'candlecast',
    sub: userId,
    sid: sessionId,
    jti,
    role: 'user',
    iat: NOW,
    exp: NOW + 900,
  };
}

/** Tokens by what is wrong with them; none may be accepted. */
export function badTokens(parts: Parts): [string, string][] {
  const claims = goodClaims(parts);
  return [
    ...headers(claims),
    ...bentClaims(claims),
    ...signatures(claims),
    ...otherKeys(claims),
    ...shapes(parts),
    ...cuts(parts.good, 'token'),
    ...cuts(parts.key, 'key'),
    ...keys(parts),
    ['the session of somebody else', forge(HEADER, { ...claims, sid: parts.foreignSession })],
    ['a token of a session that has ended', parts.revoked],
    ['a key that was revoked', parts.revokedKey],
    ['a refresh token', parts.refreshToken],
  ];
}

function headers(claims: Json): [string, string][] {
  const algorithms = [
    'none',
    'None',
    'NONE',
    'nOnE',
    '',
    'hs256',
    'HS384',
    'HS512',
    'RS256',
    'PS256',
    'ES256',
    'EdDSA',
    'dir',
    'A128KW',
    null,
    256,
    ['HS256'],
  ];
  const types = ['JWT', 'jwt', 'rt+jwt', 'id+jwt', 'dpop+jwt', 'secevent+jwt', '', null, 1, ['at+jwt'], 'at+jwt '];
  const kids = [
    'k2',
    'k3',
    '',
    null,
    1,
    '../../../../dev/null',
    "k1' OR '1'='1",
    '__proto__',
    'constructor',
    'K1',
    'k1 ',
    ['k1'],
  ];
  const { typ, kid, alg } = HEADER;
  return [
    ...algorithms.map((bad): [string, string] => [
      `alg ${JSON.stringify(bad)}`,
      forge({ ...HEADER, alg: bad }, claims),
    ]),
    ...['none', 'NONE', 'HS256'].map((bad): [string, string] => [
      `alg ${bad} without signature`,
      forge({ ...HEADER, alg: bad }, claims, () => ''),
    ]),
    ...types.map((bad): [string, string] => [`typ ${JSON.stringify(bad)}`, forge({ ...HEADER, typ: bad }, claims)]),
    ...kids.map((bad): [string, string] => [`kid ${JSON.stringify(bad)}`, forge({ ...HEADER, kid: bad }, claims)]),
    ...['384', '512'].map((bits): [string, string] => [
      `our key with HS${bits}`,
      forge({ ...HEADER, alg: `HS${bits}` }, claims, (text) => hmac(text, SECRETS.get('k1') ?? '', `sha${bits}`)),
    ]),
    ['no typ', forge({ alg, kid }, claims)],
    ['no kid', forge({ alg, typ }, claims)],
    ['no alg', forge({ typ, kid }, claims)],
    ['an unknown critical extension', forge({ ...HEADER, crit: ['x'], x: 1 }, claims)],
    ['crit that is no list', forge({ ...HEADER, crit: 'exp' }, claims)],
    ['a payload that is not encoded', forge({ ...HEADER, b64: false, crit: ['b64'] }, claims)],
    [
      'its own key in the header',
      forge({ ...HEADER, kid: 'x', jwk: { kty: 'oct', k: b64('0'.repeat(32)) } }, claims, (text) =>
        hmac(text, '0'.repeat(32)),
      ),
    ],
    [
      'the address of its key in the header',
      forge({ ...HEADER, kid: 'x', jku: 'http://127.0.0.1:1/keys' }, claims, (text) => hmac(text, '0'.repeat(32))),
    ],
    ['an empty header', forge({}, claims)],
    ['a header that is a list', `${b64('[]')}.${b64(claims)}.x`],
  ];
}

function bentClaims(claims: Json): [string, string][] {
  const bent: [string, Json][] = [
    ...Object.keys(claims)
      .filter((name) => name !== 'role')
      .map((name): [string, Json] => [`no ${name}`, without(claims, name)]),
    ['no role', without(claims, 'role')],
    ...['iss', 'aud', 'sub', 'sid', 'jti'].flatMap((name) =>
      ['', null, 0, true, {}, [], 'other', 'Candlecast', "candlecast' --"].map((bad): [string, Json] => [
        `${name} ${JSON.stringify(bad)}`,
        { ...claims, [name]: bad },
      ]),
    ),
    ['several audiences', { ...claims, aud: ['candlecast', 'other'] }],
    ['a list of our audience', { ...claims, aud: ['candlecast'] }],
    ['expired a second ago', { ...claims, iat: NOW - 901, exp: NOW - 1 }],
    ['expired now', { ...claims, iat: NOW - 900, exp: NOW }],
    ['expired long ago', { ...claims, iat: 1, exp: 2 }],
    ['valid for longer than tokens are', { ...claims, exp: NOW + 901 }],
    ['valid for ever', { ...claims, exp: 2 ** 53 }],
    ['expiry in milliseconds', { ...claims, exp: NOON + 900_000 }],
    ...['x', String(NOW + 900), null, {}, [], true].map((bad): [string, Json] => [
      `exp ${JSON.stringify(bad)}`,
      { ...claims, exp: bad },
    ]),
    ...['x', null, {}, true].map((bad): [string, Json] => [`iat ${JSON.stringify(bad)}`, { ...claims, iat: bad }]),
    ['made in the future', { ...claims, iat: NOW + 120, exp: NOW + 900 }],
    ['made after its expiry', { ...claims, iat: NOW + 30, exp: NOW + 20 }],
    ['not valid yet', { ...claims, nbf: NOW + 60 }],
    ['a nbf that is no number', { ...claims, nbf: 'now' }],
    ['a user that is none', { ...claims, sub: '019ab000-0000-7000-8000-00000000dead' }],
    ['a session that is none', { ...claims, sid: '019ab000-0000-7000-8000-00000000dead' }],
    ['a session of nobody', { ...claims, sid: claims.sub }],
    ['an id in upper case', { ...claims, sub: String(claims.sub).toUpperCase() }],
    ['an id with a null byte', { ...claims, sub: `${claims.sub}\u0000` }],
  ];
  return bent.map(([name, value]) => [name, forge(HEADER, value)]);
}

function signatures(claims: Json): [string, string][] {
  const text = `${b64(HEADER)}.${b64(claims)}`;
  const right = hmac(text, SECRETS.get('k1') ?? '');
  const flip = (at: number): string => `${right.slice(0, at)}${right[at] === 'A' ? 'B' : 'A'}${right.slice(at + 1)}`;
  const wrong: [string, string][] = [
    ['none', ''],
    ['that of other claims', hmac(`${text}x`, SECRETS.get('k1') ?? '')],
    ['with another hash', hmac(text, SECRETS.get('k1') ?? '', 'sha512')],
    ['cut', right.slice(0, -4)],
    ['twice', right + right],
    ['zeros', 'A'.repeat(43)],
    ...[0, 10, 20, 30, 41].map((at): [string, string] => [`changed at ${at}`, flip(at)]),
    ...['', 'secret', '0', 'candlecast', 'k1', JWT_SECRET, SECRETS.get('k2') ?? ''].map((key): [string, string] => [
      `with the key "${key.slice(0, 8)}"`,
      hmac(text, key),
    ]),
  ];
  return wrong.map(([name, signature]) => [`signature ${name}`, `${text}.${signature}`]);
}

/** What is signed with a private key of one's own, and what takes a public one for a secret. */
function otherKeys(claims: Json): [string, string][] {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
  const der = rsa.publicKey.export({ type: 'spki', format: 'der' });
  const by = (alg: string, sign: (text: Buffer) => Buffer): string =>
    forge({ ...HEADER, alg }, claims, (text) => sign(Buffer.from(text)).toString('base64url'));
  return [
    ['signed by RSA', by('RS256', (text) => signWith('sha256', text, rsa.privateKey))],
    [
      'signed by ECDSA',
      by('ES256', (text) => signWith('sha256', text, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })),
    ],
    ['signed by Ed25519', by('EdDSA', (text) => signWith(null, text, ed.privateKey))],
    ['a public key as secret (PEM)', forge(HEADER, claims, (text) => hmac(text, Buffer.from(pem)))],
    ['a public key as secret (DER)', forge(HEADER, claims, (text) => hmac(text, der))],
  ];
}

function shapes({ good, key }: Parts): [string, string][] {
  const [header = '', payload = '', signature = ''] = good.split('.');
  const tokens = [
    '',
    ' ',
    '.',
    '..',
    '...',
    'null',
    'undefined',
    '{}',
    '[object Object]',
    'Bearer',
    '\u0000',
    '💥',
    header,
    `${header}.`,
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `.${payload}.${signature}`,
    `${header}..${signature}`,
    `${good}.`,
    `.${good}`,
    `${good}.${signature}`,
    `${good} `,
    ` ${good}`,
    `${good}\n`,
    `${good}=`,
    `${good},${good}`,
    good.toLowerCase(),
    good.toUpperCase(),
    `${payload}.${header}.${signature}`,
    `Bearer ${good}`,
    good.replace('.', '%2e'),
    `${header}.${payload}.${signature}.${payload}.${signature}`,
    `${good}${'A'.repeat(5000)}`,
    'A'.repeat(1_000_000),
    `${'a.'.repeat(2000)}b`,
    `${b64('{"alg":"HS256"')}.${payload}.${signature}`,
    `${header}.${b64('not json')}.${signature}`,
    `${header}.${b64('"text"')}.${signature}`,
    `${header}.${b64(Buffer.from([0xff, 0xfe]))}.${signature}`,
    `${key} `,
    ` ${key}`,
    key.toUpperCase(),
  ];
  return [
    ...tokens.map((token): [string, string] => [
      `shape ${JSON.stringify(token.slice(0, 30))} of ${token.length}`,
      token,
    ]),
    ['claims that are no object', forge(HEADER, '[]')],
    ['claims that are no JSON', forge(HEADER, '{')],
    ['claims of 5000 characters', forge(HEADER, JSON.stringify({ x: 'x'.repeat(5000) }))],
  ];
}

function cuts(text: string, what: string): [string, string][] {
  const lengths = [
    1,
    4,
    5,
    Math.floor(text.length / 3),
    Math.floor(text.length / 2),
    text.length - 10,
    text.length - 2,
    text.length - 1,
  ];
  return lengths.map((length) => [`a ${what} cut to ${length}`, text.slice(0, length)]);
}

function keys({ key, userId }: Parts): [string, string][] {
  const [, id = '', secret = ''] = /^cck_([0-9a-f]{32})_(.*)$/.exec(key) ?? [];
  const all = [
    `cck_${id}_${'A'.repeat(43)}`,
    `cck_${id}_`,
    `cck__${secret}`,
    `cck_${userId.replaceAll('-', '')}_${secret}`,
    `cck_${id}_${secret}x`,
    `cck_${id.toUpperCase()}_${secret}`,
    `cck-${id}-${secret}`,
    `CCK_${id}_${secret}`,
    `${id}_${secret}`,
    secret,
    `cck_${'0'.repeat(32)}_${secret}`,
    `cck_${id}_${[...secret].reverse().join('')}`,
  ];
  return all.map((text, index) => [`key ${index}`, text]);
}

function without(claims: Json, name: string): Json {
  return Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
}
