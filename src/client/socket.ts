import type { Socket, SocketClass } from './types.js';

export const OPEN = 1;
const CLOSE_TIMEOUT_MS = 1_000;

/** The global WebSocket (browsers, Node 22), or that of the package `ws`. */
export async function socketClass(): Promise<SocketClass> {
  const { WebSocket } = globalThis as { WebSocket?: unknown };
  if (WebSocket !== undefined) return WebSocket as SocketClass;
  // By a name that bundlers do not follow: no browser gets here.
  const name = 'ws';
  return ((await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as { WebSocket: SocketClass }).WebSocket;
}

/** Nothing is heard of it any more. A peer that does not answer does not hold the process. */
export function abandon(socket: Socket, politely: boolean): void {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onclose = null;
  // An attempt that is cut short is an error, and one without a listener ends a Node process.
  socket.onerror = () => {};
  if (!politely && socket.terminate !== undefined) {
    socket.terminate();
    return;
  }
  try {
    socket.close(1000);
  } catch {
    socket.close();
  }
  if (socket.terminate === undefined) return;
  const timer = setTimeout(() => socket.terminate?.(), CLOSE_TIMEOUT_MS);
  socket.onclose = () => clearTimeout(timer);
}

/** `https://host/base`, `wss://host/base` or either with `/v1/stream`: the address of the socket, and that of REST. @throws TypeError */
export function addressesOf(text: string): { readonly stream: string; readonly rest: string } {
  const url = new URL(text);
  const isSecure = url.protocol === 'https:' || url.protocol === 'wss:';
  if (!isSecure && url.protocol !== 'http:' && url.protocol !== 'ws:') throw new TypeError(`not an address: ${text}`);
  const place = `${url.host}${url.pathname.replace(/\/(v1\/stream\/?)?$/, '')}`;
  const s = isSecure ? 's' : '';
  return { stream: `ws${s}://${place}/v1/stream`, rest: `http${s}://${place}/v1` };
}
