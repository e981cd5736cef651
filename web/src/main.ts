import { mount } from 'svelte';
import App from './App.svelte';
import './styles/tokens.css';
import './styles/base.css';
import './styles/forms.css';
import './styles/talk.css';
import { followKeyboard } from './lib/viewport';
import { language } from './lib/words';

document.documentElement.lang = language;
followKeyboard();
mount(App, { target: document.getElementById('app')! });
