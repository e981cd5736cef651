// Every word that the page shows, in both languages. The type of the Korean half is the type of the
// other, so a missing or a stray string does not compile.

export type Language = 'ko' | 'en';

const ko = {
  app: '사랑방',
  tagline: '둘러앉아 이야기하는 방',
  loading: '불러오는 중…',
  close: '닫기',
  cancel: '취소',
  retry: '다시 시도',
  back: '대화방 목록으로',
  skip: '본문으로 건너뛰기',

  login: {
    title: '로그인',
    name: '이름',
    password: '비밀번호',
    submit: '들어가기',
    wrong: '이름이나 비밀번호가 맞지 않아요. 다시 확인해 주세요.',
    bye: '로그아웃했어요. 또 만나요!',
    toSignUp: '처음 오셨나요? 계정 만들기',
    setupHint: '아직 관리자가 없어요. 서버를 시작한 창에 나온 링크를 열어 관리자 계정을 만들어 주세요.',
  },
  signup: {
    title: '계정 만들기',
    lead: '이름과 비밀번호를 정하면 바로 이야기할 수 있어요.',
    again: '비밀번호 다시 입력',
    submit: '계정 만들기',
    toLogin: '이미 계정이 있어요',
    nameHint: (chars: number) => `${chars}자까지 쓸 수 있어요.`,
    passwordHint: (chars: number) => `${chars}자 이상이어야 해요.`,
    mismatch: '두 비밀번호가 서로 달라요.',
    nameMissing: '이름을 적어 주세요.',
    closed: '지금은 가입을 받지 않아요. 관리자에게 초대 링크를 부탁해 주세요.',
  },
  setup: {
    title: '첫 관리자 만들기',
    lead: '이 사랑방을 돌볼 관리자 계정이에요. 여기서 정한 이름과 비밀번호로 로그인해요.',
    submit: '사랑방 열기',
    keyMissing: '주소에 열쇠가 없어요. 서버를 시작한 창에 나온 링크를 그대로 열어 주세요.',
  },
  rooms: {
    title: '대화방',
    none: '아직 대화방이 없어요.',
    noneHint: '첫 대화방을 만들어 이야기를 시작해 보세요.',
    pick: '대화방을 골라 주세요',
    pickHint: '왼쪽에서 대화방을 고르거나 새로 만들 수 있어요.',
    people: (count: number) => `${count}명`,
    unread: '새 글',
    create: '새 대화방',
    createTitle: '새 대화방 만들기',
    name: '대화방 이름',
    nameHint: (chars: number) => `${chars}자까지 쓸 수 있어요.`,
    nameMissing: '이름을 적어 주세요.',
    submit: '만들기',
    signOut: '로그아웃',
    invite: '초대하기',
    account: (name: string) => `${name}님`,
  },
  invite: {
    title: '초대 링크 만들기',
    lead: '링크를 받은 사람은 자기 계정을 만들고 들어올 수 있어요.',
    valid: '사용 기한',
    hours: { 24: '하루', 72: '사흘', 168: '일주일' } as Record<number, string>,
    as: '역할',
    role: { user: '대화할 수 있는 사람', guest: '손님 (아직 대화하지 못함)' },
    submit: '링크 만들기',
    link: '초대 링크',
    until: (time: string) => `${time}까지 쓸 수 있어요.`,
    copy: '복사',
    copied: '복사했어요',
  },
  admin: {
    open: '대화방 관리',
    title: '대화방 관리',
    rename: '이름 바꾸기',
    remove: '대화방 지우기',
    removeHint: '대화방과 그 안의 모든 이야기가 사라지고, 되돌릴 수 없어요.',
    removeSure: '정말 지우기',
  },
  room: {
    people: (count: number) => `${count}명이 함께 있어요`,
    nobody: '아직 아무도 없어요',
    members: '함께 있는 사람',
    me: '나',
    log: '대화',
    start: '여기가 대화의 처음이에요.',
    older: '지난 이야기를 불러오는 중…',
    olderMore: '지난 이야기 더 보기',
    fresh: (count: number) => (count > 0 ? `새 메시지 ${count}개` : '맨 아래로'),
    unknown: '그런 대화방이 없어요',
    unknownHint: '지워졌거나 주소가 잘못되었을 수 있어요.',
    gone: '이 대화방이 지워졌어요',
    today: '오늘',
    yesterday: '어제',
    am: '오전',
    pm: '오후',
  },
  composer: {
    label: '메시지',
    placeholder: '메시지를 입력하세요',
    send: '보내기',
    hint: 'Enter로 보내고, Shift+Enter로 줄을 바꿔요.',
    left: (count: number) => `${count}자 남음`,
    over: (count: number) => `${count}자 넘침`,
  },
  outgoing: {
    pending: '보내는 중',
    failed: '보내지 못했어요',
    retry: '다시 보내기',
    discard: '지우기',
  },
  connection: {
    open: '연결됨',
    connecting: '연결하는 중…',
    lost: '연결이 끊겼어요. 다시 연결하고 있어요.',
    now: '지금 연결',
  },
  guest: {
    title: '아직 대화에 참여할 수 없어요',
    hint: '손님 계정이에요. 관리자에게 대화에 참여하게 해 달라고 부탁해 주세요.',
  },
  nowhere: {
    title: '없는 페이지예요',
    hint: '주소가 맞는지 확인해 주세요.',
  },
  failed: {
    title: '서버에 닿지 못했어요',
    hint: '인터넷 연결을 확인하고 다시 시도해 주세요.',
  },
  problem: {
    bad_credentials: () => '이름이나 비밀번호가 맞지 않아요. 다시 확인해 주세요.',
    too_many_sign_ins: () => '로그인을 너무 여러 번 시도했어요. 잠시 뒤에 다시 해 주세요.',
    setup_key_wrong: () => '열쇠가 맞지 않아요. 서버를 시작한 창에 나온 링크를 그대로 열어 주세요.',
    setup_done: () => '관리자는 이미 있어요. 로그인해 주세요.',
    name_invalid: (limit?: number) =>
      limit ? `쓸 수 없는 이름이에요. ${limit}자 안에서 다른 이름을 골라 주세요.` : '쓸 수 없는 이름이에요. 다른 이름을 골라 주세요.',
    name_taken: () => '이미 있는 이름이에요. 다른 이름을 골라 주세요.',
    password_too_short: (limit?: number) => (limit ? `비밀번호는 ${limit}자 이상이어야 해요.` : '비밀번호가 너무 짧아요.'),
    sign_up_closed: () => '지금은 가입을 받지 않아요. 관리자에게 초대 링크를 부탁해 주세요.',
    invite_invalid: () => '초대 링크가 잘못되었거나 기한이 지났어요. 새 링크를 부탁해 주세요.',
    room_name_invalid: (limit?: number) =>
      limit ? `쓸 수 없는 이름이에요. ${limit}자까지 쓸 수 있어요.` : '쓸 수 없는 이름이에요.',
    room_unknown: () => '대화방이 없어졌어요.',
    too_many_messages: () => '너무 빨리 보내고 있어요. 잠시 뒤에 다시 보내 주세요.',
    message_too_long: (limit?: number) => (limit ? `너무 길어요. ${limit}자까지 보낼 수 있어요.` : '너무 길어요.'),
    message_empty: () => '빈 메시지는 보낼 수 없어요.',
    unavailable: () => '서버가 잠시 바빠요. 곧 다시 해 주세요.',
    offline: () => '서버에 닿지 못했어요. 인터넷 연결을 확인해 주세요.',
  },
  problemOther: (code: string) => `요청을 처리하지 못했어요. (${code})`,
};

