import { createClient as createSessionClient, type OwnSession } from "@handstamp/client";
import createClient from "openapi-fetch";
import { problemOf } from "./problem";
import type { components, paths } from "./schema";

export type Post = components["schemas"]["Post"];
export type Comment = components["schemas"]["Comment"];
export type Preview = components["schemas"]["Preview"];
export type FreeReadsUsed = components["schemas"]["FreeReadsUsed"];
export type Session = OwnSession;

/** The path that the API lives under: `API_PREFIX`, which the server writes into the page. */
const prefix = document.querySelector<HTMLMetaElement>('meta[name="api-prefix"]')?.content ?? "";
const baseUrl = globalThis.location.origin + prefix;

/** The single source of truth for who is logged in. */
export const session = createSessionClient({ baseUrl });

/** The API of the page's own origin, typed from its OpenAPI description. */
export const api = createClient<paths>({ baseUrl, fetch: session.fetch });

/** The body of a successful response; any other is thrown as a problem. */
export async function unwrap<T>(
  result: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await result;
  if (!response.ok) throw problemOf(response, error);
  return data as T;
}
