import { defineConfig } from 'vite';

// Fixed file names and whole lines: a change of the sources is a readable change of dist/.
export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    outDir: 'dist',
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        entryFileNames: 'page.js',
        assetFileNames: (file) => (file.names[0]?.endsWith('.css') ? 'page.css' : '[name][extname]'),
      },
    },
  },
});
