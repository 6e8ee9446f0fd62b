import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Link } from "react-router";
import { api, unwrap, type Post } from "../../api/client";
import { messageOf } from "../../api/problem";
import { postQuery } from "../../lib/queries";
import { count } from "../../lib/text";
import { ConfirmButton } from "../forms/ConfirmButton";
import { TimeAgo } from "../shared/TimeAgo";
import { PostForm } from "./PostForm";
import { PostPages } from "./PostPages";

/** The dashboard's list: write, edit, delete. */
export function OwnPosts() {
  const [isWriting, setIsWriting] = useState(false);
  const writeButton = useRef<HTMLButtonElement>(null);
  return (
    <>
      {isWriting ? (
        <PostForm onDone={() => { setIsWriting(false); }} />
      ) : (
        <p className="panel-start">
          <button
            ref={writeButton}
            type="button"
            className="button"
            onClick={() => { setIsWriting(true); }}
          >
            Write a post
          </button>
        </p>
      )}
      <PostPages
        list="me"
        className="rows"
        empty="You have not written anything yet."
        loading={<div aria-busy="true" className="loading-part" />}
      >
        {/* What had the focus is gone with the row. */}
        {(post) => <OwnPost post={post} onDeleted={() => writeButton.current?.focus()} />}
      </PostPages>
    </>
  );
}

function OwnPost({ post, onDeleted }: { post: Post; onDeleted: () => void }) {
  const client = useQueryClient();
  const [isEditing, setIsEditing] = useState(false);
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/posts/{id}", { params: { path: { id: post.id } } })),
    onSuccess: async () => {
      client.removeQueries(postQuery(post.id));
      onDeleted();
      await client.invalidateQueries({ queryKey: ["posts"] });
    },
  });
  if (isEditing) return <PostForm post={post} onDone={() => { setIsEditing(false); }} />;
  return (
    <article className="row row-own">
      <div className="row-text">
        <h3 className="row-title">
          <Link to={`/post/${post.id}`}>{post.title}</Link>
        </h3>
        <p className="meta">
          <TimeAgo time={post.created_at} />
          <span>{count(post.vote_count, "vote")}</span>
          <span>{count(post.comment_count, "comment")}</span>
        </p>
        {remove.isError && (
          <p role="alert" className="field-error">
            {messageOf(remove.error)}
          </p>
        )}
      </div>
      <div className="row-actions">
        <button type="button" className="action" onClick={() => { setIsEditing(true); }}>
          Edit<span className="sr-only"> {post.title}</span>
        </button>
        <ConfirmButton
          label={<>Delete<span className="sr-only"> {post.title}</span></>}
          title="Delete this post?"
          text={`“${post.title}” goes for good, and its comments and votes with it.`}
          confirm="Delete"
          isPending={remove.isPending}
          onConfirm={() => { remove.mutate(); }}
        />
      </div>
    </article>
  );
}
