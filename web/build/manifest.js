// Adds the web manifest, with which a phone keeps the page on its home screen. Files under /assets are named after
// their content and kept by browsers for ever, so the manifest gets such a name too, and names the icon by its own.
export function manifest() {
  let path = '';
  return {
    name: 'manifest',
    apply: 'build',
    generateBundle(_, bundle) {
      const icon = Object.keys(bundle).find((name) => /\/favicon-[^/]+\.svg$/.test(name));
      if (!icon) this.error('the icon of the manifest is not among the files of the build');
      const source = JSON.stringify({
        name: '사랑방 Sarangbang',
        short_name: '사랑방',
        id: '/chat/room',
        start_url: '/chat/room',
        scope: '/',
        display: 'standalone',
        background_color: '#f3ecdd',
        theme_color: '#ece3d0',
        icons: [{ src: `/${icon}`, type: 'image/svg+xml', sizes: 'any' }],
      });
      path = this.getFileName(this.emitFile({ type: 'asset', name: 'sarangbang.webmanifest', source }));
    },
    transformIndexHtml: {
      order: 'post',
      handler: () => [{ tag: 'link', attrs: { rel: 'manifest', href: `/${path}` }, injectTo: 'head' }],
    },
  };
}
