import { describe, expect, it } from 'vitest';
import { linkify } from './linkify';

const links = (text: string) => linkify(text).filter((p) => p.href !== undefined).map((p) => p.text);
const whole = (text: string) => linkify(text).map((p) => p.text).join('');

describe('linkify', () => {
  it('leaves plain text in one piece', () => {
    expect(linkify('안녕 <b>hi</b>')).toEqual([{ text: '안녕 <b>hi</b>' }]);
    expect(linkify('')).toEqual([{ text: '' }]);
  });

  it('finds addresses between words', () => {
    expect(links('see https://a.example/x?y=1#z and http://b.example:8080 now'))
      .toEqual(['https://a.example/x?y=1#z', 'http://b.example:8080']);
  });

  it('never loses or adds a character', () => {
    for (const text of ['(https://a.example/).', 'x https://a.example에서 보자', 'https://', 'https://[', '\nhttps://a.example\n'])
      expect(whole(text)).toBe(text);
  });

  it('leaves the punctuation of the sentence outside', () => {
    expect(links('(see https://a.example/b).')).toEqual(['https://a.example/b']);
    expect(links('https://a.example/b_(c)!')).toEqual(['https://a.example/b_(c)']);
    expect(links('“https://a.example/b”…')).toEqual(['https://a.example/b']);
  });

  it('leaves a Korean particle after a host outside, and Hangul in a path inside', () => {
    expect(links('https://a.example에서')).toEqual(['https://a.example']);
    expect(links('https://ko.example/wiki/사랑방')).toEqual(['https://ko.example/wiki/사랑방']);
  });

  it('makes no link of any other scheme', () => {
    expect(links('javascript:alert(1) data:text/html,x file:///etc ftp://a.example //a.example')).toEqual([]);
  });
});
