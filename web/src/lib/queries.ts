import { infiniteQueryOptions, queryOptions, type InfiniteData, type QueryClient } from "@tanstack/react-query";
import { api, unwrap, type Post } from "../api/client";
import { ranked } from "./rank";

/** On the front page: the lead, three beside it, and an even number of rows. */
const FRONT_PAGE = 30;

/** Posts a page at a time: everybody's in the order of the front page, or one's own, newest first. */
export function postsQuery(list: "front" | "me") {
  return infiniteQueryOptions({
    queryKey: ["posts", list],
    queryFn: async ({ pageParam }) => {
      const which = list === "me" ? { author: "me" } : { limit: FRONT_PAGE };
      const query = { ...which, ...(pageParam && { after: pageParam }) };
      const page = await unwrap(api.GET("/posts", { params: { query } }));
      // Here and not where it is shown, so that the order stays until it is loaded again.
      return list === "front" ? { ...page, posts: ranked(page.posts, Date.now()) } : page;
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
}

/** A post with its comments, as the current user sees it. */
export function postQuery(id: string) {
  return queryOptions({
    queryKey: ["post", id],
    queryFn: () => unwrap(api.GET("/posts/{id}", { params: { path: { id } } })),
  });
}

/** Shows a post as it is now, wherever it is shown. */
export function showPost(client: QueryClient, post: Post): void {
  client.setQueryData(postQuery(post.id).queryKey, (old) => old && { ...old, post });
  client.setQueriesData<InfiniteData<{ posts: Post[] }>>({ queryKey: ["posts"] }, (old) => {
    const withPost = (page: { posts: Post[] }) => ({
      ...page,
      posts: page.posts.map((other) => (other.id === post.id ? post : other)),
    });
    return old && { ...old, pages: old.pages.map(withPost) };
  });
}
