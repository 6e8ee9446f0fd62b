// Better Auth on its own SQLite file through better-sqlite3 (its "SQLite" page) with e-mail and
// password (its "Basic usage" page), mounted on Node's http server. It has its own addresses:
// POST /api/auth/sign-in/email, GET /api/auth/get-session.

import http from "node:http";
import path from "node:path";

import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";

const port = Number(process.env.PORT ?? 3003);

// The journal mode is what better-sqlite3's README asks for.
const database = new Database(path.join(process.env.DATA_DIR ?? ".", "auth.db"));
database.pragma("journal_mode = WAL");

export const auth = betterAuth({
  database,
  baseURL: `http://127.0.0.1:${port}`,
  secret: process.env.SECRET_KEY,
  emailAndPassword: { enabled: true },
  // Its "Cookie Cache" page: for five minutes the database is not asked.
  session: { cookieCache: { enabled: process.env.COOKIE_CACHE === "on", maxAge: 5 * 60 } },
  // On by default in production; the load comes from one address.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
const email = "jackson@example.com";
if (!database.prepare('select 1 from "user" where email = ?').get(email)) {
  await auth.api.signUpEmail({ body: { name: "Jackson", email, password: "plain tea at dawn" } });
}

http.createServer(toNodeHandler(auth)).listen(port, "127.0.0.1");
