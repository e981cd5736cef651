import { describe, expect, it } from 'vitest';
import { loginPath, parse, roomPath, wantedAfterLogin } from './route';

const wanted = (search: string) => wantedAfterLogin(new URLSearchParams(search));

describe('routes', () => {
  it('know every path of the page', () => {
    expect(parse('/login', '').at).toBe('login');
    expect(parse('/signup', '').at).toBe('signup');
    expect(parse('/setup', '').at).toBe('setup');
    expect(parse('/chat/room', '').at).toBe('rooms');
    expect(parse('/chat/room/', '').at).toBe('rooms');
    expect(parse('/', '').at).toBe('rooms');
    expect(parse('/chat/other', '').at).toBe('nowhere');
    expect(parse('/chat/room/enter/%E0%A4%A', '').at).toBe('nowhere');
  });

  it('carry a room there and back', () => {
    expect(parse(roomPath('a b/1'), '')).toEqual({ at: 'room', roomId: 'a b/1' });
  });

  it('keep the query', () => {
    const route = parse('/setup', '?key=k1');
    expect(route.at === 'setup' && route.query.get('key')).toBe('k1');
  });

  it('lead back to where the person wanted to go', () => {
    const path = roomPath('5a7f');
    const login = new URL(loginPath(path), 'http://host');
    expect(wanted(login.search)).toBe(path);
    expect(loginPath('/chat/room')).toBe('/login');
  });

  it('never lead out of the chat', () => {
    for (const next of ['https://evil.example', '//evil.example', '/logout', '/chat/room/../../logout', '/\\evil.example', ''])
      expect(wanted(`?next=${encodeURIComponent(next)}`)).toBe('/chat/room');
    expect(wanted('')).toBe('/chat/room');
  });
});
