import { useInfiniteQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Post } from "../../api/client";
import { postsQuery } from "../../lib/queries";
import { ErrorNotice } from "../shared/ErrorNotice";

interface Props {
  list: "front" | "me";
  className: string;
  empty: ReactNode;
  /** Stands in while the first page is loaded. */
  loading: ReactNode;
  children: (post: Post, rank: number) => ReactNode;
}

/** A list of posts that is loaded a page at a time. */
export function PostPages({ list, className, empty, loading, children }: Props) {
  const posts = useInfiniteQuery(postsQuery(list));
  if (posts.isPending) return loading;
  if (!posts.data) return <ErrorNotice error={posts.error} retry={() => void posts.refetch()} />;
  const all = posts.data.pages.flatMap((page) => page.posts);
  if (all.length === 0) return <p className="soft">{empty}</p>;
  return (
    <>
      <ol role="list" className={className}>
        {all.map((post, index) => (
          <li key={post.id}>{children(post, index + 1)}</li>
        ))}
      </ol>
      {posts.hasNextPage && (
        <button
          type="button"
          className="button button-second more"
          disabled={posts.isFetchingNextPage}
          onClick={() => void posts.fetchNextPage()}
        >
          {posts.isFetchingNextPage ? "Loading…" : "Load more"}
        </button>
      )}
      {posts.isFetchNextPageError && (
        <p role="alert" className="field-error">
          The next page could not be loaded. Try again.
        </p>
      )}
    </>
  );
}
