import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv, type Plugin, type ProxyOptions } from "vite";
import { compression } from "vite-plugin-compression2";

/** Where handstamp listens during development. */
const api = process.env.API_URL ?? "http://127.0.0.1:5000";

/** Where its API lives, by the server's own setting. */
const prefix = loadEnv("", resolve(import.meta.dirname, ".."), "API_PREFIX").API_PREFIX ?? "";

/** The address to listen on, when the network may ask. */
const openTo = process.env.PAGE_HOST;

/** What goes to the server. Below a prefix no address is the page's. */
const apiPaths = prefix ? [prefix, "/docs", "/openapi.json"] : [
  "/signup",
  "/login",
  "/checklogin",
  "/logout",
  "/session",
  "/sessions",
  "/reauthenticate",
  "/password",
  "/email",
  "/account",
  "/passkeys",
  "/totp",
  "/recovery-codes",
  "/posts",
  "/docs",
  "/openapi.json",
];

const proxy: ProxyOptions = {
  target: api,
  // The API compares Origin with Host: it must see the Host that the browser sent.
  changeOrigin: false,
  // Opening /login in the address bar is for the page, posting to it is for the API.
  bypass: (request) =>
    request.headers.accept?.includes("text/html") && !request.url?.startsWith("/docs")
      ? "/index.html"
      : undefined,
};

/** Writes the prefix into the page as the server does, which serves the built one. */
const apiPrefix: Plugin = {
  name: "api-prefix",
  apply: "serve",
  transformIndexHtml: (html) =>
    html.replace('<meta name="api-prefix" content=""', `<meta name="api-prefix" content="${prefix}"`),
};

export default defineConfig({
  plugins: [
    react(),
    apiPrefix,
    // The server sends these to browsers that accept them.
    compression({ algorithms: ["brotliCompress", "gzip"] }),
  ],
  server: {
    port: 3000,
    // `scripts/dev --host` opens it to the network, where phones and other machines ask for it by
    // names that Vite cannot know.
    host: openTo ?? "127.0.0.1",
    allowedHosts: openTo === undefined ? [] : true,
    proxy: Object.fromEntries(apiPaths.map((path) => [path, proxy])),
  },
  build: { target: "es2022" },
});
