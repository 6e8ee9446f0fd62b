import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "../api/client";

/** A post with its comments, as the current user sees it. */
export function postQuery(id: string) {
  return queryOptions({
    queryKey: ["post", id],
    queryFn: () => unwrap(api.GET("/posts/{id}", { params: { path: { id } } })),
  });
}

/** The user's sessions. */
export const sessionsQuery = queryOptions({
  queryKey: ["sessions"],
  queryFn: async () => (await unwrap(api.GET("/sessions"))).sessions,
});
