import { QueryClient, queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap, type User } from "../api/client";
import { Problem, isProblem } from "../api/problem";
import { announceSessionChange } from "./channel";
import { dismissEnd, endReasonOf, reportEnd } from "./ended";

/**
 * The single source of truth for who is logged in: the user, or null. An error is neither, so an
 * unreachable server logs nobody out.
 */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async (): Promise<User | null> => {
    try {
      return await unwrap(api.GET("/checklogin"));
    } catch (error) {
      if (isProblem(error, "not_logged_in")) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

export function useSession() {
  return useQuery(sessionQuery);
}

/** Stores the user, or null, and drops everything cached for somebody else. */
export function applySession(client: QueryClient, user: User | null): void {
  client.setQueryData(sessionQuery.queryKey, user);
  void client.resetQueries({ predicate: (query) => query.queryKey[0] !== "session" });
}

export interface Credentials {
  username: string;
  /** Omitted for an account without a password. */
  password?: string;
}

export interface NewAccount {
  username: string;
  email: string;
  password: string;
}

export function useLogIn() {
  return useEntrance((body: Credentials) => unwrap(api.POST("/login", { body })));
}

export function useSignUp() {
  return useEntrance((body: NewAccount) => unwrap(api.POST("/signup", { body })));
}

function useEntrance<T>(enter: (body: T) => Promise<User>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: enter,
    onSuccess: (user) => {
      dismissEnd();
      applySession(client, user);
      announceSessionChange();
    },
  });
}

export function useLogOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/logout")),
    onSuccess: () => {
      applySession(client, null);
      announceSessionChange();
    },
  });
}

/** A 401 to any request means that the session has ended, here and in the other tabs. */
export function noticeLogOut(client: QueryClient, error: unknown): void {
  if (!isProblem(error, "not_logged_in")) return;
  if (client.getQueryData(sessionQuery.queryKey)) {
    reportEnd(endReasonOf(error.reason));
    applySession(client, null);
    announceSessionChange();
  }
}

/** Whether a retry may help: not after a refusal by the server. */
export function isWorthRetrying(failures: number, error: unknown): boolean {
  const isRefusal = error instanceof Problem && error.status < 500;
  return !isRefusal && failures < 2;
}
