// Where the person is: the address, and moving without loading the page anew.
import { parse, type Route } from '../lib/route';

let route = $state.raw<Route>(here());

function here(): Route {
  return parse(location.pathname, location.search);
}

export const nav = {
  get route(): Route {
    return route;
  },
  go(path: string, how: 'push' | 'replace' = 'push'): void {
    if (how === 'push') history.pushState(null, '', path);
    else history.replaceState(null, '', path);
    route = here();
  },
};

/** Follows the browser's back and forward, and plain clicks on links of this page. */
export function followAddress(): () => void {
  const moved = () => (route = here());
  const clicked = (event: MouseEvent) => {
    const link = (event.target as Element | null)?.closest?.('a[href]');
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!(link instanceof HTMLAnchorElement) || !plain || event.defaultPrevented || link.target) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.hash || parse(url.pathname, url.search).at === 'nowhere') return;
    event.preventDefault();
    if (url.href !== location.href) nav.go(url.pathname + url.search);
  };
  addEventListener('popstate', moved);
  document.addEventListener('click', clicked);
  return () => {
    removeEventListener('popstate', moved);
    document.removeEventListener('click', clicked);
  };
}
