// Signing in, and the list of rooms.

Vue.createApp({
  data: () => ({ words, name: account.name, username: '', password: '', roomName: '', chatrooms: [], problem: '' }),

  created() {
    if (this.name) this.findAllRoom();
    // Counts change while one looks.
    setInterval(() => this.name && !document.hidden && this.findAllRoom(), 5_000);
  },

  methods: {
    async signIn() {
      await this.ask(() => account.signIn(this.username, this.password));
      this.password = '';
      this.name = account.name;
      if (this.name) await this.findAllRoom();
    },
    signOut() {
      account.forget();
      this.name = '';
      this.chatrooms = [];
    },
    async findAllRoom() {
      const response = await this.ask(() => axios.get('/chat/rooms'));
      if (response) this.chatrooms = response.data;
    },
    async createRoom() {
      const params = new URLSearchParams({ name: this.roomName });
      const response = await this.ask(() => axios.post('/chat/room', params));
      if (!response) return;
      this.roomName = '';
      await this.findAllRoom();
    },
    /** Does a call; what goes wrong is shown. */
    async ask(call) {
      try {
        const response = await call();
        this.problem = '';
        return response;
      } catch (error) {
        if (this.name && isSignedOut(error)) this.signOut();
        this.problem = told(error);
        return undefined;
      }
    },
  },
}).mount('#app');
