// Paths and what they mean. Real paths: the server answers each of them with this same page.

export type Route =
  | { at: 'login' | 'signup' | 'setup'; query: URLSearchParams }
  | { at: 'rooms' }
  | { at: 'room'; roomId: string }
  | { at: 'nowhere' };

export const ROOMS = '/chat/room';

export function parse(path: string, search: string): Route {
  const query = new URLSearchParams(search);
  const plain = path.length > 1 ? path.replace(/\/+$/, '') : path;
  if (plain === '/login') return { at: 'login', query };
  if (plain === '/signup') return { at: 'signup', query };
  if (plain === '/setup') return { at: 'setup', query };
  if (plain === ROOMS || plain === '/' || plain === '/index') return { at: 'rooms' };
  const roomId = /^\/chat\/room\/enter\/([^/]+)$/.exec(plain)?.[1];
  const decoded = roomId === undefined ? null : decode(roomId);
  return decoded === null ? { at: 'nowhere' } : { at: 'room', roomId: decoded };
}

export function roomPath(roomId: string): string {
  return `${ROOMS}/enter/${encodeURIComponent(roomId)}`;
}

export function loginPath(wanted: string): string {
  return wanted === ROOMS ? '/login' : `/login?next=${encodeURIComponent(wanted)}`;
}

/** Where to go after signing in. Only into the chat: `next` comes from the address, so from anybody. */
export function wantedAfterLogin(query: URLSearchParams): string {
  const next = query.get('next');
  return next !== null && /^\/chat\/room(\/enter\/[\w%.-]+)?$/.test(next) ? next : ROOMS;
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
