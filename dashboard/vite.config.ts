import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Relative addresses: index.html carries a <base> that the server sets to the prefix it is reached by.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // Everything is a file of its own: the Content-Security-Policy allows no data: addresses.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.ts"], setupFiles: ["src/test.setup.ts"] },
});
