// One room: enter, talk, leave.

const roomId = new URLSearchParams(location.search).get('roomId');
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const FRESH_TOKEN_EVERY_MS = 30 * 60 * 1_000;

let client; // kept out of Vue, which would watch every part of it
let pause = FIRST_PAUSE_MS;
let hasLeft = false;

Vue.createApp({
  data: () => ({ words, room: {}, message: '', messages: [], userCount: 0, away: false, problem: '' }),

  async created() {
    if (!account.token) return this.leave();
    setInterval(() => this.prolong(), FRESH_TOKEN_EVERY_MS);
    // Who closes the tab has left at once, and not only when the server misses them.
    addEventListener('pagehide', () => client?.ws.close());
    return this.connect();
  },

  methods: {
    async connect() {
      try {
        await account.refresh();
        this.room = (await axios.get(`/chat/room/${roomId}`)).data;
        document.title = this.room.name;
      } catch (error) {
        if (isSignedOut(error)) return this.leave();
        this.problem = told(error);
        if (!error.response || error.response.status >= 500) this.connectLater();
        return undefined;
      }
      if (hasLeft) return undefined;
      client = Stomp.over(new SockJS(`${SERVER}/ws-stomp`));
      client.debug = null;
      client.connect({ token: account.token }, this.entered, this.lost);
      return undefined;
    },
    entered() {
      this.away = false;
      this.problem = '';
      pause = FIRST_PAUSE_MS;
      client.subscribe('/user/queue/errors', ({ body }) => {
        this.problem = JSON.parse(body).message;
      });
      // The tutorial's page has no third argument here, and needs none. With it nothing is missed: after a lost connection
      // what came meanwhile, and before it the newest twenty.
      const last = this.messages.at(-1)?.offset;
      const from = last === undefined ? { history: '20' } : { after: String(last) };
      client.subscribe(`/sub/chat/room/${roomId}`, ({ body }) => this.recvMessage(JSON.parse(body)), from);
    },
    lost(why) {
      // An ERROR says why; a text is the library's word for a socket that has closed.
      if (why?.body) this.problem = why.headers.message;
      else if (!hasLeft) this.connectLater();
    },
    connectLater() {
      this.away = true;
      setTimeout(() => hasLeft || this.connect(), pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    },

    onEnter(event) {
      // The Enter that ends a Hangul syllable is not the one that sends.
      if (event.isComposing || event.keyCode === 229) event.preventDefault();
    },
    sendMessage() {
      const message = this.message.trim();
      if (!message || this.away || !client?.connected) return;
      client.send('/pub/chat/message', { token: account.token }, JSON.stringify({ type: 'TALK', roomId, message }));
      this.message = '';
      this.problem = '';
    },
    recvMessage(message) {
      this.messages.push(message);
      this.userCount = message.userCount;
      const list = this.$refs.messages;
      this.$nextTick(() => list.scrollTo(0, list.scrollHeight));
    },
    kindOf: ({ type, sender }) => (type === 'TALK' ? (sender === account.name ? 'own' : 'talk') : 'notice'),

    /** A newer token keeps the connection beyond the hour of the first one. */
    async prolong() {
      try {
        await account.refresh();
        if (client?.connected) client.send('/pub/chat/token', { token: account.token });
      } catch {
        // The server is away, or the account is gone: the connection will tell.
      }
    },
    leave() {
      hasLeft = true;
      if (client?.connected) client.disconnect();
      location.assign('index.html');
    },
  },
}).mount('#app');
