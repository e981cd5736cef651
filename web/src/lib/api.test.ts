import { afterEach, describe, expect, it, vi } from 'vitest';
import * as api from './api';

function answer(status: number, body: unknown, headers: Record<string, string> = {}) {
  const fetched = vi.fn(async (..._: Parameters<typeof fetch>) => {
    return new Response(status === 204 ? null : JSON.stringify(body), { status, headers });
  });
  vi.stubGlobal('fetch', fetched);
  return fetched;
}
const failure = (promise: Promise<unknown>) => promise.then(() => null, api.asProblem);

afterEach(() => {
  api.onSignedOut(() => {});
  vi.unstubAllGlobals();
});

describe('the calls', () => {
  it('ask for JSON, so that they are not sent to another page', async () => {
    const fetched = answer(200, []);
    await api.rooms();
    expect(fetched.mock.calls[0]?.[1]?.headers).toMatchObject({ accept: 'application/json' });
  });

  it('keep strange characters of a room inside their path segment', async () => {
    const fetched = answer(200, {});
    await api.room('../x y');
    expect(fetched.mock.calls[0]?.[0]).toBe('/chat/room/..%2Fx%20y');
  });

  it('send an invitation only when there is one', async () => {
    const fetched = answer(200, {});
    await api.signup('min', 'secret', null);
    await api.signup('min', 'secret', 'k');
    const bodies = fetched.mock.calls.map((call) => JSON.parse(String(call[1]?.body)));
    expect(bodies).toEqual([{ username: 'min', password: 'secret' }, { username: 'min', password: 'secret', invite: 'k' }]);
  });

  it('turn a problem into its code, field and limit', async () => {
    answer(400, { code: 'password_too_short', field: 'password', limit: 8 });
    expect(await failure(api.setup('k', 'min', 'x'))).toMatchObject({
      status: 400, code: 'password_too_short', field: 'password', limit: 8,
    });
  });

  it('name the status when the answer says nothing more', async () => {
    vi.stubGlobal('fetch', async () => new Response('<h1>Bad gateway</h1>', { status: 502 }));
    expect(await failure(api.rooms())).toMatchObject({ code: 'http_502' });
  });

  it('are offline when there is no answer', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')));
    expect(await failure(api.rooms())).toMatchObject({ status: 0, code: 'offline' });
  });

  it('tell when nobody is signed in, but not when a password was wrong', async () => {
    const told = vi.fn();
    api.onSignedOut(told);
    answer(401, { code: 'bad_credentials' });
    await failure(api.login('min', 'wrong'));
    expect(told).not.toHaveBeenCalled();
    answer(401, { code: 'not_signed_in' });
    await failure(api.rooms());
    expect(told).toHaveBeenCalledOnce();
  });

  it('count what a token lasts by the clock of the server', async () => {
    const server = Date.parse('2001-01-01T00:00:00Z');
    answer(200, { name: 'min', token: 't', role: 'user', expiresAt: server + 3_600_000 }, { date: new Date(server).toUTCString() });
    expect((await api.user()).grant).toEqual({ token: 't', lastsMs: 3_600_000 });
  });
});
