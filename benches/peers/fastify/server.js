// Login sessions with Fastify and @fastify/secure-session, as its README has it: the session
// travels encrypted in the cookie. The user is fetched with better-sqlite3 on every request.

import path from "node:path";

import secureSession from "@fastify/secure-session";
import Database from "better-sqlite3";
import Fastify from "fastify";

// The journal mode is what better-sqlite3's README asks for.
const users = new Database(path.join(process.env.DATA_DIR ?? ".", "users.db"));
users.pragma("journal_mode = WAL");
users.exec(`
  create table if not exists users (
    id integer primary key,
    username text not null unique,
    created_at text not null
  );
  insert or ignore into users (username, created_at)
  values ('Jackson', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'));
`);
const findUser = users.prepare("select id, username, created_at from users where username = ?");

const user = {
  type: "object",
  properties: {
    id: { type: "integer" },
    username: { type: "string" },
    created_at: { type: "string" },
  },
};

const fastify = Fastify();
fastify.register(secureSession, {
  key: Buffer.from(process.env.SECRET_KEY, "hex"),
  expiry: 14 * 24 * 60 * 60,
  cookie: { path: "/", httpOnly: true, sameSite: "lax", secure: "auto" },
});

const logIn = {
  body: {
    type: "object",
    required: ["username"],
    properties: { username: { type: "string" } },
  },
  response: { 200: user },
};
fastify.post("/login", { schema: logIn }, (request, reply) => {
  const found = findUser.get(request.body.username);
  if (!found) {
    return reply.code(400).send({ error: "Unknown user" });
  }
  request.session.regenerate();
  request.session.set("username", found.username);
  reply.send(found);
});

fastify.get("/checklogin", { schema: { response: { 200: user } } }, (request, reply) => {
  const username = request.session.get("username");
  const found = username && findUser.get(username);
  if (!found) {
    return reply.code(401).send({ error: "Not logged in" });
  }
  reply.send(found);
});

fastify.delete("/logout", (request, reply) => {
  request.session.delete();
  reply.send({});
});

await fastify.listen({ port: Number(process.env.PORT ?? 3002), host: "127.0.0.1" });
