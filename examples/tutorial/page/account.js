// Who is signed in. The page stands on another site than the server, where browsers let no cookie through: the token that
// signing in answers with is kept as long as the tab is open, and goes with each call.

axios.defaults.baseURL = SERVER;

const account = {
  get name() {
    return sessionStorage.getItem('wschat.name') ?? '';
  },
  get token() {
    return sessionStorage.getItem('wschat.token') ?? '';
  },

  keep({ name, token }) {
    sessionStorage.setItem('wschat.name', name);
    sessionStorage.setItem('wschat.token', token);
  },
  forget() {
    sessionStorage.removeItem('wschat.name');
    sessionStorage.removeItem('wschat.token');
  },

  async signIn(username, password) {
    this.keep((await axios.post('/login', { username, password })).data);
  },

  /** A token is good for an hour; this gets a new one. */
  async refresh() {
    this.keep((await axios.get('/chat/user')).data);
    return this.token;
  },
};

axios.interceptors.request.use((request) => {
  if (account.token) request.headers.set('Authorization', `Bearer ${account.token}`);
  return request;
});

/** What to tell of a call that failed: the server's answers say what to do. */
function told(error) {
  if (!error.response) return words.unreachable;
  if (error.response.data?.code === 'bad_credentials') return words.badCredentials;
  return error.response.data?.detail ?? error.message;
}

/** Whether a call failed because nobody is signed in any more. */
const isSignedOut = (error) => error.response?.status === 401;
