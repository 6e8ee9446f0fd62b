import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type ProxyOptions } from "vite";
import { compression } from "vite-plugin-compression2";

/** Where handstamp listens during development. */
const api = process.env.API_URL ?? "http://127.0.0.1:5000";

/** The address to listen on, when the network may ask. */
const openTo = process.env.PAGE_HOST;

const apiPaths = [
  "/signup",
  "/login",
  "/checklogin",
  "/logout",
  "/sessions",
  "/password",
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

export default defineConfig({
  plugins: [
    react(),
    tailwindcss(),
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
