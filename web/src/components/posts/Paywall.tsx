import { Link } from "react-router";
import type { Preview } from "../../api/client";
import { loginPath, signUpPath } from "../../lib/next";
import { count } from "../../lib/text";
import { Title } from "../shared/Title";
import { ArticleMeta } from "./ArticleMeta";

interface Props {
  id: string;
  /** How many articles are free. */
  limit: number;
  preview: Preview;
}

/** The beginning of an article, and how to get the rest; both ways lead back to it. */
export function Paywall({ id, limit, preview }: Props) {
  const path = `/post/${id}`;
  return (
    <article className="article">
      <Title>{preview.title}</Title>
      <h1>{preview.title}</h1>
      <div className="article-head">
        <ArticleMeta {...preview}>
          <span>{count(preview.vote_count, "vote")}</span>
          <span>{count(preview.comment_count, "comment")}</span>
        </ArticleMeta>
      </div>
      {preview.text !== null && <p className="article-text beginning">{preview.text}</p>}
      <section className="wall" aria-labelledby="wall">
        <h2 id="wall">{limit === 0 ? "Articles are for members" : "You have read what is free"}</h2>
        <p>
          {limit > 0 && `${count(limit, "article")} can be read without an account. `}
          Sign up, and this one opens, with all the others. It costs nothing.
        </p>
        <div className="buttons">
          <Link to={signUpPath(path)} className="button">
            Sign up to read on
          </Link>
          <Link to={loginPath(path)} className="button button-second">
            Log in
          </Link>
        </div>
        <p className="small">Sign-up asks for a username, an e-mail address and a password.</p>
      </section>
    </article>
  );
}
