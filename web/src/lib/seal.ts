// A person's seal: the first letter of the name, and one of a few old colours. Pure.

export const SEAL_COLOURS = 6;

export interface Seal {
  letter: string;
  /** 0 up to SEAL_COLOURS, the same for the same name everywhere. */
  colour: number;
}

export function sealOf(name: string): Seal {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)!) % 65_521;
  const [first = ''] = name.trim();
  return { letter: first.toUpperCase(), colour: sum % SEAL_COLOURS };
}
