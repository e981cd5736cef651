// Splits a message into plain text and links. It yields data, never markup: what is shown as text
// stays text. Only http and https become links.

export type Piece = { text: string; href?: undefined } | { text: string; href: string };

// Letters that follow a bare host belong to the sentence ("https://example.com에서"); in a path they
// can be part of the address.
const ADDRESS = /https?:\/\/[\w.~:@%[\]-]+(?:[/?#][^\s<>"'`「」『』“”‘’]*)?/giu;
const TRAILING = /[.,:;!?…。、，]+$/u;

export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    const href = safe(address);
    if (href === null) continue;
    if (match.index > from) pieces.push({ text: text.slice(from, match.index) });
    pieces.push({ text: address, href });
    from = match.index + address.length;
  }
  if (from < text.length || pieces.length === 0) pieces.push({ text: text.slice(from) });
  return pieces;
}

// Punctuation after an address ends the sentence; a bracket that was not opened inside closes one outside.
function trim(address: string): string {
  for (;;) {
    const shorter = unbalanced(address) ? address.slice(0, -1) : address.replace(TRAILING, '');
    if (shorter === address) return address;
    address = shorter;
  }
}

function unbalanced(address: string): boolean {
  const pair = { ')': '(', ']': '[', '}': '{' }[address.at(-1) ?? ''];
  if (!pair) return false;
  return address.split(address.at(-1)!).length > address.split(pair).length;
}

function safe(address: string): string | null {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
}
