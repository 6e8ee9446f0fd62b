import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const dist = resolve(import.meta.dirname, "../dist");

/** The tests' page, on the package as it is built. */
export default defineConfig({
  root: resolve(import.meta.dirname, "page"),
  plugins: [react()],
  resolve: {
    alias: [
      { find: "@handstamp/client/react", replacement: resolve(dist, "react.js") },
      { find: "@handstamp/client", replacement: resolve(dist, "index.js") },
    ],
  },
  server: {
    host: "127.0.0.1",
    port: 5190,
    proxy: { "/api": { target: process.env.API_URL ?? "http://127.0.0.1:5000" } },
  },
});
