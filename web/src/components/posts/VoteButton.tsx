import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap, type Post } from "../../api/client";
import { postQuery } from "../../lib/queries";
import { count } from "./PostItem";

/** Casts the user's vote, or takes it back. */
export function VoteButton({ post }: { post: Post }) {
  const client = useQueryClient();
  const vote = useMutation({
    mutationFn: (wanted: boolean) => {
      const options = { params: { path: { id: post.id } } };
      return unwrap(
        wanted ? api.PUT("/posts/{id}/vote", options) : api.DELETE("/posts/{id}/vote", options),
      );
    },
    onSuccess: (voted) => {
      client.setQueryData(postQuery(post.id).queryKey, (old) => old && { ...old, post: voted });
      void client.invalidateQueries({ queryKey: ["posts"] });
    },
  });
  return (
    <p className="flex items-center gap-4">
      <button
        type="button"
        aria-pressed={post.voted}
        className={post.voted ? "button" : "button-quiet"}
        disabled={vote.isPending}
        onClick={() => { vote.mutate(!post.voted); }}
      >
        {post.voted ? "Voted" : "Vote"}
      </button>
      <span className="small" aria-live="polite">
        {vote.isError ? "That did not work. Try again." : count(post.vote_count, "vote")}
      </span>
    </p>
  );
}
