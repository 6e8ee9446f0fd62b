import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap, type Comment } from "../../api/client";
import { postQuery } from "../../lib/queries";
import { TimeAgo } from "../shared/TimeAgo";

interface Props {
  postId: string;
  comment: Comment;
  isOwn: boolean;
}

export function CommentItem({ postId, comment, isOwn }: Props) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => {
      const path = { id: postId, comment_id: comment.id };
      return unwrap(api.DELETE("/posts/{id}/comments/{comment_id}", { params: { path } }));
    },
    onSuccess: () => client.invalidateQueries(postQuery(postId)),
  });
  return (
    <article className="py-4">
      <p className="leading-relaxed wrap-anywhere whitespace-pre-wrap">{comment.text}</p>
      <p className="small mt-1 flex gap-4">
        <span>
          {comment.author}, <TimeAgo time={comment.created_at} />
        </span>
        {isOwn && (
          <button
            type="button"
            className="link cursor-pointer"
            disabled={remove.isPending}
            onClick={() => { remove.mutate(); }}
          >
            Delete<span className="sr-only"> your comment</span>
          </button>
        )}
        {remove.isError && <span role="alert">It could not be deleted. Try again.</span>}
      </p>
    </article>
  );
}
