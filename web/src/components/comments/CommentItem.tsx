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
    <article className="comment">
      <div className="comment-head">
        <p className="meta">
          <span className="comment-author">{comment.author}</span>
          <TimeAgo time={comment.created_at} />
        </p>
        {isOwn && (
          <button
            type="button"
            className="action"
            disabled={remove.isPending}
            onClick={() => { remove.mutate(); }}
          >
            Delete<span className="sr-only"> your comment</span>
          </button>
        )}
      </div>
      <p className="comment-text">{comment.text}</p>
      {remove.isError && (
        <p role="alert" className="field-error">
          It could not be deleted. Try again.
        </p>
      )}
    </article>
  );
}
