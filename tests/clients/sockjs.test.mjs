// SockJS clients against the server itself, by each transport in turn.

import { overSockJs } from './over_sockjs.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];

overSockJs(process.env.CLIENTS_URL, TRANSPORTS.map((name) => ({ name, chosen: name, expected: name })));
