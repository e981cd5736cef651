import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { bundled } from './build/bundled.js';
import { manifest } from './build/manifest.js';

// The policy of the server allows neither inline scripts nor inline styles nor data: modules,
// so whatever the page needs is a file of its own under /assets.
export default defineConfig({
  plugins: [svelte(), manifest(), bundled()],
  build: {
    target: ['chrome111', 'firefox115', 'safari16.4'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  test: { include: ['src/**/*.test.ts'] },
});
