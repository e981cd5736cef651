// The HTTP half of the contract. Every call answers with data or throws a Problem.
import type { Grant } from './token';
import type { About, Entry, Invitation, Members, Role, Room, User } from './types';

/** An answer that is no success, or none at all (`code` is then "offline"). */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string | undefined;
  readonly field: string | undefined;
  readonly limit: number | undefined;

  constructor(status: number, body: Partial<Pick<Problem, 'code' | 'detail' | 'field' | 'limit'>>) {
    super(body.detail ?? body.code ?? `status ${status}`);
    this.status = status;
    this.code = body.code ?? `http_${status}`;
    this.detail = body.detail;
    this.field = body.field;
    this.limit = body.limit;
  }
}

export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, { code: 'unknown', detail: String(error) });
}

let signedOut = () => {};

/** What to do when any call finds that nobody is signed in any more. */
export function onSignedOut(act: () => void): void {
  signedOut = act;
}

export const about = () => get<About>('/about');
export const login = (username: string, password: string) => post<User>('/login', { username, password });
export const setup = (key: string, username: string, password: string) =>
  post<User>('/setup', { key, username, password });
export const signup = (username: string, password: string, invite: string | null) =>
  post<User>('/signup', { username, password, ...(invite === null ? {} : { invite }) });
export const invite = (role: Role, hours: number) => post<Invitation>('/chat/invite', { role, hours });

export const rooms = () => get<Room[]>('/chat/rooms');
export const room = (roomId: string) => get<Room>(roomUrl(roomId));
export const createRoom = (name: string, keeps: boolean) =>
  post<Room>('/chat/room', { name, ...(keeps ? {} : { history: 'off' }) });
export const renameRoom = (roomId: string, name: string) => call<Room>('PATCH', roomUrl(roomId), { name });
export const deleteRoom = (roomId: string) => call<void>('DELETE', roomUrl(roomId));
export const members = (roomId: string) => get<Members>(`${roomUrl(roomId)}/members`);
export const messagesBefore = (roomId: string, before: number, limit: number) =>
  get<Entry[]>(`${roomUrl(roomId)}/messages?before=${before}&limit=${limit}`);
export const messagesAfter = (roomId: string, after: number, limit: number) =>
  get<Entry[]>(`${roomUrl(roomId)}/messages?after=${after}&limit=${limit}`);

/** Who is signed in, with a new token and how long that lasts by the server's own clock. */
export async function user(): Promise<{ user: User; grant: Grant }> {
  const response = await request('GET', '/chat/user');
  const user = (await response.json()) as User;
  const serverNow = Date.parse(response.headers.get('date') ?? '');
  const lastsMs = user.expiresAt - (Number.isNaN(serverNow) ? Date.now() : serverNow);
  return { user, grant: { token: user.token, lastsMs } };
}

function roomUrl(roomId: string): string {
  return `/chat/room/${encodeURIComponent(roomId)}`;
}

function get<T>(url: string): Promise<T> {
  return call<T>('GET', url);
}

function post<T>(url: string, body: object): Promise<T> {
  return call<T>('POST', url, body);
}

async function call<T>(method: string, url: string, body?: object): Promise<T> {
  const response = await request(method, url, body);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

const TIMEOUT_MS = 15_000;

async function request(method: string, url: string, body?: object): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers,
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem(0, { code: 'offline' });
  }
  if (response.ok) return response;
  const problem = new Problem(response.status, (await response.json().catch(() => ({}))) as object);
  if (problem.code === 'not_signed_in') signedOut();
  throw problem;
}
