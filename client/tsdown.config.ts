import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/index.ts", "src/react.tsx", "src/login.ts", "src/factors.ts"],
  platform: "browser",
  target: "es2022",
  dts: true,
  tsconfig: "tsconfig.src.json",
});
