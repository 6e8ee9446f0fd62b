import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { isProblem } from "../api/problem";
import { CommentForm } from "../components/comments/CommentForm";
import { CommentItem } from "../components/comments/CommentItem";
import { ErrorNotice } from "../components/shared/ErrorNotice";
import { Paywall } from "../components/posts/Paywall";
import { count } from "../components/posts/PostItem";
import { TimeAgo } from "../components/shared/TimeAgo";
import { Title } from "../components/shared/Title";
import { VoteButton } from "../components/posts/VoteButton";
import { loginPath } from "../lib/next";
import { postQuery } from "../lib/queries";
import { useSession } from "../session/session";
import { NotFoundPage } from "./NotFoundPage";

export function PostPage() {
  const { id = "" } = useParams();
  const query = useQuery(postQuery(id));
  const user = useSession().data;
  if (query.isPending) return <div aria-busy="true" className="min-h-dvh" />;
  if (isProblem(query.error, "free_reads_used")) return <Paywall id={id} />;
  if (isProblem(query.error, "not_found")) return <NotFoundPage />;
  if (!query.data) {
    return <ErrorNotice error={query.error} retry={() => void query.refetch()} />;
  }
  const { post, comments, reads_left: readsLeft } = query.data;
  return (
    <>
      <Title>{post.title}</Title>
      {typeof readsLeft === "number" && <FreeReads left={readsLeft} path={`/post/${id}`} />}
      <article>
        <h1 className="text-3xl leading-tight font-semibold tracking-tight wrap-anywhere sm:text-4xl">
          {post.title}
        </h1>
        <p className="small mt-3">
          {post.author}, <TimeAgo time={post.created_at} />
        </p>
        {post.text !== null && (
          <p className="mt-6 text-lg leading-relaxed wrap-anywhere whitespace-pre-wrap">
            {post.text}
          </p>
        )}
        {post.url !== null && (
          <p className="mt-6">
            <a href={post.url} className="link wrap-anywhere" rel="noopener nofollow ugc">
              {new URL(post.url).hostname}
            </a>
          </p>
        )}
        <div className="mt-6">
          {user ? <VoteButton post={post} /> : <p className="small">{count(post.vote_count, "vote")}</p>}
        </div>
      </article>
      <section aria-labelledby="comments" className="mt-10 border-t border-line pt-6">
        <h2 id="comments" className="mb-4 text-xl font-semibold">
          {post.comment_count === 0 ? "No comments yet" : count(post.comment_count, "comment")}
        </h2>
        <ul className="divide-y divide-line">
          {comments.map((comment) => (
            <li key={comment.id}>
              <CommentItem postId={id} comment={comment} isOwn={comment.author === user?.username} />
            </li>
          ))}
        </ul>
        {user ? (
          <CommentForm postId={id} />
        ) : (
          <p className="mt-6 text-soft">
            <Link to={loginPath(`/post/${id}`)} className="link">
              Log in
            </Link>{" "}
            to join in.
          </p>
        )}
      </section>
    </>
  );
}

function FreeReads({ left, path }: { left: number; path: string }) {
  return (
    <p className="small mb-6 border-l-4 border-line pl-3">
      {left === 0 ? "This is your last free article." : `${count(left, "free article")} left.`}{" "}
      <Link to={loginPath(path)} className="link">
        Log in to read on
      </Link>
    </p>
  );
}
