import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // An object, not a bare URL: Vite would then rewrite Host, and the API compares it with Origin.
  server: { proxy: { "/api": { target: process.env.API_URL ?? "http://127.0.0.1:5000" } } },
});
