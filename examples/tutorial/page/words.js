// What the page says, by the browser's language. Notices ("… entered the room.") are the server's, in its own language.

const WORDS = {
  ko: {
    signIn: '로그인',
    signOut: '로그아웃',
    name: '이름',
    password: '비밀번호',
    badCredentials: '이름이나 비밀번호가 맞지 않습니다.',
    rooms: '채팅방',
    roomName: '새 채팅방 이름',
    createRoom: '개설',
    noRooms: '아직 채팅방이 없습니다.',
    people: '지금 있는 사람',
    leave: '나가기',
    messages: '대화',
    message: '메시지',
    send: '보내기',
    away: '연결이 끊어졌습니다. 다시 연결하는 중…',
    unreachable: '서버에 연결할 수 없습니다.',
  },
  en: {
    signIn: 'Sign in',
    signOut: 'Sign out',
    name: 'Name',
    password: 'Password',
    badCredentials: 'Name or password are wrong.',
    rooms: 'Rooms',
    roomName: 'Name of a new room',
    createRoom: 'Make it',
    noRooms: 'There is no room yet.',
    people: 'people who are here',
    leave: 'Leave',
    messages: 'What was said',
    message: 'Message',
    send: 'Send',
    away: 'The connection is lost. Connecting again…',
    unreachable: 'The server cannot be reached.',
  },
};

const language = navigator.language.startsWith('ko') ? 'ko' : 'en';
const words = WORDS[language];
document.documentElement.lang = language;
document.title = words.rooms;
