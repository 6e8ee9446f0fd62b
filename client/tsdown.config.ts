import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    react: "src/react.tsx",
    login: "src/factors/login.ts",
    factors: "src/factors/index.ts",
  },
  platform: "browser",
  target: "es2022",
  dts: true,
  tsconfig: "tsconfig.src.json",
});