export type Words = typeof ko;

const en: Words = {
  app: 'Sarangbang',
  tagline: 'The room where people sit and talk',
  loading: 'Loading…',
  close: 'Close',
  cancel: 'Cancel',
  retry: 'Try again',
  back: 'Back to the rooms',
  skip: 'Skip to content',

  login: {
    title: 'Sign in',
    name: 'Name',
    password: 'Password',
    submit: 'Sign in',
    wrong: 'The name or the password is not right. Please check both.',
    bye: 'You are signed out. See you soon!',
    toSignUp: 'New here? Make an account',
    setupHint: 'There is no administrator yet. Open the link that the server printed when it started.',
  },
  signup: {
    title: 'Make an account',
    lead: 'Choose a name and a password, and you can talk at once.',
    again: 'Password again',
    submit: 'Make the account',
    toLogin: 'I have an account',
    nameHint: (chars) => `Up to ${chars} characters.`,
    passwordHint: (chars) => `At least ${chars} characters.`,
    mismatch: 'The two passwords differ.',
    nameMissing: 'Please fill in a name.',
    closed: 'Sign-up is closed. Please ask the administrator for an invitation link.',
  },
  setup: {
    title: 'Make the administrator',
    lead: 'This account looks after the house. You sign in with the name and password you choose here.',
    submit: 'Open the house',
    keyMissing: 'The address has no key. Open the link exactly as the server printed it when it started.',
  },
  rooms: {
    title: 'Rooms',
    none: 'There is no room yet.',
    noneHint: 'Make the first one and start talking.',
    pick: 'Choose a room',
    pickHint: 'Pick one on the left, or make a new one.',
    people: (count) => (count === 1 ? '1 person' : `${count} people`),
    unread: 'New messages',
    create: 'New room',
    createTitle: 'Make a room',
    name: 'Name of the room',
    nameHint: (chars) => `Up to ${chars} characters.`,
    nameMissing: 'Please fill in a name.',
    submit: 'Make the room',
    signOut: 'Sign out',
    invite: 'Invite',
    account: (name) => name,
  },
  invite: {
    title: 'Make an invitation link',
    lead: 'Whoever has the link can make an account and come in.',
    valid: 'Valid for',
    hours: { 24: 'One day', 72: 'Three days', 168: 'One week' },
    as: 'Role',
    role: { user: 'May talk', guest: 'Guest (may not talk yet)' },
    submit: 'Make the link',
    link: 'Invitation link',
    until: (time) => `Valid until ${time}.`,
    copy: 'Copy',
    copied: 'Copied',
  },
  admin: {
    open: 'Manage the room',
    title: 'Manage the room',
    rename: 'Rename',
    remove: 'Delete the room',
    removeHint: 'The room and everything said in it will be gone. This cannot be undone.',
    removeSure: 'Really delete',
  },
  room: {
    people: (count) => (count === 1 ? '1 person is here' : `${count} people are here`),
    nobody: 'Nobody is here yet',
    members: 'People here',
    me: 'you',
    log: 'Conversation',
    start: 'This is where the conversation begins.',
    older: 'Loading earlier messages…',
    olderMore: 'Show earlier messages',
    fresh: (count) => (count > 0 ? (count === 1 ? '1 new message' : `${count} new messages`) : 'To the newest'),
    unknown: 'There is no such room',
    unknownHint: 'It may have been deleted, or the address is wrong.',
    gone: 'This room was deleted',
    today: 'Today',
    yesterday: 'Yesterday',
    am: 'AM',
    pm: 'PM',
  },
  composer: {
    label: 'Message',
    placeholder: 'Write a message',
    send: 'Send',
    hint: 'Enter sends, Shift+Enter makes a new line.',
    left: (count) => `${count} left`,
    over: (count) => `${count} too many`,
  },
  outgoing: {
    pending: 'Sending',
    failed: 'Not sent',
    retry: 'Send again',
    discard: 'Delete',
  },
  connection: {
    open: 'Connected',
    connecting: 'Connecting…',
    lost: 'The connection was lost. Reconnecting.',
    now: 'Connect now',
  },
  guest: {
    title: 'You may not talk here yet',
    hint: 'This is a guest account. Please ask the administrator to let you join in.',
  },
  nowhere: {
    title: 'There is no such page',
    hint: 'Please check the address.',
  },
  failed: {
    title: 'The server cannot be reached',
    hint: 'Check the connection and try again.',
  },
  problem: {
    bad_credentials: () => 'The name or the password is not right. Please check both.',
    too_many_sign_ins: () => 'Too many attempts to sign in. Please wait a moment.',
    setup_key_wrong: () => 'The key is not right. Open the link exactly as the server printed it.',
    setup_done: () => 'There is an administrator already. Please sign in.',
    name_invalid: (limit) =>
      limit ? `This name cannot be used. Choose another of up to ${limit} characters.` : 'This name cannot be used. Choose another.',
    name_taken: () => 'This name is taken. Choose another.',
    password_too_short: (limit) => (limit ? `The password needs at least ${limit} characters.` : 'The password is too short.'),
    sign_up_closed: () => 'Sign-up is closed. Please ask the administrator for an invitation link.',
    invite_invalid: () => 'The invitation is wrong or has expired. Please ask for a new link.',
    room_name_invalid: (limit) =>
      limit ? `This name cannot be used. Up to ${limit} characters are possible.` : 'This name cannot be used.',
    room_unknown: () => 'The room is gone.',
    too_many_messages: () => 'You are sending too fast. Please send it again in a moment.',
    message_too_long: (limit) => (limit ? `Too long: at most ${limit} characters.` : 'Too long.'),
    message_empty: () => 'An empty message cannot be sent.',
    unavailable: () => 'The server is busy. Please try again soon.',
    offline: () => 'The server cannot be reached. Check the connection.',
  },
  problemOther: (code) => `This could not be done. (${code})`,
};

export const WORDS: Record<Language, Words> = { ko, en };

/** The first language of the person's list that the page speaks. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split('-')[0];
    if (primary === 'ko' || primary === 'en') return primary;
  }
  return 'en';
}

/** What a problem means to the person. The server's own detail is English, so only English shows it. */
export function explain(words: Words, problem: { code: string; limit?: number | undefined; detail?: string | undefined }): string {
  const known: Record<string, (limit?: number) => string> = words.problem;
  if (Object.hasOwn(known, problem.code)) return known[problem.code]!(problem.limit);
  return words === en && problem.detail ? problem.detail : words.problemOther(problem.code);
}
