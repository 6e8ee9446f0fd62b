import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api, unwrap, type Post } from "../../api/client";
import { messageOf } from "../../api/problem";
import { postQuery } from "../../lib/queries";
import { ConfirmButton } from "../forms/ConfirmButton";
import { PostForm } from "./PostForm";
import { count } from "./PostItem";
import { PostList } from "./PostList";
import { TimeAgo } from "../shared/TimeAgo";

/** The dashboard's list: write, edit, delete. */
export function OwnPosts() {
  const [isWriting, setIsWriting] = useState(false);
  return (
    <>
      {isWriting ? (
        <PostForm onDone={() => { setIsWriting(false); }} />
      ) : (
        <button type="button" className="button" onClick={() => { setIsWriting(true); }}>
          Write a post
        </button>
      )}
      <PostList author="me" empty="You have not written anything yet.">
        {(post) => <OwnPost post={post} />}
      </PostList>
    </>
  );
}

function OwnPost({ post }: { post: Post }) {
  const client = useQueryClient();
  const [isEditing, setIsEditing] = useState(false);
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/posts/{id}", { params: { path: { id: post.id } } })),
    onSuccess: async () => {
      client.removeQueries(postQuery(post.id));
      await client.invalidateQueries({ queryKey: ["posts"] });
    },
  });
  if (isEditing) return <PostForm post={post} onDone={() => { setIsEditing(false); }} />;
  return (
    <article className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2 py-4">
      <div className="min-w-0 flex-1 basis-64">
        <h3 className="text-lg leading-snug font-semibold wrap-anywhere">
          <Link to={`/post/${post.id}`} className="hover:text-stamp">
            {post.title}
          </Link>
        </h3>
        <p className="small">
          <TimeAgo time={post.created_at} />, {count(post.vote_count, "vote")},{" "}
          {count(post.comment_count, "comment")}
        </p>
        {remove.isError && (
          <p role="alert" className="font-sans text-sm text-stamp">
            {messageOf(remove.error)}
          </p>
        )}
      </div>
      <div className="flex gap-2">
        <button type="button" className="button-quiet" onClick={() => { setIsEditing(true); }}>
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
