import { useSession } from "@handstamp/client/react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, unwrap, type Post } from "../../api/client";
import { loginPath } from "../../lib/next";
import { showPost } from "../../lib/queries";
import { count } from "../../lib/text";

interface Props {
  post: Post;
  /** The page it is on, to which a visitor comes back after logging in. */
  from: string;
}

/** Casts the user's vote, or takes it back; leads a visitor to the login page. */
export function VoteButton({ post, from }: Props) {
  const { user } = useSession();
  const client = useQueryClient();
  const vote = useMutation({
    mutationFn: (wanted: boolean) => {
      const options = { params: { path: { id: post.id } } };
      return unwrap(
        wanted ? api.PUT("/posts/{id}/vote", options) : api.DELETE("/posts/{id}/vote", options),
      );
    },
    onSuccess: (voted) => { showPost(client, voted); },
  });
  const votes = (
    <>
      <svg viewBox="0 0 10 9" aria-hidden="true">
        <path d="M5 0l5 9H0z" />
      </svg>
      {post.vote_count}
      <span className="sr-only">
        {` ${count(post.vote_count, "vote").replace(/^\d+ /, "")}. ${user ? "Vote" : "Log in to vote"} for ${post.title}`}
      </span>
    </>
  );
  if (!user) {
    return (
      <Link to={loginPath(from)} className="vote">
        {votes}
      </Link>
    );
  }
  return (
    <>
      <button
        type="button"
        aria-pressed={post.voted}
        className="vote"
        disabled={vote.isPending}
        onClick={() => { vote.mutate(!post.voted); }}
      >
        {votes}
      </button>
      {vote.isError && (
        <span role="alert" className="field-error">
          {" "}
          That did not work. Try again.
        </span>
      )}
    </>
  );
}
