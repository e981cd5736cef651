import { beforeEach, describe, expect, it } from 'vitest';
import { TokenKeeper } from './token';

const MINUTE = 60_000;
let asked = 0;
let now = 0;
const keeper = (lastsMs = 60 * MINUTE) =>
  new TokenKeeper(async () => ({ token: `t${++asked}`, lastsMs }), () => now);

beforeEach(() => {
  asked = 0;
  now = 1_000_000;
});

describe('the token keeper', () => {
  it('asks once and keeps what it got', async () => {
    const keep = keeper();
    expect([await keep.fresh(), await keep.fresh()]).toEqual(['t1', 't1']);
  });

  it('asks again when less than five minutes are left', async () => {
    const keep = keeper();
    await keep.fresh();
    now += 55 * MINUTE;
    expect(await keep.fresh()).toBe('t1');
    now += 1;
    expect(await keep.fresh()).toBe('t2');
  });

  it('shares one answer between calls that come together', async () => {
    const keep = keeper();
    expect(await Promise.all([keep.fresh(), keep.renew(), keep.fresh()])).toEqual(['t1', 't1', 't1']);
    expect(asked).toBe(1);
  });

  it('can ask again after a failure', async () => {
    let fail = true;
    const keep = new TokenKeeper(async () => {
      if (fail) throw new Error('offline');
      return { token: 'good', lastsMs: 60 * MINUTE };
    }, () => now);
    await expect(keep.fresh()).rejects.toThrow('offline');
    fail = false;
    expect(await keep.fresh()).toBe('good');
  });
});
