import { useInfiniteQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api, unwrap, type Post } from "../../api/client";
import { ErrorNotice } from "../shared/ErrorNotice";

interface Props {
  /** Lists the posts of this author; everybody's by default. */
  author?: string;
  empty: ReactNode;
  children: (post: Post) => ReactNode;
}

/** Posts, newest first, a page at a time. */
export function PostList({ author, empty, children }: Props) {
  const posts = useInfiniteQuery({
    queryKey: ["posts", author],
    queryFn: ({ pageParam }) => {
      const query = { ...(author && { author }), ...(pageParam && { after: pageParam }) };
      return unwrap(api.GET("/posts", { params: { query } }));
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
  if (posts.isPending) return <ListSkeleton />;
  if (posts.isError && !posts.data) {
    return <ErrorNotice error={posts.error} retry={() => void posts.refetch()} />;
  }
  const all = posts.data.pages.flatMap((page) => page.posts);
  if (all.length === 0) return <p className="py-8 text-soft">{empty}</p>;
  return (
    <>
      <ul className="divide-y divide-line">
        {all.map((post) => (
          <li key={post.id}>{children(post)}</li>
        ))}
      </ul>
      {posts.hasNextPage && (
        <button
          type="button"
          className="button-quiet mt-6"
          disabled={posts.isFetchingNextPage}
          onClick={() => void posts.fetchNextPage()}
        >
          {posts.isFetchingNextPage ? "Loading…" : "Load more"}
        </button>
      )}
      {posts.isFetchNextPageError && (
        <p role="alert" className="mt-3 font-sans text-sm text-stamp">
          The next page could not be loaded. Try again.
        </p>
      )}
    </>
  );
}

/** As tall as the list that is being loaded, so that the layout does not shift. */
function ListSkeleton() {
  return (
    <div aria-busy="true" className="min-h-dvh">
      <p className="sr-only">Loading…</p>
    </div>
  );
}
