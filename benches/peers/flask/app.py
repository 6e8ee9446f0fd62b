"""Login sessions with Flask: its own `session`, a signed cookie that the client keeps.

Set up as Flask's documentation has it: the database pattern of "Using SQLite 3 with Flask", the
session of "Quickstart: Sessions", gunicorn of "Deploying to Production" (benches/peers/start).
"""

import os
import sqlite3
from pathlib import Path

from dotenv import load_dotenv
from flask import Flask, g, jsonify, request, session

load_dotenv()

DATABASE = Path(os.environ.get("DATA_DIR", ".")) / "users.db"

app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]


def get_db():
    db = getattr(g, "_database", None)
    if db is None:
        db = g._database = sqlite3.connect(DATABASE)
        db.row_factory = sqlite3.Row
    return db


@app.teardown_appcontext
def close_connection(exception):
    db = getattr(g, "_database", None)
    if db is not None:
        db.close()


def init_db():
    with app.app_context():
        db = get_db()
        db.executescript("""
            create table if not exists users (
                id integer primary key,
                username text not null unique,
                created_at text not null
            );
            insert or ignore into users (username, created_at)
            values ('Jackson', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'));
            """)
        db.commit()


def find_user(username):
    row = get_db().execute(
        "select id, username, created_at from users where username = ?", [username]
    )
    user = row.fetchone()
    return dict(user) if user else None


@app.post("/login")
def login():
    user = find_user(request.get_json().get("username"))
    if user is None:
        return {"error": "Unknown user"}, 400
    session["username"] = user["username"]
    return jsonify(user)


@app.get("/checklogin")
def check_login():
    username = session.get("username")
    user = find_user(username) if username else None
    if user is None:
        return {"error": "Not logged in"}, 401
    return jsonify(user)


@app.delete("/logout")
def logout():
    session.clear()
    return {}


init_db()
