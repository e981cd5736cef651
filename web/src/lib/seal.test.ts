import { describe, expect, it } from 'vitest';
import { SEAL_COLOURS, sealOf } from './seal';

describe('a seal', () => {
  it('carries the first letter of the name', () => {
    expect(sealOf('민수').letter).toBe('민');
    expect(sealOf(' jiyoung').letter).toBe('J');
    expect(sealOf('🐯 tiger').letter).toBe('🐯');
    expect(sealOf('').letter).toBe('');
  });

  it('has one colour for a name, and different colours for different names', () => {
    const names = Array.from({ length: 60 }, (_, i) => `name${i}`);
    const colours = names.map((name) => sealOf(name).colour);
    expect(names.map((name) => sealOf(name).colour)).toEqual(colours);
    expect(new Set(colours).size).toBe(SEAL_COLOURS);
    expect(Math.max(...colours)).toBeLessThan(SEAL_COLOURS);
  });
});
