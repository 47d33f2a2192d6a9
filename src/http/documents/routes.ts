import { type Asset, answerAsset, toAsset } from '../asset.js';
import type { Route } from '../router.js';

export interface Documents {
  readonly openApi: object;
  readonly asyncApi: object;
}

/** Any page may read what says how to talk to us. */
const HEADERS = { 'content-type': 'application/json; charset=utf-8', 'access-control-allow-origin': '*' };

/** GET /openapi.json and /asyncapi.json, made when the first of them is asked for. */
export function documentRoutes(load: () => Promise<Documents>): Route[] {
  let made: Promise<Readonly<Record<keyof Documents, Asset>>> | null = null;
  const make = async () => {
    const { openApi, asyncApi } = await load();
    return { openApi: await toDocument(openApi), asyncApi: await toDocument(asyncApi) };
  };
  const route = (path: string, name: keyof Documents): Route => ({
    method: 'GET',
    path,
    handle: async (request) => {
      made ??= make();
      return answerAsset((await made)[name], request);
    },
  });
  return [route('/openapi.json', 'openApi'), route('/asyncapi.json', 'asyncApi')];
}

function toDocument(document: object): Promise<Asset> {
  return toAsset(Buffer.from(JSON.stringify(document)), HEADERS, true);
}
