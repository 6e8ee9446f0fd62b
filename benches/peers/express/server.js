// Login sessions with Express and express-session, as the "User login" example of its README
// has it: regenerate on login, destroy on logout. The store is one of the README's list of
// compatible ones, since the default MemoryStore is "purposely not designed for production".

import path from "node:path";

import Database from "better-sqlite3";
import express from "express";
import session from "express-session";
import sqliteStore from "better-sqlite3-session-store";

const SqliteStore = sqliteStore(session);
const folder = process.env.DATA_DIR ?? ".";

// The journal mode is what better-sqlite3's README asks for.
const users = new Database(path.join(folder, "users.db"));
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

const sessions = new Database(path.join(folder, "sessions.db"));
sessions.pragma("journal_mode = WAL");

const app = express();
app.use(
  session({
    store: new SqliteStore({ client: sessions, expired: { clear: true, intervalMs: 900000 } }),
    secret: process.env.SECRET_KEY,
    resave: false,
    saveUninitialized: false,
    cookie: { secure: "auto" },
  }),
);

app.post("/login", express.json(), (req, res, next) => {
  const username = req.body?.username;
  const user = typeof username === "string" ? findUser.get(username) : undefined;
  if (!user) {
    return res.status(400).json({ error: "Unknown user" });
  }
  // Against session fixation.
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.username = user.username;
    req.session.save((error) => {
      if (error) return next(error);
      res.json(user);
    });
  });
});

app.get("/checklogin", (req, res) => {
  const username = req.session.username;
  const user = username && findUser.get(username);
  if (!user) {
    return res.status(401).json({ error: "Not logged in" });
  }
  res.json(user);
});

app.delete("/logout", (req, res, next) => {
  req.session.destroy((error) => {
    if (error) return next(error);
    res.clearCookie("connect.sid").json({});
  });
});

app.listen(Number(process.env.PORT ?? 3001), "127.0.0.1");
