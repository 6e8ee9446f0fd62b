import { useSession } from "@handstamp/client/react";
import { Link } from "react-router";
import type { Comment } from "../../api/client";
import { loginPath, signUpPath } from "../../lib/next";
import { count } from "../../lib/text";
import { CommentForm } from "./CommentForm";
import { CommentItem } from "./CommentItem";

interface Props {
  postId: string;
  /** How many there are, of which the newest are shown. */
  total: number;
  comments: Comment[];
}

/** The comments of a post, and the form for one more. */
export function Comments({ postId, total, comments }: Props) {
  const { user } = useSession();
  const path = `/post/${postId}`;
  return (
    <section className="comments" aria-labelledby="comments">
      <h2 id="comments">{total === 0 ? "No comments yet" : count(total, "comment")}</h2>
      <ul role="list">
        {comments.map((comment) => (
          <li key={comment.id}>
            <CommentItem
              postId={postId}
              comment={comment}
              isOwn={comment.author === user?.username}
            />
          </li>
        ))}
      </ul>
      {user ? (
        <CommentForm postId={postId} />
      ) : (
        <p className="join soft">
          <Link to={loginPath(path)} className="link">
            Log in
          </Link>{" "}
          or{" "}
          <Link to={signUpPath(path)} className="link">
            sign up
          </Link>{" "}
          to join in.
        </p>
      )}
    </section>
  );
}
