// The shapes that cross the wire. Times are milliseconds since the Unix epoch.

export type Role = 'admin' | 'user' | 'guest';

export interface User {
  name: string;
  token: string;
  role: Role;
  expiresAt: number;
}

export interface Limits {
  messageChars: number;
  roomNameChars: number;
  nameChars: number;
  passwordChars: number;
}

export interface About {
  name: string;
  version: string;
  locale: 'ko' | 'en';
  signUp: 'closed' | 'open';
  setup: boolean;
  limits: Limits;
}

export interface Room {
  roomId: string;
  name: string;
  userCount: number;
  lastOffset: number;
  lastAt: number | null;
  createdAt: number;
  /** Only where it is off: what is said is never written. */
  history?: 'off';
}

export interface Entry {
  type: 'TALK' | 'ENTER' | 'QUIT';
  roomId: string;
  sender: string;
  message: string;
  userCount: number;
  offset: number;
  id: string;
  sentAt: number;
}

export interface Members {
  roomId: string;
  userCount: number;
  members: string[];
}

export interface Invitation {
  link: string;
  key: string;
  role: Role;
  expiresAt: number;
}

/** What arrives on the live room list. */
export type RoomsChange =
  | { type: 'ROOMS'; rooms: Room[]; gone: string[] }
  | { type: 'RESYNC' };

/** A request that could not be done while the session goes on. */
export interface Refusal {
  code: string;
  message: string;
  roomId?: string;
  id?: string;
  receipt?: string;
  field?: string;
  limit?: number;
}
